//! The redb file: open it, read everything once, commit a group of writes, replace it by another.
//! Synchronous; only the writer thread calls it after start.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError};

use super::{Row, StoreOpenError, Table, Write};

/// redb's page cache: the hub reads the file only at start, so a small one is enough.
const CACHE: usize = 8 * 1024 * 1024;

pub(super) struct Disk {
    path: PathBuf,
    /// None after a failed commit: redb refuses all work after an I/O error until the file is opened again.
    database: Option<Database>,
}

impl Disk {
    pub(super) fn open(path: &Path) -> Result<Self, StoreOpenError> {
        Ok(Self { path: path.to_owned(), database: Some(open(path)?) })
    }

    /// Hands every document to `row`, table by table in [`Table::ALL`]'s order; a text from `row` refuses the file.
    pub(super) fn read(&self, row: &mut Row<'_>) -> Result<(), StoreOpenError> {
        let Some(database) = &self.database else { return Ok(()) };
        guarded(&self.path, || read(&self.path, database, row))?
    }

    /// All of `writes`, or none, in their order, on the disk when this returns.
    pub(super) fn commit(&mut self, writes: &[Write]) -> Result<(), String> {
        let result = self.try_commit(writes);
        if result.is_err() {
            self.database = None;
        }
        result
    }

    fn try_commit(&mut self, writes: &[Write]) -> Result<(), String> {
        if self.database.is_none() {
            self.database = Some(open(&self.path).map_err(|error| error.to_string())?);
        }
        let database = self.database.as_ref().ok_or("closed")?;
        write_all(database, writes).map_err(|error| error.to_string())
    }
}

/// Reads the file as it is at one moment, beside a hub that writes to it.
pub(super) fn read_beside(path: &Path, row: &mut Row<'_>) -> Result<(), StoreOpenError> {
    guarded(path, || {
        let database = builder().open_read_only(path).map_err(refused(path))?;
        read(path, &database, row)
    })?
}

/// What a hub would make of these bytes, opened as [`Disk::open`] opens its file.
#[cfg(test)]
pub(super) fn read_backend(
    path: &Path,
    backend: impl redb::StorageBackend,
    row: &mut Row<'_>,
) -> Result<(), StoreOpenError> {
    guarded(path, || {
        // Without the lock that keeps other processes out: memory has none.
        let mut builder = Database::builder();
        let opened = builder.set_cache_size(CACHE).set_check_integrity_on_open(true).create_with_backend(backend);
        read(path, &opened.map_err(refused(path))?, row)
    })?
}

/// A new file with these documents in the place of the one that may be there. It is made beside it and moved when it is whole:
/// what stands under its own name was never half made, so an empty file is damage and no new hub.
pub(super) fn replace(path: &Path, writes: &[Write]) -> Result<(), StoreOpenError> {
    let io = |source| StoreOpenError::Io { path: path.to_owned(), source };
    let beside = path.with_extension("redb.new");
    create_private(&beside).map_err(io)?;
    let made = builder().create(&beside).map_err(refused(&beside))?;
    write_all(&made, writes).map_err(|error| io(std::io::Error::other(error)))?;
    made.close().map_err(refused(&beside))?;
    move_durably(&beside, path).map_err(io)
}

fn read(path: &Path, database: &impl ReadableDatabase, row: &mut Row<'_>) -> Result<(), StoreOpenError> {
    let damaged = |reason: String| StoreOpenError::Damaged { path: path.to_owned(), reason };
    let transaction = database.begin_read().map_err(|error| damaged(error.to_string()))?;
    for table in Table::ALL {
        let rows = match transaction.open_table(table.definition()) {
            Ok(rows) => rows,
            Err(redb::TableError::TableDoesNotExist(_)) => continue,
            Err(error) => return Err(damaged(error.to_string())),
        };
        for entry in rows.iter().map_err(|error| damaged(error.to_string()))? {
            let (key, value) = entry.map_err(|error| damaged(error.to_string()))?;
            row(table, key.value(), value.value())
                .map_err(|reason| damaged(format!("`{}` in {table:?}: {reason}", key.value())))?;
        }
    }
    Ok(())
}

fn write_all(database: &Database, writes: &[Write]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    for table in Table::ALL {
        let mut wanted = writes.iter().filter(|write| write.table == table).peekable();
        if wanted.peek().is_none() {
            continue;
        }
        let mut rows = transaction.open_table(table.definition())?;
        for write in wanted {
            match &write.value {
                Some(value) => rows.insert(&*write.key, value.as_slice())?,
                None => rows.remove(&*write.key)?,
            };
        }
    }
    // The default durability is immediate: the call returns after the data reached the disk.
    transaction.commit()?;
    Ok(())
}

fn open(path: &Path) -> Result<Database, StoreOpenError> {
    let io = |source| StoreOpenError::Io { path: path.to_owned(), source };
    if !path.try_exists().map_err(io)? {
        replace(path, &[])?;
    }
    // The check reads every page and its checksum: a file cut or changed by something else is refused instead of trusted. The
    // hub reads all of it anyway.
    guarded(path, || builder().set_check_integrity_on_open(true).open(path))
        .and_then(|opened| opened.map_err(refused(path)))
}

/// Renames a file that is on the disk, and brings its new name there too.
fn move_durably(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::rename(from, to)?;
    #[cfg(unix)]
    if let Some(folder) = to.parent() {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Others may read while one process writes: `iotplay hub snapshot` beside a running hub.
fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE).set_concurrency_mode(redb::ConcurrencyMode::SingleWriter);
    builder
}

/// A panic of the database over a damaged file is a damaged file.
fn guarded<T>(path: &Path, work: impl FnOnce() -> T) -> Result<T, StoreOpenError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .map_err(|_| StoreOpenError::Damaged { path: path.to_owned(), reason: "it cannot be read".into() })
}

fn refused(path: &Path) -> impl Fn(DatabaseError) -> StoreOpenError {
    let path = path.to_owned();
    move |error| match error {
        DatabaseError::DatabaseAlreadyOpen => StoreOpenError::InUse { path: path.clone() },
        DatabaseError::Storage(StorageError::Io(source)) if !is_damage(source.kind()) => {
            StoreOpenError::Io { path: path.clone(), source }
        }
        error => StoreOpenError::Damaged { path: path.clone(), reason: error.to_string() },
    }
}

/// What reading a file that is too short or holds something else looks like.
fn is_damage(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
}

/// Makes an empty file, readable by its owner only: it holds keys.
fn create_private(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.create_new(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ())
}
