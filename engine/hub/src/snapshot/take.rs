//! Takes a snapshot of a folder: of a hub that runs there by a read transaction beside it, else by opening the store.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use base::{Clock, Secret, rfc3339_millis};

use super::SnapshotError;
use super::file::Writer;
use crate::data_dir::{DataDir, create_beside, is_running, read_kept_ca, store_of};
use crate::store::{Row, Store, StoreOpenError, Table};

/// Writes the state of the folder's hub to `file`, readable by its owner only; returns how many documents it holds. It is the
/// state of one moment: everything that was acknowledged before, and no change by half.
///
/// # Errors
/// When the folder holds no state, `file` exists and `force` is not said, or either cannot be read or written.
pub fn take_snapshot(folder: &Path, file: &Path, force: bool, clock: &Clock) -> Result<usize, SnapshotError> {
    let store = store_of(folder);
    if !store.is_file() {
        return Err(SnapshotError::Nothing { folder: folder.to_owned() });
    }
    if !force && file.exists() {
        return Err(SnapshotError::Exists { path: file.to_owned() });
    }
    // Held while the store is read, so that no hub starts meanwhile; a hub that runs shares its store with readers.
    let held = if is_running(folder) { None } else { Some(DataDir::open(folder)?) };
    let ca = read_kept_ca(folder)?;
    let write = |source| SnapshotError::Write { path: file.to_owned(), source };
    let (out, beside) = create_beside(file).map_err(write)?;
    let taken = rfc3339_millis(clock.now());
    let read = |row: &mut Row<'_>| match &held {
        Some(_) => Store::read_stopped(&store, row),
        None => Store::read_beside(&store, row),
    };
    let finished = documents(file, out, &taken, ca.as_ref(), read)
        .and_then(|documents| std::fs::rename(&beside, file).map(|()| documents).map_err(write));
    if finished.is_err() {
        // What was half written holds keys.
        let _ = std::fs::remove_file(&beside);
    }
    finished
}

fn documents(
    file: &Path,
    out: File,
    taken: &str,
    ca: Option<&(String, Secret)>,
    read: impl FnOnce(&mut Row<'_>) -> Result<(), StoreOpenError>,
) -> Result<usize, SnapshotError> {
    let write = |source| SnapshotError::Write { path: file.to_owned(), source };
    let ca = ca.map(|(certificate, key)| (certificate.as_str(), key));
    let mut writer = Writer::new(BufWriter::new(out), taken, ca).map_err(write)?;
    let mut failed = None;
    let read = read(&mut |table: Table, key: &str, document: &[u8]| {
        // Contents of files are not in a snapshot, so neither are their names.
        if table == Table::Files {
            return Ok(());
        }
        writer.row(table, key, document).map_err(|error| {
            let said = error.to_string();
            failed = Some(error);
            said
        })
    });
    if let Some(error) = failed {
        return Err(write(error));
    }
    read?;
    let documents = writer.documents;
    let out = writer.end().map_err(write)?;
    out.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all()).map_err(write)?;
    Ok(documents)
}
