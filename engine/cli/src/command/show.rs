//! `iotplay show [RUN [DEVICE]]`: what happened in a run, from its journal. A few devices call by call; of many the counts by step
//! and the failures, and one device when it is named.

use std::collections::BTreeMap;

use base::did_you_mean;
use runner::{CallLine, DeviceLine, History, local_time};
use serde_json::{Value, json};

use super::runs::words;
use crate::args::ShowArgs;
use crate::play::{PastRun, journal_trouble};
use crate::process::{CommandResult, Exit, Stdout, Trouble};

/// A step's name, and how many of its calls ended in which way.
type Counted<'a> = (String, BTreeMap<&'a str, usize>);

/// Up to so many devices are shown call by call.
const FEW: usize = 10;
/// So many failures are shown; the others are counted.
const FAILURES: usize = 20;
/// Longer values would push everything else off the line.
const WIDEST: usize = 100;

/// Shows it.
pub(crate) fn run(args: &ShowArgs) -> CommandResult {
    let past = PastRun::find(args.run.as_deref())?;
    let running = past.folder.is_running();
    let history = past.folder.history().map_err(|error| journal_trouble(&error))?;
    let shown = Shown { past: &past, history: &history, running };
    let device = args.device.as_deref().map(|id| shown.device(id)).transpose()?;
    let text = match (args.output, device) {
        (Some(_), Some((id, device))) => format!("{:#}", shown.device_document(id, device)),
        (Some(_), None) => format!("{:#}", shown.document()),
        (None, Some((id, device))) => shown.one(id, device),
        (None, None) => shown.all(),
    };
    Stdout::line(text.trim_end());
    Ok(Exit::OK)
}

struct Shown<'a> {
    past: &'a PastRun,
    history: &'a History,
    running: bool,
}

impl Shown<'_> {
    fn device(&self, id: &str) -> Result<(&str, &DeviceLine), Trouble> {
        if let Some((id, device)) = self.history.devices.get_key_value(id) {
            return Ok((id, device));
        }
        let trouble = Trouble::usage(format!("{} has no device `{id}`", self.past.id()));
        Err(match did_you_mean(id, self.history.devices.keys().map(AsRef::as_ref)) {
            Some(near) => trouble.help(format!("did you mean `{near}`?")),
            None => trouble,
        })
    }

    fn name<'s>(&'s self, call: &'s CallLine) -> &'s str {
        let written = self.past.manifest.steps.get(call.step).map(String::as_str);
        call.name.as_deref().or(written).unwrap_or("?")
    }

    fn state(&self) -> String {
        let state = self.history.state(self.running);
        let resumable = state.can_be_resumed() && self.past.manifest.can_be_resumed();
        words(state, resumable).to_owned()
    }

    /// The run, its waves, counts by step, failures, calls in doubt; a few devices call by call.
    fn all(&self) -> String {
        let (manifest, history) = (&self.past.manifest, self.history);
        let mut lines = vec![format!("run     {}   {}", self.past.id(), self.state())];
        lines.push(format!("play    {}  ({})", history.plays.join(", "), manifest.file));
        lines.push(format!("hub     {}", manifest.hub.title));
        lines.extend(manifest.retry_of.as_ref().map(|run| format!("retry   of {run}")));
        let resumed = history.sessions.iter().skip(1).map(|at| format!(", resumed {}", local_time(at)));
        let ended = history.ended.as_ref().map(|at| format!(", ended {}", local_time(at)));
        let exit = history.exit.map(|exit| format!(", exit code {exit}"));
        let times: String = resumed.chain(ended).chain(exit).collect();
        lines.push(format!("began   {}{times}", local_time(&manifest.at)));
        lines.extend(history.reason.as_ref().map(|reason| format!("reason  {}", reason.replace('\n', "\n        "))));
        lines.push(self.counted());
        lines.extend(self.waves());
        lines.extend(self.steps());
        let devices = history.devices.iter().filter(|(id, _)| !id.is_empty());
        if history.devices.len() <= FEW {
            for (id, device) in &history.devices {
                lines.push(String::new());
                lines.push(self.one(id, device));
            }
        } else {
            lines.extend(self.failures(devices));
        }
        lines.extend(self.doubts());
        lines.join("\n")
    }

    fn counted(&self) -> String {
        let counts = self.history.counts();
        let ended = counts.ok + counts.failed + counts.unreachable + counts.skipped;
        let open = match self.history.size().saturating_sub(ended) {
            0 => String::new(),
            open => format!(", not ended {open}"),
        };
        format!(
            "devices {}: ok {}, failed {}, unreachable {}, skipped {}{open}",
            self.history.size(),
            counts.ok,
            counts.failed,
            counts.unreachable,
            counts.skipped
        )
    }

    fn waves(&self) -> Vec<String> {
        if self.history.waves.len() < 2 {
            return Vec::new();
        }
        let wave = |wave: &runner::WaveLine| {
            let reason = wave.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            let state = wave.state.unwrap_or("under way");
            let devices = if wave.size == 1 { "device" } else { "devices" };
            format!("wave    {}  {} {devices}, {state}{reason}   {}", wave.index, wave.size, local_time(&wave.at))
        };
        std::iter::once(String::new()).chain(self.history.waves.iter().map(wave)).collect()
    }

    /// `  412 ok   3 timeout   1 in doubt    Reboot and prove it`
    fn steps(&self) -> Vec<String> {
        let mut steps: BTreeMap<(usize, &str), Counted<'_>> = BTreeMap::new();
        for call in self.history.devices.values().flat_map(|device| &device.calls) {
            // What a script called stands behind its step.
            let key = (call.step, call.place.as_ref().map_or("", |_| self.name(call)));
            let (_, counts) = steps.entry(key).or_insert_with(|| (self.name(call).to_owned(), BTreeMap::new()));
            *counts.entry(self.word(call)).or_default() += 1;
        }
        let width = steps.values().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let line = |(name, counts): &Counted<'_>| {
            let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{word} {count}")).collect();
            format!("step    {name:width$}   {}", counts.join(", "))
        };
        std::iter::once(String::new()).chain(steps.values().map(line)).collect()
    }

    fn word<'s>(&self, call: &'s CallLine) -> &'s str {
        match call.outcome.as_deref() {
            _ if call.in_doubt => "in doubt",
            Some(outcome) => outcome,
            None if self.running => "under way",
            None if call.sent => "in doubt",
            None => "not ended",
        }
    }

    fn failures<'d>(&self, devices: impl Iterator<Item = (&'d std::sync::Arc<str>, &'d DeviceLine)>) -> Vec<String> {
        let failed: Vec<_> =
            devices.filter(|(_, device)| !matches!(device.outcome.as_deref(), None | Some("ok" | "skipped"))).collect();
        if failed.is_empty() {
            return Vec::new();
        }
        let mut lines = vec![String::new()];
        for (id, device) in failed.iter().take(FAILURES) {
            let outcome = device.outcome.as_deref().unwrap_or_default();
            lines.push(format!("{outcome:11} {id}: {}", device.error.as_deref().unwrap_or_default()));
        }
        if failed.len() > FAILURES {
            let id = self.past.id();
            lines.push(format!("and {} more; one of them: iotplay show {id} DEVICE", failed.len() - FAILURES));
        }
        lines
    }

    fn doubts(&self) -> Vec<String> {
        let doubts = self.history.in_doubt(self.running);
        let line = |(id, call): &(&std::sync::Arc<str>, &CallLine)| {
            format!("in doubt  {id}  {}  sent {}", self.name(call), local_time(&call.at))
        };
        let head = (!doubts.is_empty()).then(|| "\nDo not send these again blindly:".to_owned());
        head.into_iter().chain(doubts.iter().map(line)).collect()
    }

    /// One device, call by call.
    fn one(&self, id: &str, device: &DeviceLine) -> String {
        let outcome = device.outcome.as_deref().unwrap_or(if self.running { "under way" } else { "not ended" });
        let head = if id.is_empty() { "on the runner".to_owned() } else { format!("{id}  {outcome}") };
        let mut lines = vec![head];
        let width = device.calls.iter().map(|call| self.name(call).chars().count()).max().unwrap_or(0);
        for call in &device.calls {
            let took = call.seconds.map(|seconds| format!("{seconds:.1} s")).unwrap_or_default();
            let tries = if call.attempts > 1 { format!("  {} attempts", call.attempts) } else { String::new() };
            let ignored = if call.ignored { " (ignored)" } else { "" };
            let rest = call.error.as_deref().or(call.says.as_deref()).or(call.value.as_deref()).unwrap_or_default();
            let line = format!(
                "  {}  {:9} {:width$}  {took:>8}{tries}{ignored}   {}",
                clock(&call.at),
                self.word(call),
                self.name(call),
                short(rest)
            );
            lines.push(line.trim_end().to_owned());
        }
        if let Some(error) = device.error.as_ref().filter(|_| device.calls.is_empty()) {
            lines.push(format!("  {error}"));
        }
        lines.join("\n")
    }

    fn device_document(&self, id: &str, device: &DeviceLine) -> Value {
        let calls = device.calls.iter().map(|call| {
            let mut value = serde_json::to_value(call).unwrap_or_default();
            value["name"] = json!(self.name(call));
            value["in_doubt"] = json!(self.word(call) == "in doubt");
            value
        });
        json!({
            "id": id, "outcome": device.outcome, "error": device.error, "seconds": device.seconds, "wave": device.wave,
            "calls": calls.collect::<Vec<_>>(),
        })
    }

    fn document(&self) -> Value {
        let (manifest, history, counts) = (&self.past.manifest, self.history, self.history.counts());
        let devices = history.devices.iter().map(|(id, device)| self.device_document(id, device));
        let doubts = history.in_doubt(self.running).into_iter();
        let doubts = doubts.map(|(id, call)| json!({ "device": id, "step": self.name(call), "at": call.at }));
        json!({
            "run": manifest.run, "state": self.state(), "file": manifest.file, "hub": manifest.hub.title,
            "at": manifest.at, "ended": history.ended, "exit": history.exit, "reason": history.reason,
            "plays": history.plays, "retry_of": manifest.retry_of, "sessions": history.sessions,
            "counts": {
                "ok": counts.ok, "failed": counts.failed, "unreachable": counts.unreachable, "skipped": counts.skipped,
            },
            "waves": history.waves, "in_doubt": doubts.collect::<Vec<_>>(), "devices": devices.collect::<Vec<_>>(),
        })
    }
}

/// Hours, minutes, seconds of a local time.
fn clock(at: &str) -> String {
    local_time(at).split(' ').nth(1).unwrap_or_default().to_owned()
}

fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}..", &line[..end]),
        None => line.to_owned(),
    }
}
