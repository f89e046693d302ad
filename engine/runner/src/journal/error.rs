//! Why a journal cannot be written or read, in words for people.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// What went wrong with a run's folder.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The system refused.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// `write`, `read`, `make`, `lock`.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has the run.
    #[error("the run {0} is under way in another process")]
    Locked(String),
    /// No such run, or none at all.
    #[error("there is no run {0}")]
    Unknown(String),
    /// A line, or `run.json`, is not what this program writes.
    #[error("{path} is damaged ({why})")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        why: String,
    },
}

impl JournalError {
    /// An error of the system at a path.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}
