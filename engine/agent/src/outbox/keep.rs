//! Between an outbox and its file: what is to be written is gathered on the lane, written beside it, one write at a time
//! with all that has gathered meanwhile. Messages go to the disk only while the hub does not take them.

use std::path::PathBuf;
use std::rc::Rc;

use base::Diagnostic;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::journal::{Found, Journal, JournalError};
use super::message::Messages;
use super::record::Record;
use super::whole::{Inner, Outbox};
use crate::device::Device;
use crate::reports::Reports;

/// A file that is mostly past is made anew when it is this long and has four times what is left.
const MOST_PAST: u64 = 256 * 1024;

/// What is to be written.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The file; away while it is written.
    journal: Option<Journal>,
    pending: Vec<u8>,
    /// Whether anything of it was promised.
    flush: bool,
    /// The write that takes what is pending, from 1.
    write: u64,
    bell: Rc<Notify>,
}

/// One write.
enum Work {
    Append { records: Vec<u8>, flush: bool },
    Rewrite(Vec<u8>),
}

impl Work {
    fn run(self, journal: &mut Journal) -> Result<(), JournalError> {
        match self {
            Self::Append { records, flush } => journal.append(&records, flush),
            Self::Rewrite(records) => journal.rewrite(&records),
        }
    }
}

impl Ledger {
    fn new(journal: Journal) -> Self {
        Self { journal: Some(journal), pending: Vec::new(), flush: false, write: 1, bell: Rc::default() }
    }

    /// Gathers what is new; `down` says that the hub does not take it.
    pub(super) fn note(&mut self, reports: &mut Reports, messages: &mut Messages, down: bool) {
        let before = self.pending.len();
        if down {
            self.flush |= reports.write_down(&mut self.pending, self.write);
            self.flush |= messages.write_down(&mut self.pending, self.write);
        }
        reports.strike_out(&mut self.pending);
        self.pending.append(&mut messages.ends);
        if self.pending.len() > before {
            self.bell.notify_one();
        }
    }
}

impl Inner {
    /// The next write, with the file; none while there is nothing to write.
    fn begin(&mut self) -> Option<(Journal, Work, u64)> {
        let ledger = self.ledger.as_mut().filter(|ledger| !ledger.pending.is_empty())?;
        let journal = ledger.journal.take()?;
        let records = std::mem::take(&mut ledger.pending);
        let (write, flush) = (ledger.write, std::mem::take(&mut ledger.flush));
        ledger.write += 1;
        let work = if journal.length() > MOST_PAST + 4 * self.messages.cost() as u64 {
            let mut left = Vec::new();
            self.reports.write_all(&mut left);
            self.messages.write_all(&mut left);
            Work::Rewrite(left)
        } else {
            Work::Append { records, flush }
        };
        Some((journal, work, write))
    }

    /// A write is done.
    fn finish(&mut self, journal: Option<Journal>, write: u64, failed: Option<&str>) {
        if let Some(ledger) = &mut self.ledger {
            ledger.journal = journal;
        }
        self.reports.written(write, failed);
        self.messages.written(write, failed);
        if self.connection == 0 {
            self.reports.tell_kept(true);
            self.messages.tell_kept(true);
        }
    }
}

impl Outbox {
    /// Writes until nothing is left to write; what went wrong last.
    async fn commit(&self) -> Option<String> {
        let mut trouble = None;
        loop {
            let Some((mut journal, work, write)) = self.inner.borrow_mut().begin() else { return trouble };
            let written = spawn_blocking(move || {
                let written = work.run(&mut journal);
                (journal, written)
            });
            let (journal, failed) = match written.await {
                Ok((journal, Ok(()))) => (Some(journal), None),
                Ok((journal, Err(error))) => (Some(journal), Some(error.to_string())),
                Err(error) => (None, Some(format!("writing the outbox failed: {error}"))),
            };
            self.inner.borrow_mut().finish(journal, write, failed.as_deref());
            trouble = failed.or(trouble);
        }
    }

    /// Takes what a file holds, before anything else.
    fn restore(&self, journal: Journal, mut found: Vec<Record>) {
        // A record that was refused by a full disk stands behind later ones.
        found.sort_by_key(Record::number);
        found.dedup();
        let inner = &mut *self.inner.borrow_mut();
        let done: std::collections::HashSet<u64> = found.iter().filter_map(message_done).collect();
        let answered = found.iter().filter_map(reports_done).max().unwrap_or(0);
        for record in found {
            match record {
                Record::Message { number, properties, body } if !done.contains(&number) => {
                    inner.messages.restore(number, properties, &body);
                }
                Record::Report { number, patch } if number > answered => inner.reports.restore(number, patch),
                _ => {}
            }
        }
        inner.messages.begin_after(done.into_iter().max().unwrap_or(0));
        inner.reports.begin_after(answered);
        inner.ledger = Some(Box::new(Ledger::new(journal)));
    }
}

#[cfg(test)]
impl Outbox {
    /// From here on the file takes nothing.
    pub(super) fn break_disk(&self) {
        let mut inner = self.inner.borrow_mut();
        let journal = inner.ledger.as_mut().and_then(|ledger| ledger.journal.as_mut());
        journal.expect("nothing is being written").break_disk();
    }
}

fn message_done(record: &Record) -> Option<u64> {
    if let Record::MessageDone { number } = record { Some(*number) } else { None }
}

fn reports_done(record: &Record) -> Option<u64> {
    if let Record::ReportsDone { number } = record { Some(*number) } else { None }
}

/// Who writes a device's file.
pub(crate) struct Keeper {
    closing: CancellationToken,
    writing: JoinHandle<()>,
}

/// Opens a device's file, if the disk was asked for, and takes what it holds.
///
/// # Errors
/// It cannot be read, or is another's.
pub(crate) async fn open(device: &Rc<Device>, path: Option<PathBuf>) -> Result<Option<Box<Keeper>>, JournalError> {
    let Some(path) = path else { return Ok(None) };
    let opened = spawn_blocking(move || Journal::open(&path)).await.expect("opening a file does not panic");
    let (journal, Found { records, damaged }) = opened?;
    if let Some(aside) = damaged {
        device.fault(Diagnostic::error(format!(
            "the outbox is damaged: what stands before the damage goes on, the whole file is kept as {}",
            aside.display()
        )));
    }
    device.outbox.restore(journal, records);
    let closing = CancellationToken::new();
    let writing = tokio::task::spawn_local(write(Rc::clone(device), closing.clone()));
    Ok(Some(Box::new(Keeper { closing, writing })))
}

impl Keeper {
    /// Until everything is on the disk.
    pub(crate) async fn close(self) {
        self.closing.cancel();
        // A panic has been printed, and there is nobody left who could do more.
        let _ = self.writing.await;
    }
}

async fn write(device: Rc<Device>, closing: CancellationToken) {
    let bell = device.outbox.inner.borrow().ledger.as_ref().map(|ledger| Rc::clone(&ledger.bell)).unwrap_or_default();
    let mut troubled = false;
    loop {
        let trouble = device.outbox.commit().await;
        if let Some(why) = trouble.as_ref().filter(|_| !troubled) {
            device.fault(Diagnostic::error(format!("what waits for the hub is not safe on the disk: {why}")));
        }
        troubled = trouble.is_some();
        if closing.is_cancelled() {
            return;
        }
        tokio::select! {
            () = bell.notified() => {}
            () = closing.cancelled() => {}
        }
    }
}
