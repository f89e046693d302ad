//! Two streams and one live block: whole lines go between, the block is taken away and drawn again. Masks every text.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard};

use base::Mask;

/// Back to the first column, and the line emptied.
const ERASE: &str = "\r\x1b[2K";
/// One line up.
const UP: &str = "\x1b[1A";

/// Both streams and the live block.
pub(super) struct Screen {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Whether a live line may be drawn at all.
    terminal: bool,
    /// Columns; 0 = unknown.
    width: usize,
    /// The lines that the live block shows now.
    live: Vec<String>,
}

// What cannot be written is lost: a closed pipe must not end a run that is under way.
impl Screen {
    pub(super) fn new(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        terminal: bool,
        width: usize,
    ) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { out, err, terminal, width, live: Vec::new() }))
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

    /// Draws the live block anew, or takes it away when it is empty. Without a terminal there is none.
    pub(super) fn live(&mut self, lines: Vec<String>) {
        if !self.terminal || lines == self.live {
            return;
        }
        self.hide();
        self.live = lines;
        self.show();
    }

    fn hide(&mut self) {
        if !self.live.is_empty() {
            let up = format!("{UP}{ERASE}").repeat(self.live.len() - 1);
            let _ = write!(self.err, "{ERASE}{up}");
        }
    }

    fn show(&mut self) {
        // One column stays free: a full last column makes some terminals wrap.
        let room = if self.width == 0 { usize::MAX } else { self.width.saturating_sub(1) };
        for (index, line) in self.live.iter().enumerate() {
            let masked = Mask::process().apply(line);
            let shown: String = masked.chars().take(room).collect();
            let gap = if index > 0 { "\n" } else { "" };
            let _ = write!(self.err, "{gap}{shown}");
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
        screen.live(text.into_iter().collect());
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
