//! `iotplay run` under measurement: a playbook against a hub process, its wall time and its largest resident memory.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Result, other};
use crate::subject::LocalHub;

/// How often a run's memory is looked at; its largest value is kept by the kernel, so only the last look counts.
const LOOK: Duration = Duration::from_millis(5);

/// What a run came to.
pub(crate) struct Ran {
    /// From start to exit, seconds.
    pub(crate) seconds: f64,
    /// Largest resident memory (`VmHWM`), bytes.
    pub(crate) resident: f64,
}

/// Runs a playbook's text with these flags; anything but exit code 0 is an error.
pub(crate) fn run(iotplay: &Path, hub: &LocalHub, playbook: &str, flags: &[&str]) -> Result<Ran> {
    let file = hub.folder().join("bench.yaml");
    std::fs::write(&file, playbook)?;
    let log = hub.folder().join("run.log");
    let out = std::fs::File::create(&log)?;
    let mut command = Command::new(iotplay);
    command.arg("run").arg(&file).args(flags).arg("--data").arg(hub.data());
    command.current_dir(hub.folder());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(out);
    let began = Instant::now();
    let mut child = command.spawn()?;
    let mut resident = 0.0_f64;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        resident = resident.max(largest(child.id()).unwrap_or(0.0));
        std::thread::sleep(LOOK);
    };
    let seconds = began.elapsed().as_secs_f64();
    if !status.success() {
        let said = std::fs::read_to_string(&log)?;
        return Err(other(format!("iotplay run ended with {status}; it said: {said}")));
    }
    Ok(Ran { seconds, resident })
}

/// `VmHWM` of a process, bytes; nothing when it is gone.
fn largest(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib * 1024.0)
}
