//! `iotplay runs`: the runs of this folder, newest first.

use std::path::Path;

use runner::{Counts, RunFolder, RunState, local_time};
use serde_json::{Value, json};

use crate::args::RunsArgs;
use crate::play::RUNS;
use crate::process::{CommandResult, Exit, Stdout, err};

/// One line of the list.
struct Line {
    run: String,
    at: String,
    file: String,
    hub: String,
    devices: usize,
    counts: Counts,
    state: String,
    exit: Option<u8>,
    resumable: bool,
}

/// Lists them.
pub(crate) fn run(args: &RunsArgs) -> CommandResult {
    let lines: Vec<Line> = RunFolder::all(Path::new(RUNS)).iter().filter_map(line).collect();
    if args.output.is_some() {
        Stdout::line(&format!("{:#}", Value::Array(lines.iter().map(document).collect())));
        return Ok(Exit::OK);
    }
    if lines.is_empty() {
        err("no run has been in this folder yet");
        return Ok(Exit::OK);
    }
    let widest = |of: fn(&Line) -> &str| lines.iter().map(|line| of(line).chars().count()).max().unwrap_or(0);
    let (file, hub) = (widest(|line| &line.file), widest(|line| &line.hub));
    for line in &lines {
        let Counts { ok, failed, unreachable, skipped } = line.counts;
        Stdout::line(&format!(
            "{}  {}  {:file$}  {:hub$}  {:6} {}: ok {ok}, failed {failed}, unreachable {unreachable}, skipped {skipped}  {}",
            line.run,
            local_time(&line.at),
            line.file,
            line.hub,
            line.devices,
            if line.devices == 1 { "device " } else { "devices" },
            line.state
        ));
    }
    Ok(Exit::OK)
}

/// What cannot be read is said, and hides nothing else.
fn line(folder: &RunFolder) -> Option<Line> {
    let running = folder.is_running();
    let read = folder.manifest().and_then(|manifest| folder.summary().map(|history| (manifest, history)));
    let (manifest, history) = read.map_err(|error| err(&format!("warning: {}: {error}", folder.id()))).ok()?;
    let state = history.state(running);
    let resumable = state.can_be_resumed() && manifest.can_be_resumed();
    let hub = if manifest.hub.host.is_empty() { "in its process".to_owned() } else { manifest.hub.host };
    Some(Line {
        run: manifest.run,
        at: manifest.at,
        file: manifest.file,
        hub,
        devices: history.size(),
        counts: history.counts(),
        state: words(state, resumable).to_owned(),
        exit: history.exit,
        resumable,
    })
}

/// How a run stands.
pub(super) fn words(state: RunState, resumable: bool) -> &'static str {
    match (state, resumable) {
        (RunState::Running, _) => "running",
        (RunState::Ok, _) => "ok",
        (RunState::Failed, _) => "failed",
        (RunState::Interrupted, true) => "interrupted, can be resumed",
        (RunState::Interrupted, false) => "interrupted",
        (RunState::Paused, true) => "waits for an approval, can be resumed",
        (RunState::Paused, false) => "was not approved",
    }
}

fn document(line: &Line) -> Value {
    let Counts { ok, failed, unreachable, skipped } = line.counts;
    json!({
        "run": line.run, "at": line.at, "file": line.file, "hub": line.hub, "devices": line.devices,
        "counts": { "ok": ok, "failed": failed, "unreachable": unreachable, "skipped": skipped },
        "state": line.state, "exit": line.exit, "resumable": line.resumable,
    })
}
