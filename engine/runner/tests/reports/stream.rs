//! A run told by events, and its reports on a sheet of paper each.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use base::{Clock, Diagnostic, Source, Span};
use iotplay_runner::{
    Class, Counts, Failure, HubInfo, Outcome, ReportFile, ReportKind, Reporter as _, Reports, RunEvent, Skip,
};
use serde_json::{Value, json};

/// What is told, one after the other.
pub(crate) struct Stream(pub(crate) Vec<RunEvent>);

/// The three reports of a run.
pub(crate) struct Papers {
    pub(crate) junit: String,
    pub(crate) html: String,
    pub(crate) summary: String,
}

impl Stream {
    /// A run of one play with these steps over so many devices in so many waves.
    pub(crate) fn begin(steps: &[&str], devices: usize, waves: usize) -> Self {
        let hub = HubInfo { title: "fake.example".into(), local: true };
        let play = RunEvent::PlayStarted {
            play: 0,
            name: "Reboot".into(),
            file: "reboot.yaml".into(),
            devices,
            first: Vec::new(),
            steps: steps.iter().map(|step| Arc::from(*step)).collect(),
            waves,
            estimate: None,
        };
        Self(vec![RunEvent::RunStarted { run: "r1".into(), hub }, play])
    }

    pub(crate) fn device(&mut self, device: &str, wave: usize) -> &mut Self {
        self.tell(RunEvent::DeviceStarted { device: device.into(), wave })
    }

    pub(crate) fn step(&mut self, device: &str, step: usize, name: &str, outcome: Outcome) -> &mut Self {
        self.begins(device, step, name).ends(device, step, name, outcome, |_| {})
    }

    pub(crate) fn begins(&mut self, device: &str, step: usize, name: &str) -> &mut Self {
        self.tell(RunEvent::StepStarted { device: device.into(), step, name: name.into() })
    }

    pub(crate) fn retried(&mut self, device: &str, step: usize, attempt: u32, reason: &str) -> &mut Self {
        self.tell(RunEvent::StepRetried { device: device.into(), step, attempt, reason: reason.into() })
    }

    /// The end of a step, with a change to what is usual.
    pub(crate) fn ends(
        &mut self,
        device: &str,
        step: usize,
        name: &str,
        outcome: Outcome,
        change: impl FnOnce(&mut RunEvent),
    ) -> &mut Self {
        let diagnostic = match &outcome {
            Outcome::Failed(failure) => {
                let source = Source::new("reboot.yaml", "steps:\n  - ping:\n");
                let found =
                    Diagnostic::error(format!("{device} {}", failure.message)).at(source.place(Span::new(11, 15)));
                Some(Box::new(failure.help.iter().fold(found, |found, help| found.help(help.clone()))))
            }
            _ => None,
        };
        let mut event = RunEvent::StepEnded {
            device: device.into(),
            step,
            name: name.into(),
            summary: if diagnostic.is_none() { "200 fine".into() } else { String::new() },
            outcome,
            ignored: false,
            rescued: false,
            attempts: 1,
            took: Duration::from_millis(1_250),
            diagnostic,
            hidden: false,
        };
        change(&mut event);
        self.tell(event)
    }

    pub(crate) fn ended(&mut self, device: &str, wave: usize, outcome: &'static str, error: Option<&str>) -> &mut Self {
        self.tell(RunEvent::DeviceEnded {
            device: device.into(),
            outcome,
            wave,
            error: error.map(str::to_owned),
            took: Duration::from_millis(2_500),
            waited: Duration::from_millis(700),
            vars: Arc::new(json!({})),
        })
    }

    pub(crate) fn end(&mut self, counts: Counts, exit: u8, reason: Option<&str>) -> &mut Self {
        let reason = reason.map(str::to_owned);
        self.tell(RunEvent::PlayEnded { counts });
        self.tell(RunEvent::RunEnded { counts, took: Duration::from_millis(61_500), exit, reason })
    }

    pub(crate) fn tell(&mut self, event: RunEvent) -> &mut Self {
        self.0.push(event);
        self
    }

    /// All reports of it.
    pub(crate) fn papers(&self) -> Papers {
        let folder = tempfile::tempdir().expect("a folder for tests");
        self.write(folder.path());
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("the report is written");
        Papers { junit: read("junit.xml"), html: read("page.html"), summary: read("summary.md") }
    }

    pub(crate) fn write(&self, folder: &Path) {
        let files = vec![
            ReportFile { kind: ReportKind::Junit, path: folder.join("junit.xml") },
            ReportFile { kind: ReportKind::Html, path: folder.join("page.html") },
        ];
        let (clock, _) = Clock::manual(UNIX_EPOCH + Duration::from_millis(1_795_440_462_118));
        let reports = Reports::new(files, Some(folder.join("summary.md")), clock).expect("the folder is ours");
        self.0.iter().for_each(|event| reports.on(event));
        let troubles: Vec<String> = reports.troubles().iter().map(ToString::to_string).collect();
        assert_eq!(troubles, [""; 0]);
    }
}

/// A run with everything in it: two waves, a retry, a rescue, failures of several classes, a skipped device.
pub(crate) fn mixed() -> Stream {
    let mut run = Stream::begin(&["Ask", "Wait", "Collect"], 6, 2);
    run.tell(RunEvent::WaveStarted { index: 1, of: 2, size: 2 });
    run.device("good", 1).step("good", 0, "Ask", Outcome::changed(json!({ "status": 200, "payload": "hi" })));
    run.ended("good", 1, "ok", None);
    run.device("again", 1).begins("again", 0, "Ask").retried("again", 0, 1, "answered 503");
    run.ends("again", 0, "Ask", Outcome::read(Value::Null), |event| {
        if let RunEvent::StepEnded { attempts, .. } = event {
            *attempts = 2;
        }
    });
    run.ended("again", 1, "ok", None);
    run.tell(RunEvent::WaveEnded { index: 1, counts: Counts { ok: 2, ..Counts::default() }, waiting: 0 });
    run.tell(RunEvent::WaveStarted { index: 2, of: 2, size: 4 });
    run.device("late", 2).begins("late", 0, "Ask").retried("late", 0, 1, "is busy");
    run.ends("late", 0, "Ask", failure(Class::Timeout, "did not answer in time"), |event| {
        if let RunEvent::StepEnded { attempts, .. } = event {
            *attempts = 2;
        }
    });
    run.ended("late", 2, "timeout", Some("did not answer in time"));
    run.device("saved", 2);
    run.ends("saved", 0, "Ask", failure(Class::Rejected, "answered 409"), |event| {
        if let RunEvent::StepEnded { ignored, rescued, .. } = event {
            (*ignored, *rescued) = (true, true);
        }
    });
    run.step("saved", 2, "Collect", Outcome::read(json!("log"))).ended("saved", 2, "ok", None);
    run.device("away", 2).step("away", 0, "Ask", failure(Class::Unreachable, "is not connected"));
    run.ended("away", 2, "unreachable", Some("is not connected"));
    run.device("off", 2).step("off", 0, "Ask", Outcome::Skipped(Skip::Offline { rest: true }));
    run.ended("off", 2, "skipped", Some("not connected; the rest is skipped too"));
    run.tell(RunEvent::WaveEnded { index: 2, counts: Counts::default(), waiting: 0 });
    run.end(Counts { ok: 3, failed: 1, unreachable: 1, skipped: 1 }, 4, None);
    run
}

pub(crate) fn failure(class: Class, message: &str) -> Outcome {
    Failure { help: vec!["look at it".into()], value: json!({ "lost": true }), ..Failure::new(class, message) }.into()
}
