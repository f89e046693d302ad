//! P16: how long `resume` and `show` take to read what a large run has written. The run's hub was given by a flag, which no run keeps, so
//! `resume` ends as soon as it has read the journal; the files are in memory where there is such a place: the disk is not measured.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::error::{Result, other};
use crate::report::{Figure, Series};

/// Of so many devices one has not ended.
const OPEN: usize = 10;
/// The id of the run.
const RUN: &str = "20261123-180000-bench";

/// Opens the journal of so many devices with two steps each, most of which have ended; the peer reads the same lines as plain JSON.
pub(crate) fn opening(iotplay: &Path, devices: usize, repeats: usize) -> Result<Vec<Figure>> {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }?;
    let run = folder.path().join(".iotplay/runs").join(RUN);
    std::fs::create_dir_all(&run)?;
    let manifest = serde_json::json!({ "run": RUN, "file": "bench.yaml", "hub": { "found": "flag", "host": "bench" } });
    std::fs::write(run.join("run.json"), manifest.to_string())?;
    let text = lines(devices)?;
    std::fs::write(run.join("journal.jsonl"), &text)?;
    let (mut resumed, mut shown, mut plain) = (Series::new("ms"), Series::new("ms"), Series::new("ms"));
    for _ in 0..repeats.max(1) {
        resumed.push(took(iotplay, folder.path(), "resume", "connection string is not kept")?);
        shown.push(took(iotplay, folder.path(), "show", "")?);
        let started = Instant::now();
        for line in text.lines() {
            black_box(serde_json::from_str::<serde_json::Value>(line).map_err(other)?);
        }
        plain.push(started.elapsed().as_secs_f64() * 1e3);
    }
    let what =
        format!("`resume` reads the journal of {devices} devices, {} MB / its lines as JSON", text.len() / 1_000_000);
    Ok(vec![
        Figure::new("P16", what, resumed, Some(plain.clone())),
        Figure::new("P16s", "the same, `show`", shown, Some(plain)),
    ])
}

/// Milliseconds until a command about the run has ended; it must have said these words.
fn took(iotplay: &Path, folder: &Path, command: &str, words: &str) -> Result<f64> {
    let mut program = Command::new(iotplay);
    program.args([command, RUN]).current_dir(folder).stdin(Stdio::null());
    let started = Instant::now();
    let ended = program.output()?;
    let took = started.elapsed().as_secs_f64() * 1e3;
    let said = String::from_utf8_lossy(&ended.stderr);
    if !said.contains(words) {
        return Err(other(format!("iotplay {command} said: {said}")));
    }
    Ok(took)
}

/// The journal of a run in two waves that was killed near its end.
fn lines(devices: usize) -> Result<String> {
    const AT: &str = "2026-11-23T18:00:00.000Z";
    let mut text = format!("{{\"at\":\"{AT}\",\"kind\":\"session\",\"text\":\"bench\"}}\n");
    let mut line = |rest: std::fmt::Arguments<'_>| writeln!(text, "{{\"at\":\"{AT}\",{rest}}}").map_err(other);
    for n in 0..devices {
        let value = r#"{"tags":{"building":"43","line":"B"},"status":"enabled"}"#;
        line(format_args!("\"kind\":\"target\",\"device\":\"press-{n:06}\",\"value\":{value}"))?;
    }
    let first = devices / 100 + 1;
    line(format_args!(
        "\"kind\":\"play\",\"play\":0,\"name\":\"Bench\",\"value\":{{}},\"size\":{devices},\"sizes\":[{first},{}]",
        devices - first
    ))?;
    line(format_args!("\"kind\":\"wave\",\"wave\":1,\"size\":{first}"))?;
    for n in 0..devices {
        if n == first {
            line(format_args!("\"kind\":\"passed\",\"wave\":1"))?;
            line(format_args!("\"kind\":\"wave\",\"wave\":2,\"size\":{}", devices - first))?;
        }
        let device = format!("\"device\":\"press-{n:06}\"");
        let twin = r#"{"id":"press","reported":{"rebootTime":"2026-11-20T08:00:00.000Z","fw":"2.4.1"},"version":17}"#;
        line(format_args!(
            "\"kind\":\"step\",{device},\"step\":0,\"attempt\":1,\"outcome\":\"ok\",\"value\":{twin},\"seconds\":0.012"
        ))?;
        line(format_args!("\"kind\":\"call\",{device},\"step\":1,\"attempt\":1"))?;
        if n % OPEN == 3 {
            continue;
        }
        line(format_args!(
            "\"kind\":\"step\",{device},\"step\":1,\"attempt\":1,\"outcome\":\"ok\",\"changed\":true,\"says\":\"200 {{}}\",\"seconds\":20.1"
        ))?;
        line(format_args!("\"kind\":\"device\",{device},\"wave\":1,\"outcome\":\"ok\",\"seconds\":20.2"))?;
    }
    Ok(text)
}
