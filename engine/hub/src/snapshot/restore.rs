//! Puts a snapshot into a folder, all or nothing.

use std::path::Path;

use super::{Snapshot, SnapshotError};
use crate::data_dir::DataDir;
use crate::state::check_rows;
use crate::store::{Store, Write};

impl Snapshot {
    /// Makes this the state of a folder whose hub does not run; returns how many devices it has.
    ///
    /// # Errors
    /// When a hub runs there, when the folder has a state and `force` is not said, or when a document is not one of this hub.
    pub fn restore(&self, folder: &Path, force: bool) -> Result<usize, SnapshotError> {
        self.restore_into(&DataDir::open(folder)?, force)
    }

    pub(crate) fn restore_into(&self, data_dir: &DataDir, force: bool) -> Result<usize, SnapshotError> {
        let store = data_dir.store();
        if !force && store.exists() {
            return Err(SnapshotError::Exists { path: store });
        }
        let devices = check_rows(self)?;
        // The CA first: a hub that dies in between has the old state, which can be restored again.
        if let Some(ca) = &self.ca {
            data_dir.write_ca(&ca.certificate, &ca.key)?;
        }
        Store::replace(&store, &self.rows)?;
        Ok(devices)
    }

    /// The documents, in the order in which they must be read.
    pub(crate) fn rows(&self) -> &[Write] {
        &self.rows
    }

    /// The authority as `(certificate, key)`, both PEM.
    pub(crate) fn ca(&self) -> Option<(String, base::Secret)> {
        self.ca.as_ref().map(|ca| (ca.certificate.clone(), ca.key.clone()))
    }

    pub(crate) fn damaged(&self, reason: String) -> SnapshotError {
        SnapshotError::Damaged { name: self.name.clone(), reason }
    }
}
