//! Files that must be whole: written beside their place and moved there, readable by their owner only.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use super::JournalError;

/// Makes a folder that only its owner may enter; the folders above it are ordinary ones.
pub(super) fn make_private(folder: &Path) -> Result<(), JournalError> {
    let above = folder.parent().unwrap_or(folder);
    fs::create_dir_all(above).map_err(JournalError::io("make", above))?;
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        // `save` may have been there first; a folder of ours that exists is made private below.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => close_up(folder),
        Err(error) => Err(JournalError::io("make", folder)(error)),
        Ok(()) => Ok(()),
    }
}

fn close_up(folder: &Path) -> Result<(), JournalError> {
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(folder, mode).map_err(JournalError::io("make", folder))?;
    }
    Ok(())
}

/// A file for its owner only, for appending.
pub(super) fn appending(path: &Path) -> Result<File, JournalError> {
    private().create(true).append(true).open(path).map_err(JournalError::io("write", path))
}

/// Writes a whole file: readers see the old or the new one, never half.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> Result<(), JournalError> {
    // Beside it under a name that no file of a run has.
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = std::path::PathBuf::from(beside);
    let write = || -> io::Result<()> {
        let mut file = private().write(true).create(true).truncate(true).open(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(JournalError::io("write", path))
}

/// The names in a folder reach the disk too.
pub(super) fn sync_folder(folder: &Path) -> Result<(), JournalError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(JournalError::io("write", folder))
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
