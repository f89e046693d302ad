//! Why there is no snapshot, or why it is not restored.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::data_dir::DataDirError;
use crate::store::StoreOpenError;

/// What went wrong, and what to do.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// A hub runs there, or the folder cannot be used.
    #[error(transparent)]
    Folder(#[from] DataDirError),
    /// The hub's state cannot be read or written.
    #[error("{reason}; mend: {mend}")]
    State {
        /// What is wrong, with the path.
        reason: String,
        /// What to do.
        mend: String,
    },
    /// No hub has run there.
    #[error("{folder} holds no state of a hub; name the hub's folder with --data")]
    Nothing {
        /// The folder.
        folder: PathBuf,
    },
    /// Something is there already.
    #[error("{path} is there already; --force puts the new one in its place")]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {path}: check that this user may write there, and the space on that disk")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is no snapshot, or was changed to something that is none.
    #[error(
        "{name} is not a snapshot of a hub, or it is damaged: {reason}; mend: take it anew with `iotplay hub snapshot`"
    )]
    Damaged {
        /// The file.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl From<StoreOpenError> for SnapshotError {
    fn from(error: StoreOpenError) -> Self {
        Self::State { reason: error.full(), mend: error.mend().to_owned() }
    }
}
