//! `iotplay hub snapshot` and `iotplay hub restore`: the whole state of a folder's hub to and from one file.

use base::{Clock, Diagnostic};
use hub::{DataDirError, Snapshot, SnapshotError};

use crate::args::{Common, SnapshotArgs};
use crate::process::{self, CommandResult, Exit, Trouble, err};

/// Writes the file; the hub may run.
pub(crate) fn take(common: &Common, args: &SnapshotArgs) -> CommandResult {
    let documents =
        hub::take_snapshot(&common.data, &args.file, args.force, &Clock::system()).map_err(|error| refused(&error))?;
    err(&format!(
        "written {} ({documents} documents, with all keys: keep it as you would keep those)",
        args.file.display()
    ));
    Ok(Exit::OK)
}

/// Replaces the folder's state.
pub(crate) fn restore(common: &Common, args: &SnapshotArgs) -> CommandResult {
    let snapshot = Snapshot::read(&args.file).map_err(|error| refused(&error))?;
    let devices = snapshot.restore(&common.data, args.force).map_err(|error| refused(&error))?;
    err(&format!("state   {} now has the {devices} devices of {}", common.data.display(), args.file.display()));
    Ok(Exit::OK)
}

/// What a person is told, and the exit code.
pub(super) fn refused(error: &SnapshotError) -> Trouble {
    let exit =
        if matches!(error, SnapshotError::Folder(DataDirError::InUse { .. })) { Exit::LOCKED } else { Exit::USAGE };
    Trouble::new(exit, Diagnostic::error(process::chain(error)))
}
