//! Two streams and one live line: whole lines go between, the live line is taken away and drawn again. Masks every text.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard};

use base::Mask;

/// Back to the first column, and the line emptied.
const ERASE: &str = "\r\x1b[2K";

/// Both streams and the live line.
pub(super) struct Screen {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Whether a live line may be drawn at all.
    terminal: bool,
    /// Columns; 0 = unknown.
    width: usize,
    /// What the live line shows now.
    live: Option<String>,
}

// What cannot be written is lost: a closed pipe must not end a run that is under way.
impl Screen {
    pub(super) fn new(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        terminal: bool,
        width: usize,
    ) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { out, err, terminal, width, live: None }))
    }

    /// A line on stderr, above the live one.
    pub(super) fn err(&mut self, line: &str) {
        self.hide();
        let _ = writeln!(self.err, "{}", Mask::process().apply(line));
        self.show();
    }

    /// A line on stdout.
    pub(super) fn out(&mut self, line: &str) {
        self.hide();
        let _ = writeln!(self.out, "{}", Mask::process().apply(line)).and_then(|()| self.out.flush());
        self.show();
    }

    /// Draws the live line anew, or takes it away. Without a terminal there is none.
    pub(super) fn live(&mut self, line: Option<String>) {
        if !self.terminal || line == self.live {
            return;
        }
        self.hide();
        self.live = line;
        self.show();
    }

    fn hide(&mut self) {
        if self.live.is_some() {
            let _ = write!(self.err, "{ERASE}");
        }
    }

    fn show(&mut self) {
        if let Some(live) = &self.live {
            let masked = Mask::process().apply(live);
            // One column stays free: a full last column makes some terminals wrap.
            let room = if self.width == 0 { usize::MAX } else { self.width.saturating_sub(1) };
            let shown: String = masked.chars().take(room).collect();
            let _ = write!(self.err, "{shown}");
        }
        let _ = self.err.flush();
    }
}

/// Takes the screen. A panic elsewhere while it was held leaves at worst half a line.
pub(super) fn take(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Writes whole lines between the console's own, never into the live one. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Lines(pub(super) Arc<Mutex<Screen>>);

impl Lines {
    /// A line on stderr as it is (`hub     local, ..`).
    pub fn line(&self, text: &str) {
        take(&self.0).err(text);
    }

    /// A line on stdout.
    pub fn out(&self, text: &str) {
        take(&self.0).out(text);
    }

    /// The live line below all others, or none. Returns whether there is a terminal to show it on.
    pub fn live(&self, text: Option<String>) -> bool {
        let mut screen = take(&self.0);
        screen.live(text);
        screen.terminal
    }

    /// What a simulated device said: `sim-1 |    Rebooting device`; one line for each of the text's own.
    pub fn device(&self, device: &str, text: &str) {
        let mut screen = take(&self.0);
        for line in text.lines() {
            screen.err(&format!("{device} |    {line}"));
        }
    }
}
