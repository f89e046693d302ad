//! The folder of one run: `run.json`, `journal.jsonl`, `lock`, `copies/`, and `files/` where `save` writes. And the folder of all runs.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::kept::{appending, make_private, sync_folder, write_whole};
use super::{Copy, History, JournalError, KeptFile, Kind, Past, Record, RunManifest, read};

/// Tries to get the lock before it is called held: `runs` holds it for a moment to see whether anyone else does.
const LOCK_TRIES: u32 = 5;
/// Between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// A longer `run.json` is not one of ours.
const LONGEST_MANIFEST: u64 = 64 << 20;
/// The last line of a run that has ended is far shorter.
const TAIL: u64 = 64 << 10;

/// A run's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

/// The run belongs to this process until this is dropped; the operating system frees it even after kill -9.
#[derive(Debug)]
pub struct RunLock(#[expect(dead_code, reason = "held, not read")] File);

impl RunFolder {
    /// The folder of a run that may not exist yet.
    pub fn new(runs: &Path, run: &str) -> Self {
        Self { path: runs.join(run) }
    }

    /// All runs, newest first. A folder without `run.json` is none: nothing was begun in it.
    pub fn all(runs: &Path) -> Vec<Self> {
        let entries = fs::read_dir(runs).into_iter().flatten();
        let mut found: Vec<Self> = entries
            .filter_map(|entry| Some(Self { path: entry.ok()?.path() }))
            .filter(|folder| folder.manifest_path().is_file())
            .collect();
        found.sort_by(|a, b| b.path.cmp(&a.path));
        found
    }

    /// The run of an id, or of the part of one that is enough to tell.
    ///
    /// # Errors
    /// No run of that id.
    pub fn find(runs: &Path, id: &str) -> Result<Self, JournalError> {
        let all = Self::all(runs);
        if let Some(exact) = all.iter().find(|folder| folder.id() == id) {
            return Ok(exact.clone());
        }
        let mut close = all.into_iter().filter(|folder| !id.is_empty() && folder.id().contains(id));
        match (close.next(), close.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(JournalError::Unknown(id.to_owned())),
        }
    }

    /// The run's id.
    pub fn id(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the copies of the files are that the run uses.
    pub fn copies(&self) -> PathBuf {
        self.path.join("copies")
    }

    /// Where `save` writes, unless `--out` said otherwise.
    pub fn files(&self) -> PathBuf {
        self.path.join("files")
    }

    /// The journal itself.
    pub fn journal_path(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    fn manifest_path(&self) -> PathBuf {
        self.path.join("run.json")
    }

    /// Takes the run for this process.
    ///
    /// # Errors
    /// Another process has it; the folder cannot be written.
    pub fn lock(&self) -> Result<RunLock, JournalError> {
        let path = self.path.join("lock");
        let lock = appending(&path)?;
        for tries in 1.. {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => return Err(JournalError::Locked(self.id())),
                Err(TryLockError::Error(error)) => return Err(JournalError::io("lock", &path)(error)),
            }
        }
        Ok(RunLock(lock))
    }

    /// Whether some process has the run now.
    pub fn is_running(&self) -> bool {
        let lock = File::open(self.path.join("lock"));
        lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// What the run was.
    ///
    /// # Errors
    /// `run.json` cannot be read, or is not one.
    pub fn manifest(&self) -> Result<RunManifest, JournalError> {
        let path = self.manifest_path();
        let length = fs::metadata(&path).map_err(JournalError::io("read", &path))?.len();
        let damaged = |why: String| JournalError::Damaged { path: path.clone(), why };
        if length > LONGEST_MANIFEST {
            return Err(damaged(format!("{length} bytes")));
        }
        let text = fs::read(&path).map_err(JournalError::io("read", &path))?;
        serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))
    }

    /// The text of a copy.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn copy(&self, file: &KeptFile) -> Result<String, JournalError> {
        let path = self.path.join(&file.copy);
        fs::read_to_string(&path).map_err(JournalError::io("read", &path))
    }

    /// What happened, for `runs` and `show`.
    ///
    /// # Errors
    /// The journal cannot be read, or is damaged in the middle.
    pub fn history(&self) -> Result<History, JournalError> {
        let (path, mut history) = (self.journal_path(), History::default());
        let bytes = fs::read(&path).map_err(JournalError::io("read", &path))?;
        read::lines(&bytes, &path, |record| history.take(&record))?;
        Ok(history)
    }

    /// How the run stands and what it counted: read from the last line when the run has ended, else as `history`. Devices and calls
    /// may be missing.
    ///
    /// # Errors
    /// As `history`.
    pub fn summary(&self) -> Result<History, JournalError> {
        let (path, mut history) = (self.journal_path(), History::default());
        let tail = tail(&path).map_err(JournalError::io("read", &path))?;
        let last = tail.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        match serde_json::from_slice::<Record>(last) {
            Ok(record) if record.kind == Kind::End => history.take(&record),
            _ => return self.history(),
        }
        Ok(history)
    }

    /// What an earlier process came to, and how long the whole lines are.
    pub(crate) fn past(&self) -> Result<(Past, usize), JournalError> {
        let (path, mut past) = (self.journal_path(), Past::default());
        let bytes = fs::read(&path).map_err(JournalError::io("read", &path))?;
        let whole = read::lines(&bytes, &path, |record| past.take(record))?;
        Ok((past, whole))
    }

    /// The lines up to a length that is known to be whole.
    pub(crate) fn lines(&self, whole: usize, each: impl FnMut(Record)) -> Result<(), JournalError> {
        let path = self.journal_path();
        let bytes = fs::read(&path).map_err(JournalError::io("read", &path))?;
        read::lines(bytes.get(..whole).unwrap_or(&bytes), &path, each).map(drop)
    }

    /// Makes the folder with all that does not change: copies first, `run.json` last, so that a folder with one is whole.
    pub(crate) fn make(&self, manifest: &RunManifest, copies: &[Copy]) -> Result<RunLock, JournalError> {
        make_private(&self.path)?;
        let lock = self.lock()?;
        if self.manifest_path().exists() {
            let taken = io::Error::new(io::ErrorKind::AlreadyExists, "another run has this id");
            return Err(JournalError::io("make", &self.path)(taken));
        }
        let kept = self.copies();
        make_private(&kept)?;
        for (file, copy) in manifest.files.iter().zip(copies) {
            let path = self.path.join(&file.copy);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(JournalError::io("make", folder))?;
            }
            write_whole(&path, copy.text.as_bytes())?;
        }
        sync_folder(&kept)?;
        self.write_manifest(manifest)?;
        Ok(lock)
    }

    /// Writes `run.json`, without the secrets that are known by now.
    pub(crate) fn write_manifest(&self, manifest: &RunManifest) -> Result<(), JournalError> {
        let text = serde_json::to_vec_pretty(&manifest.masked()).expect("plain fields with text keys are JSON");
        write_whole(&self.manifest_path(), &text)
    }

    /// The journal, ready for more lines; what was cut at its end is taken off.
    pub(crate) fn open_journal(&self, whole: Option<usize>) -> Result<File, JournalError> {
        let path = self.journal_path();
        let file = appending(&path)?;
        if let Some(whole) = whole {
            let whole = u64::try_from(whole).unwrap_or(u64::MAX);
            file.set_len(whole).map_err(JournalError::io("write", &path))?;
        }
        file.sync_all().map_err(JournalError::io("write", &path))?;
        sync_folder(&self.path)?;
        Ok(file)
    }
}

/// The end of a file.
fn tail(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}
