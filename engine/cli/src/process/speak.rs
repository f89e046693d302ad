//! Words to stdout and stderr. A reader that went away (`iotplay devices list | head`) is no fault of ours and must not become a panic,
//! least of all on the hub's thread.

use std::io::{ErrorKind, Write as _};

use base::Mask;

use super::Exit;

/// A line on stdout, as it is: answers of commands, which may hold a key on purpose. An answer that cannot be written because the disk is
/// full or the like ends the process: whoever asked would think that there was none.
pub(crate) fn out(line: &str) {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            err(&format!("error: cannot write to stdout: {error}"));
            std::process::exit(i32::from(Exit::INTERNAL.0));
        }
        _ => {}
    }
}

/// A line on stderr, masked. What nobody can read is lost.
pub(crate) fn err(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", Mask::process().apply(line));
}
