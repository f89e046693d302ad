//! stdout, for answers and reports. A reader that has gone (`| head`) is no fault; a full disk is, and the exit code says so. Masks nothing:
//! what is written here was masked by those who know what may be shown.

use std::io::Write;
use std::sync::OnceLock;

use base::Diagnostic;

use super::{Exit, Trouble};

/// The first thing that could not be written.
static LOST: OnceLock<String> = OnceLock::new();

/// The process's stdout as a writer that remembers what it lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = std::io::stdout().write(bytes);
        Self::kept(written, bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Self::kept(std::io::stdout().flush(), ())
    }
}

impl Stdout {
    /// A loss is remembered, not handed on: a run that is under way goes on without its reader.
    fn kept<T>(done: std::io::Result<T>, otherwise: T) -> std::io::Result<T> {
        match done {
            Ok(done) => Ok(done),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                if error.kind() != std::io::ErrorKind::BrokenPipe {
                    let _ = LOST.set(error.to_string());
                }
                Ok(otherwise)
            }
        }
    }

    /// Writes an answer and the end of its line.
    pub(crate) fn line(text: &str) {
        let whole = format!("{text}\n");
        let _ = Self.write_all(whole.as_bytes()).and_then(|()| Self.flush());
    }

    /// What is to be said at the end, when something did not get out.
    pub(crate) fn lost() -> Option<Trouble> {
        // What still waits in the buffer is written now or never.
        let _ = Self.flush();
        let why = LOST.get()?;
        Some(Trouble::new(Exit::INTERNAL, Diagnostic::error(format!("stdout cannot be written: {why}"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error, ErrorKind};

    #[test]
    fn a_reader_that_left_is_no_fault() {
        assert_eq!(Stdout::kept(Err(Error::from(ErrorKind::BrokenPipe)), 5).expect("swallowed"), 5);
        assert!(LOST.get().is_none());
    }
}
