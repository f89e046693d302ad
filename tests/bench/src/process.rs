//! Child processes under measurement: CPU time to the nanosecond (schedstat) and resident memory, from /proc.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Result, other};

/// A server has this long to be ready; generous, since other work shares the machine.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A child that ends with this value.
pub(crate) struct Running(Child);

impl Running {
    /// Starts a program with its output in a file.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let out = std::fs::File::create(log)?;
        let child = command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).spawn();
        child.map(Self).map_err(|error| other(format!("{} does not start: {error}", command.get_program().display())))
    }

    /// Waits until `ready` says so, or the program ends, or the deadline passes.
    pub(crate) fn until<T>(&mut self, what: &str, log: &Path, ready: impl Fn() -> Option<T>) -> Result<T> {
        let started = Instant::now();
        loop {
            if let Some(found) = ready() {
                return Ok(found);
            }
            let ended = self.0.try_wait()?;
            if ended.is_some() || started.elapsed() > READY_WITHIN {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                return Err(other(format!("{what} is not ready ({ended:?}); it said: {said}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// CPU time of all its threads so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut nanos = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let stat = std::fs::read_to_string(task?.path().join("schedstat"))?;
            nanos += stat.split_whitespace().next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or_else(|| other("no VmRSS"))?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().map_err(other)?;
        Ok(kib * 1024)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The child is ours, and it keeps nothing that matters: ending it at once is the point.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
