//! `--report junit=FILE`: what CI servers read. A suite is a play, a case is a device; a run that ended early has a case of its
//! own. Elements and attributes are those of the schema that Jenkins checks with, so others read them too.

use base::rfc3339_millis;

use super::line::one_line;
use super::record::{DeviceRecord, PlayRecord, RunRecord, StepRecord, Text, Word};
use super::xml::{Written, Xml, seconds};

/// A message is an attribute: servers show it as a title.
const MESSAGE: usize = 300;

/// The whole document.
pub(super) fn render(record: &RunRecord) -> std::io::Result<Vec<u8>> {
    let mut junit = Junit { record, xml: Xml::new()? };
    junit.document()?;
    Ok(junit.xml.done())
}

struct Junit<'r> {
    record: &'r RunRecord,
    xml: Xml,
}

impl Junit<'_> {
    fn document(&mut self) -> Written {
        let early = self.early();
        let (mut tests, mut failures) = (0, 0);
        for play in &self.record.plays {
            tests += play.devices.len();
            failures += bad(play);
        }
        let errors = usize::from(early.is_some());
        let name = self.record.plays.first().map_or("run", |play| self.record.texts.get(play.file));
        let (tests, failures, errors) = ((tests + errors).to_string(), failures.to_string(), errors.to_string());
        let time = seconds(self.record.took);
        let attributes =
            [("name", name), ("tests", &*tests), ("failures", &*failures), ("errors", &*errors), ("time", &*time)];
        self.xml.open("testsuites", &attributes)?;
        for play in &self.record.plays {
            self.suite(play)?;
        }
        if let Some(why) = early {
            self.ended_early(&why)?;
        }
        self.xml.close("testsuites")
    }

    /// Why the run as a whole is not what was asked for, when it is not: CI must not be green then.
    fn early(&self) -> Option<String> {
        let record = self.record;
        let mut why: Vec<String> = record.stopped.iter().map(|found| self.finding(found)).collect();
        why.extend(record.reason.map(|reason| record.texts.get(reason).to_owned()));
        let bad = record.plays.iter().any(|play| bad(play) > 0);
        if record.exit != 0 && why.is_empty() && !bad {
            why.push(format!("ended with exit code {}", record.exit));
        }
        (record.exit != 0 && !why.is_empty()).then(|| why.join("\n"))
    }

    fn finding(&self, found: &super::record::Finding) -> String {
        let texts = &self.record.texts;
        let mut text = format!("{}: {}", texts.get(found.label), texts.or_empty(found.message));
        for (word, more) in [("at", found.at), ("note", found.note), ("help", found.help)] {
            if let Some(more) = more {
                text = format!("{text}\n{word}: {}", texts.get(more));
            }
        }
        text
    }

    fn ended_early(&mut self, why: &str) -> Written {
        let time = seconds(self.record.took);
        let attributes =
            [("name", "run"), ("tests", "1"), ("failures", "0"), ("errors", "1"), ("skipped", "0"), ("time", &*time)];
        self.xml.open("testsuite", &attributes)?;
        self.properties(None)?;
        self.xml.open("testcase", &[("name", "run"), ("classname", "run"), ("time", &time)])?;
        let (kind, message) = (format!("exit {}", self.record.exit), one_line(why, MESSAGE));
        self.xml.text("error", &[("type", &kind), ("message", &message)], why)?;
        self.xml.close("testcase")?;
        self.xml.close("testsuite")
    }

    fn suite(&mut self, play: &PlayRecord) -> Written {
        let texts = &self.record.texts;
        let skipped = play.devices.iter().filter(|device| is_skipped(device)).count();
        let (tests, failures) = (play.devices.len().to_string(), bad(play).to_string());
        let (skipped, time) = (skipped.to_string(), seconds(play.took));
        // Without fraction and zone: what the schema's readers understand.
        let at = self.record.began + std::time::Duration::from_millis(play.began);
        let timestamp: String = rfc3339_millis(at).chars().take(19).collect();
        let attributes = [
            ("name", texts.get(play.name)),
            ("tests", &*tests),
            ("failures", &*failures),
            ("errors", "0"),
            ("skipped", &*skipped),
            ("time", &*time),
            ("timestamp", &*timestamp),
            ("file", texts.get(play.file)),
        ];
        self.xml.open("testsuite", &attributes)?;
        self.properties(Some(play))?;
        for device in &play.devices {
            self.case(play, device)?;
        }
        if !play.own.is_empty() {
            let lines: Vec<String> = play.own.iter().map(|step| self.step_line(step)).collect();
            self.xml.text("system-out", &[], &lines.join("\n"))?;
        }
        self.xml.close("testsuite")
    }

    fn properties(&mut self, play: Option<&PlayRecord>) -> Written {
        let texts = &self.record.texts;
        let exit = self.record.exit.to_string();
        let mut properties =
            vec![("run", texts.get(self.record.run)), ("hub", texts.get(self.record.hub)), ("exit", &*exit)];
        let waves = play.map(|play| play.waves.to_string());
        properties.extend(waves.as_deref().map(|waves| ("waves", waves)));
        let steps = play.map(|play| play.steps.len().to_string());
        properties.extend(steps.as_deref().map(|steps| ("steps", steps)));
        self.xml.open("properties", &[])?;
        for (name, value) in properties {
            self.xml.empty("property", &[("name", name), ("value", value)])?;
        }
        self.xml.close("properties")
    }

    fn case(&mut self, play: &PlayRecord, device: &DeviceRecord) -> Written {
        let texts = &self.record.texts;
        let (name, class, time) = (texts.get(device.id), texts.get(play.name), seconds(device.took));
        self.xml.open("testcase", &[("name", name), ("classname", class), ("time", &time)])?;
        let error = texts.or_empty(device.error);
        if device.outcome.is_bad() {
            let message = match device.culprit() {
                Some(step) => format!("{}: {error}", texts.get(step.name)),
                None => error.to_owned(),
            };
            let detail = self.failure_text(device, &message);
            let attributes = [("type", device.outcome.text()), ("message", &one_line(&message, MESSAGE))];
            self.xml.text("failure", &attributes, &detail)?;
        } else if is_skipped(device) {
            let attributes = [("type", device.outcome.text()), ("message", &*one_line(error, MESSAGE))];
            self.xml.empty("skipped", &attributes)?;
        }
        // What failed on the way: of a device that is ok in the end, and of one that is not.
        let retried = if device.outcome.is_bad() { "rerunFailure" } else { "flakyFailure" };
        for (step, attempt, why) in device.retried() {
            let message = format!("{}: attempt {attempt}: {}", texts.get(step.name), texts.get(why));
            self.xml.text(retried, &[("type", "retried"), ("message", &one_line(&message, MESSAGE))], &message)?;
        }
        self.xml.text("system-out", &[], &self.log(device))?;
        self.xml.close("testcase")
    }

    /// Step and reason, then place and help.
    fn failure_text(&self, device: &DeviceRecord, message: &str) -> String {
        let texts = &self.record.texts;
        let mut lines = vec![message.to_owned()];
        if let Some(step) = device.culprit() {
            let said = texts.or_empty(step.text);
            if !said.is_empty() && !message.ends_with(said) {
                lines.push(said.to_owned());
            }
            for (word, text) in [("at", step.at), ("note", step.note), ("help", step.help), ("reply", step.value)] {
                if let Some(text) = text {
                    lines.extend(texts.get(text).lines().map(|line| format!("{word}: {line}")));
                }
            }
            if step.attempts > 1 {
                lines.push(format!("attempts: {}", step.attempts));
            }
        }
        lines.join("\n")
    }

    /// Wave, waiting, and each step with its attempts.
    fn log(&self, device: &DeviceRecord) -> String {
        let mut lines = vec![format!("wave {}, waited {} s", device.wave, seconds(device.waited))];
        for step in &device.steps {
            for (attempt, why) in &step.retries {
                lines.push(format!("again: {} (attempt {attempt}): {}", self.name(step.name), self.name(*why)));
            }
            lines.push(self.step_line(step));
        }
        if device.more > 0 {
            lines.push(format!("({} more steps)", device.more));
        }
        lines.join("\n")
    }

    fn step_line(&self, step: &StepRecord) -> String {
        let text = self.record.texts.or_empty(step.text);
        let attempts = if step.attempts > 1 { format!(", {} attempts", step.attempts) } else { String::new() };
        let line = format!("{}: {} ({} s{attempts})", step.word(), self.name(step.name), seconds(step.took));
        if text.is_empty() { line } else { format!("{line} {text}") }
    }

    fn name(&self, text: Text) -> &str {
        self.record.texts.get(text)
    }
}

fn bad(play: &PlayRecord) -> usize {
    play.devices.iter().filter(|device| device.outcome.is_bad()).count()
}

/// Neither ok nor failed.
fn is_skipped(device: &DeviceRecord) -> bool {
    device.outcome != Word::Ok && !device.outcome.is_bad()
}
