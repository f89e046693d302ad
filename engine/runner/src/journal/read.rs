//! The lines of `journal.jsonl`, read back. A last line that was cut in the middle, as by kill -9 or a power cut, counts as not written.

use std::path::Path;

use super::{JournalError, Record};

/// Hands on every whole line, in order; gives the length of what is whole. Lines at the very end that cannot be read are dropped:
/// nothing that waited for the disk stands behind a cut one.
///
/// # Errors
/// A line in the middle that cannot be read: the file is damaged, and what follows must not be trusted.
pub(super) fn lines(bytes: &[u8], path: &Path, mut each: impl FnMut(Record)) -> Result<usize, JournalError> {
    let mut whole = 0;
    let mut bad: Option<(usize, String)> = None;
    let mut start = 0;
    let mut number = 0;
    while let Some(length) = bytes[start..].iter().position(|byte| *byte == b'\n') {
        let line = &bytes[start..start + length];
        start += length + 1;
        number += 1;
        match (serde_json::from_slice::<Record>(line), &bad) {
            (Ok(_), Some((at, why))) => {
                let why = format!("line {at}: {why}");
                return Err(JournalError::Damaged { path: path.to_owned(), why });
            }
            (Ok(record), None) => {
                whole = start;
                each(record);
            }
            (Err(error), None) => bad = Some((number, error.to_string())),
            (Err(_), Some(_)) => {}
        }
    }
    Ok(whole)
}
