//! What systemd is told of a service (`sd_notify`): ready, how it is, alive, about to stop. A datagram to the socket that
//! `NOTIFY_SOCKET` names; without it, nothing.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Where the socket is named.
const SOCKET: &str = "NOTIFY_SOCKET";
/// How often the service must be heard, in microseconds, and by whom.
const WATCHDOG: (&str, &str) = ("WATCHDOG_USEC", "WATCHDOG_PID");

/// The service's voice.
#[derive(Debug)]
pub(crate) struct Notify {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// From the environment. A socket that cannot be reached is none: a service manager's trouble is not the service's.
    pub(crate) fn from_environment() -> Self {
        let socket = std::env::var_os(SOCKET).and_then(|name| connect(name.as_bytes()).ok());
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        let meant = number(WATCHDOG.1).is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number(WATCHDOG.0).filter(|micros| *micros > 0 && meant).map(Duration::from_micros);
        Self { watchdog: watchdog.filter(|_| socket.is_some()), socket }
    }

    /// Whether anybody listens.
    pub(crate) fn is_heard(&self) -> bool {
        self.socket.is_some()
    }

    /// How often [`alive`](Self::alive) must be said, if it must: twice in the time that is allowed.
    pub(crate) fn every(&self) -> Option<Duration> {
        self.watchdog.map(|allowed| allowed / 2)
    }

    /// The service works.
    pub(crate) fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// How it is, for `systemctl status`.
    pub(crate) fn status(&self, status: &str) {
        self.say(&format!("STATUS={}", one_line(status)));
    }

    /// It lives.
    pub(crate) fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    /// It is about to end.
    pub(crate) fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=stopping");
    }

    fn say(&self, text: &str) {
        if let Some(socket) = &self.socket {
            // Who does not listen any more is no reason to stop.
            let _ = socket.send(base::Mask::process().apply(text).as_bytes());
        }
    }
}

/// A path, or a name without a file, which is written with an `@` in front.
fn connect(name: &[u8]) -> std::io::Result<UnixDatagram> {
    let address = match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(std::path::Path::new(std::ffi::OsStr::from_bytes(name)))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    // A manager that does not read must not hold the service up.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn one_line(text: &str) -> String {
    text.replace('\n', "; ")
}
