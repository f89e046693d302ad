//! An outbox's file: opened by one process, appended to, made anew when most of it is past. Blocking; decides nothing.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::record::{self, End, Record};

/// The first line of every such file: what it is, and in which form.
const TITLE: &[u8] = b"iotplay outbox 1\n";

/// No outbox grows to this, whatever its bounds: it is some other file.
const LONGEST: u64 = 4 << 30;

/// Why messages cannot be kept on the disk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error("cannot {what} {}: {source}", path.display())]
    File { what: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is in use by another process that is the same device", .0.display())]
    Locked(PathBuf),
    #[error("{} is no outbox of this version", .0.display())]
    Foreign(PathBuf),
}

/// What a file held.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) records: Vec<Record>,
    /// A file with damage before its end was copied here.
    pub(super) damaged: Option<PathBuf>,
}

/// A file that is open for appending.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Held for as long as this process has the outbox; the file itself is replaced now and then.
    _lock: File,
    length: u64,
}

impl Journal {
    /// Opens a device's file, made if it is not there. A torn end is cut off.
    pub(super) fn open(path: &Path) -> Result<(Self, Found), JournalError> {
        let failed = |what| fail(what, path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(fail("create", folder))?;
        }
        let lock = lock(path)?;
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed("open"))?;
        private(&file).map_err(failed("protect"))?;
        if file.metadata().map_err(failed("read"))?.len() > LONGEST {
            return Err(JournalError::Foreign(path.to_owned()));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("read"))?;
        let mut found = Found::default();
        let length = match bytes.strip_prefix(TITLE) {
            // Cut within its first line: nothing was ever in it.
            None if TITLE.starts_with(&bytes) || bytes.iter().all(|byte| *byte == 0) => {
                file.set_len(0).and_then(|()| file.write_all(TITLE)).map_err(failed("write"))?;
                TITLE.len() as u64
            }
            None => return Err(JournalError::Foreign(path.to_owned())),
            Some(content) => {
                let (records, end) = record::read(content);
                found.records = records;
                let whole = match end {
                    End::Whole => content.len(),
                    End::Torn(at) => at,
                    End::Damaged(at) => {
                        let aside = path.with_extension("outbox.damaged");
                        fs::write(&aside, &bytes).map_err(fail("write", &aside))?;
                        found.damaged = Some(aside);
                        at
                    }
                };
                let length = (TITLE.len() + whole) as u64;
                file.set_len(length).map_err(failed("cut"))?;
                length
            }
        };
        file.sync_all().map_err(failed("write"))?;
        sync_folder(path)?;
        Ok((Self { path: path.to_owned(), file, _lock: lock, length }, found))
    }

    /// How long the file is.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Appends records; with `flush` they are on the disk when this returns. After an error none of them is in the file.
    pub(super) fn append(&mut self, records: &[u8], flush: bool) -> Result<(), JournalError> {
        let written = self.file.write_all(records).and_then(|()| if flush { self.file.sync_data() } else { Ok(()) });
        match written {
            Ok(()) => {
                self.length += records.len() as u64;
                Ok(())
            }
            Err(source) => {
                // Half a record in the middle would hide what is written after it. If even this fails, the next start
                // sees damage and says so.
                let _ = self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::End(0)));
                Err(JournalError::File { what: "write", path: self.path.clone(), source })
            }
        }
    }

    /// Replaces the file by one with these records, at once or not at all.
    pub(super) fn rewrite(&mut self, records: &[u8]) -> Result<(), JournalError> {
        let part = self.path.with_extension("outbox.part");
        let failed = |what| fail(what, &part);
        let _ = fs::remove_file(&part);
        let mut file =
            OpenOptions::new().append(true).create(true).truncate(false).open(&part).map_err(failed("write"))?;
        private(&file).map_err(failed("protect"))?;
        let written = file.write_all(TITLE).and_then(|()| file.write_all(records)).and_then(|()| file.sync_all());
        written.map_err(failed("write"))?;
        fs::rename(&part, &self.path).map_err(failed("rename"))?;
        (self.file, self.length) = (file, (TITLE.len() + records.len()) as u64);
        sync_folder(&self.path)
    }
}

#[cfg(test)]
impl Journal {
    /// A disk without room: the file can be read only.
    pub(super) fn break_disk(&mut self) {
        self.file = File::open(&self.path).expect("it is there");
    }
}

fn lock(path: &Path) -> Result<File, JournalError> {
    let beside = path.with_extension("outbox.lock");
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).open(&beside).map_err(fail("open", &beside))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(fail("lock", &beside)(source)),
    }
}

/// What devices say is for their hub only.
#[cfg(unix)]
fn private(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn private(_: &File) -> io::Result<()> {
    Ok(())
}

/// A new name is on the disk only when its folder is.
fn sync_folder(path: &Path) -> Result<(), JournalError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|open| open.sync_all()).map_err(fail("write", folder))
}

fn fail(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::File { what, path, source }
}
