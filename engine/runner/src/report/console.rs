//! The screen: one line per step, one live line that counts, failures with their place, a recap.

use std::io::Write;
use std::sync::{Arc, Mutex};

use crate::{Reporter, RunEvent};

/// What the console may do.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConsoleOptions {
    /// stderr is a terminal: a live line, rewritten in place.
    pub terminal: bool,
    /// Colours (a terminal, and no `NO_COLOR`).
    pub color: bool,
    /// Columns of the terminal; 0 = unknown.
    pub width: usize,
    /// stdout belongs to `--output json|ndjson`: what `log` says goes to stderr.
    pub stdout_taken: bool,
}

struct Screen {
    _out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
}

/// Prints a run for people: everything to `err`, only what `log` and `print` say to `out`.
pub struct Console {
    screen: Arc<Mutex<Screen>>,
}

impl Console {
    /// A console that writes to these two (the process's stdout and stderr).
    pub fn new(_options: ConsoleOptions, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self { screen: Arc::new(Mutex::new(Screen { _out: out, err })) }
    }

    /// A handle for lines from elsewhere (hub, device, simulated devices), usable from any thread.
    pub fn lines(&self) -> Lines {
        Lines(Arc::clone(&self.screen))
    }
}

impl Reporter for Console {
    fn on(&self, _event: &RunEvent) {}
}

/// Writes whole lines between the console's own, never into the live one. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Lines(Arc<Mutex<Screen>>);

impl Lines {
    /// A line on stderr as it is (`hub     local, ..`).
    pub fn line(&self, text: &str) {
        let mut screen = self.0.lock().expect("a screen is plain data: no panic while held");
        let _ = writeln!(screen.err, "{text}");
    }

    /// A line that a simulated device said: `sim-1 |    Rebooting device`.
    pub fn device(&self, device: &str, text: &str) {
        self.line(&format!("{device} |    {text}"));
    }
}
