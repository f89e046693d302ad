//! The redb file: open it, read everything once, commit a group of writes.
//! Synchronous; only the writer thread calls it after start.

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
        let damaged = |reason: String| StoreOpenError::Damaged { path: self.path.clone(), reason };
        let Some(database) = &self.database else { return Ok(()) };
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
    let path = path.to_owned();
    if let Err(source) = create_private(&path) {
        return Err(StoreOpenError::Io { path, source });
    }
    match Database::builder().set_cache_size(CACHE).create(&path) {
        Ok(database) => Ok(database),
        Err(DatabaseError::DatabaseAlreadyOpen) => Err(StoreOpenError::InUse { path }),
        Err(DatabaseError::Storage(StorageError::Io(source))) if source.kind() != std::io::ErrorKind::InvalidData => {
            Err(StoreOpenError::Io { path, source })
        }
        Err(error) => Err(StoreOpenError::Damaged { path, reason: error.to_string() }),
    }
}

/// Makes the empty file, readable by its owner only: it holds keys.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ())
}
