//! Exit codes, and what happens when the program itself is at fault. A code is never renumbered: scripts depend on them.

use std::io::Write as _;
use std::panic::PanicHookInfo;
use std::process::ExitCode;

use base::Mask;

/// How the process ends. The numbers are part of the command line's contract (`docs/commands.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit(pub(crate) u8);

impl Exit {
    /// All devices ok; ignored errors and `offline: skip` count as ok.
    pub(crate) const OK: Self = Self(0);
    /// A bug of ours, or a machine that refuses what it should not (no memory, no thread).
    pub(crate) const INTERNAL: Self = Self(1);
    /// Usage or configuration: an unusable connection string, no device matched, confirmation missing.
    pub(crate) const USAGE: Self = Self(2);
    /// Playbook or script missing or invalid; nothing was sent.
    pub(crate) const INVALID: Self = Self(3);
    /// Some devices failed, timed out or were rejected.
    pub(crate) const FAILED: Self = Self(4);
    /// Only unreachable devices.
    pub(crate) const UNREACHABLE: Self = Self(5);
    /// The hub refused: auth, connection, quota.
    pub(crate) const HUB: Self = Self(7);
    /// Another process holds the lock.
    pub(crate) const LOCKED: Self = Self(8);
    /// SIGINT.
    pub(crate) const INTERRUPTED: Self = Self(130);
    /// SIGTERM.
    pub(crate) const TERMINATED: Self = Self(143);
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

/// Makes a panic on any thread one masked line on stderr; `RUST_BACKTRACE` adds the trace.
pub(crate) fn install_panic_message() {
    std::panic::set_hook(Box::new(|info| {
        // A closed stderr must not turn one panic into two.
        let _ = std::io::stderr().write_all(panic_message(info).as_bytes());
    }));
}

fn panic_message(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let said = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let place = info.location().map_or_else(String::new, |at| format!(" ({}:{})", at.file(), at.line()));
    let trace = std::backtrace::Backtrace::capture();
    let trace = match trace.status() {
        std::backtrace::BacktraceStatus::Captured => format!("{trace}\n"),
        _ => String::new(),
    };
    let text = format!(
        "internal error: {said}{place}\nhelp: this is a bug of iotplay; please report it with the command that led here\n{trace}"
    );
    Mask::process().apply(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_panic_does_not_say_what_it_stumbled_over() {
        let (heard, before) = (Arc::new(Mutex::new(String::new())), std::panic::take_hook());
        assert!(Mask::process().add("exit-canary/27182"));
        let ear = Arc::clone(&heard);
        std::panic::set_hook(Box::new(move |info| ear.lock().unwrap().push_str(&panic_message(info))));
        let panicked =
            std::thread::spawn(|| panic!("no place for {:?} and exit-canary%2F27182", "exit-canary/27182")).join();
        std::panic::set_hook(before);
        assert!(panicked.is_err());
        let said = heard.lock().unwrap();
        assert!(said.contains("internal error: no place for \"***\" and ***"), "{said}");
    }
}
