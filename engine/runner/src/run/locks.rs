//! `concurrency: { group }`: runs of one group never overlap on this machine. A file per group, locked by the operating system,
//! which frees it when its process ends, however it ends: no lock is ever stale. The file's text only says who holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use base::{Diagnostic, rfc3339_millis};
use serde::{Deserialize, Serialize};

use super::exit;
use crate::RunOptions;
use crate::book::Book;

/// Who holds a group's lock.
#[derive(Debug, Deserialize, Serialize)]
struct Holder {
    run: String,
    file: String,
    since: String,
    process: u32,
}

/// The holder's text is four short fields; more is not ours.
const LONGEST: u64 = 64 * 1024;

/// The locks of a run, held as long as this lives.
#[derive(Debug, Default)]
pub(super) struct Locks(Vec<File>);

impl Locks {
    /// Takes the locks of all groups that the plays of a book name, or none of them.
    ///
    /// # Errors
    /// A group that another run holds, with exit code 8; a folder that cannot be written, with 2.
    pub(super) fn take(book: &Book, options: &RunOptions) -> Result<Self, (Diagnostic, u8)> {
        let mut locks = Self::default();
        let mut taken: Vec<&Arc<str>> = Vec::new();
        for group in book.plays.iter().filter_map(|play| play.group.as_ref()) {
            if !taken.contains(&group) {
                locks.0.push(take(group, book, options)?);
                taken.push(group);
            }
        }
        Ok(locks)
    }
}

fn take(group: &str, book: &Book, options: &RunOptions) -> Result<File, (Diagnostic, u8)> {
    let path = options.locks.join(format!("{group}.lock"));
    let unusable = |error: &std::io::Error| {
        (Diagnostic::error(format!("cannot use {}, the lock of the group: {error}", path.display())), exit::USAGE)
    };
    let opened = std::fs::create_dir_all(&options.locks)
        .and_then(|()| OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path));
    let mut file = opened.map_err(|error| unusable(&error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err((held(group, &mut file), exit::LOCKED)),
        Err(TryLockError::Error(error)) => return Err(unusable(&error)),
    }
    let holder = Holder {
        run: options.run.to_string(),
        file: book.source.name().to_owned(),
        since: rfc3339_millis(options.clock.now()),
        process: std::process::id(),
    };
    let text = serde_json::to_string(&holder).expect("four plain fields are JSON");
    let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{text}"));
    written.map_err(|error| unusable(&error))?;
    Ok(file)
}

/// What is said of a group that is taken. Its holder may be writing its name this very moment.
fn held(group: &str, file: &mut File) -> Diagnostic {
    let mut text = String::new();
    let read = file.take(LONGEST).read_to_string(&mut text);
    let holder = read.ok().and_then(|_| serde_json::from_str::<Holder>(&text).ok());
    let who = match &holder {
        Some(it) => format!("run {} ({}, process {}, since {})", it.run, it.file, it.process, it.since),
        None => "another run".to_owned(),
    };
    Diagnostic::error(format!("{who} holds the group `{group}`: nothing was sent"))
        .help("start it again when that run has ended; `concurrency.group` in the playbook names who waits for whom")
}

/// The folder of locks, beside the runs.
pub(crate) fn folder() -> &'static Path {
    Path::new(".iotplay/locks")
}
