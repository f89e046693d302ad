//! The journal of one run as the runner sees it: lines go in, those that must be on disk before something happens are waited for,
//! and what earlier processes wrote is looked up. Nothing is made on disk before the first play begins.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use base::{Clock, rfc3339_millis};

use super::writer::Writer;
use super::{Copy, JournalError, Kind, Past, Record, RunFolder, RunLock, RunManifest};

/// What is on disk when the journal begins.
enum Start {
    /// Nothing.
    Fresh { manifest: Box<RunManifest>, copies: Vec<Copy> },
    /// An earlier process's lines, whole up to here.
    Resumed { whole: usize, lock: RefCell<Option<RunLock>> },
}

/// Where a run's calls are written before they are sent.
pub struct Journal {
    folder: RunFolder,
    clock: Clock,
    start: Start,
    past: Past,
    /// `--approve`: answers one question that was left open.
    approve: Cell<bool>,
    writer: OnceCell<Rc<Writer>>,
    lock: RefCell<Option<RunLock>>,
    written: RefCell<Option<RunManifest>>,
}

impl Journal {
    /// The journal of a new run; its folder is made when the first play begins.
    pub fn new(folder: RunFolder, manifest: RunManifest, copies: Vec<Copy>, clock: Clock) -> Self {
        Self::starting(folder, Start::Fresh { manifest: Box::new(manifest), copies }, Past::default(), clock)
    }

    /// The journal of a run that is taken up again. `approve` answers the question that it was left with.
    ///
    /// # Errors
    /// The journal cannot be read, or is damaged in the middle.
    pub fn resume(folder: RunFolder, lock: RunLock, approve: bool, clock: Clock) -> Result<Self, JournalError> {
        let (past, whole) = folder.past()?;
        let start = Start::Resumed { whole, lock: RefCell::new(Some(lock)) };
        let journal = Self::starting(folder, start, past, clock);
        journal.approve.set(approve && journal.past.paused);
        Ok(journal)
    }

    fn starting(folder: RunFolder, start: Start, past: Past, clock: Clock) -> Self {
        Self {
            folder,
            clock,
            start,
            past,
            approve: Cell::new(false),
            writer: OnceCell::new(),
            lock: RefCell::default(),
            written: RefCell::default(),
        }
    }

    /// The run's folder.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// Whether anything is on disk: then there is something to show, and perhaps to resume.
    pub fn is_begun(&self) -> bool {
        self.writer.get().is_some()
    }

    /// How often the disk was waited for.
    pub fn syncs(&self) -> u64 {
        self.writer.get().map_or(0, |writer| writer.syncs())
    }

    /// Whether the run was left with a question.
    pub fn was_paused(&self) -> bool {
        self.past.paused
    }

    /// Whether the run has ended for good.
    pub fn is_over(&self) -> bool {
        self.past.over
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// The lines could not be written.
    pub async fn close(&self) -> Result<(), String> {
        let closed = match self.writer.get() {
            Some(writer) => writer.close().await.map_err(|why| self.refused(&why)),
            None => Ok(()),
        };
        self.lock.borrow_mut().take();
        closed
    }

    /// Makes or opens the folder; once.
    pub(crate) fn begin(&self) -> Result<(), JournalError> {
        if self.is_begun() {
            return self.remask();
        }
        let (lock, whole) = match &self.start {
            Start::Fresh { manifest, copies } => {
                let lock = self.folder.make(manifest, copies)?;
                *self.written.borrow_mut() = Some(manifest.masked());
                (Some(lock), None)
            }
            Start::Resumed { whole, lock } => (lock.borrow_mut().take(), Some(*whole)),
        };
        let file = self.folder.open_journal(whole)?;
        *self.lock.borrow_mut() = lock;
        let _ = self.writer.set(Rc::new(Writer::start(file)));
        self.append(Record::new(Kind::Session).text(env!("CARGO_PKG_VERSION")));
        Ok(())
    }

    /// A later play may know more secrets than the first one did.
    fn remask(&self) -> Result<(), JournalError> {
        let Start::Fresh { manifest, .. } = &self.start else { return Ok(()) };
        let masked = manifest.masked();
        let mut written = self.written.borrow_mut();
        if written.as_ref() != Some(&masked) {
            self.folder.write_manifest(&masked)?;
            *written = Some(masked);
        }
        Ok(())
    }

    /// Hands on what earlier processes wrote of a play, line by line.
    ///
    /// # Errors
    /// It cannot be read again.
    pub(crate) fn retell(&self, play: usize, mut each: impl FnMut(Record)) -> Result<(), JournalError> {
        let Start::Resumed { whole, .. } = &self.start else { return Ok(()) };
        let mut now = None;
        self.folder.lines(*whole, |record| match record.kind {
            Kind::Play => now = Some(record.play.unwrap_or(0)),
            _ if now == Some(play) => each(record),
            _ => {}
        })
    }

    /// What earlier processes did.
    pub(crate) fn past(&self) -> &Past {
        &self.past
    }

    /// Puts a line in; it is on its way.
    pub(crate) fn append(&self, record: Record) {
        self.put(record);
    }

    /// Puts a line in and waits until it is on disk.
    ///
    /// # Errors
    /// It cannot be written: why.
    pub(crate) async fn commit(&self, record: Record) -> Result<(), String> {
        let Some(line) = self.put(record) else { return Ok(()) };
        let Some(writer) = self.writer.get() else { return Ok(()) };
        writer.durable(line).await.map_err(|why| self.refused(&why))
    }

    /// Waits while too many lines are on their way.
    ///
    /// # Errors
    /// They cannot be written: why.
    pub(crate) async fn room(&self) -> Result<(), String> {
        match self.writer.get() {
            Some(writer) => writer.room().await.map_err(|why| self.refused(&why)),
            None => Ok(()),
        }
    }

    /// Takes the answer that `--approve` gave.
    pub(crate) fn take_approval(&self) -> bool {
        self.approve.replace(false)
    }

    fn put(&self, mut record: Record) -> Option<u64> {
        let writer = self.writer.get()?;
        record.at = rfc3339_millis(self.clock.now()).into();
        let line = serde_json::to_vec(&record).expect("plain fields with text keys are JSON");
        Some(writer.append(&line))
    }

    fn refused(&self, why: &Arc<str>) -> String {
        format!("the journal {} cannot be written: {why}", self.folder.journal_path().display())
    }
}
