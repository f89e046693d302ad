//! Writes lines in groups: whoever needs a line on disk waits, and one flush of the disk serves all who wait. Knows nothing of
//! what the lines say.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// Lines that nobody waits for may pile up to so many bytes before those who write more have to wait.
const MOST_BEHIND: usize = 4 << 20;

/// Where lines go.
pub(super) trait Sink: Send + 'static {
    /// Appends all of it.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Brings what was appended to the disk.
    fn sync(&mut self) -> io::Result<()>;
}

impl Sink for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// What waits to be written. Numbers count lines.
#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    appended: u64,
    /// Up to here somebody waits for the disk.
    wanted: u64,
    closed: bool,
}

/// How far the file is.
#[derive(Clone, Debug, Default)]
struct Progress {
    written: u64,
    durable: u64,
    syncs: u64,
    failed: Option<Arc<str>>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Notify,
    progress: watch::Sender<Progress>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("a queue is plain data: no panic while held")
    }
}

/// The end of a journal that lines are put into.
pub(super) struct Writer {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// The lines cannot be written: why.
pub(super) type Failed = Arc<str>;

impl Writer {
    /// Starts writing. Must be called inside a runtime.
    pub(super) fn start(sink: impl Sink) -> Self {
        let progress = watch::Sender::new(Progress::default());
        let shared = Arc::new(Shared { queue: Mutex::default(), wake: Notify::new(), progress });
        let task = tokio::spawn(write_all(Arc::clone(&shared), Box::new(sink)));
        Self { shared, task: Mutex::new(Some(task)) }
    }

    /// Puts a line in; gives its number. It is on its way, not on disk.
    pub(super) fn append(&self, line: &[u8]) -> u64 {
        let mut queue = self.shared.queue();
        queue.bytes.extend_from_slice(line);
        queue.bytes.push(b'\n');
        queue.appended += 1;
        let number = queue.appended;
        drop(queue);
        self.shared.wake.notify_one();
        number
    }

    /// Waits until a line is on disk.
    pub(super) async fn durable(&self, line: u64) -> Result<(), Failed> {
        {
            let mut queue = self.shared.queue();
            queue.wanted = queue.wanted.max(line);
        }
        self.shared.wake.notify_one();
        self.until(|progress| progress.durable >= line).await
    }

    /// Waits while too much is on its way.
    pub(super) async fn room(&self) -> Result<(), Failed> {
        let (behind, last) = {
            let queue = self.shared.queue();
            (queue.bytes.len(), queue.appended)
        };
        if behind < MOST_BEHIND {
            return self.failed().map_or(Ok(()), Err);
        }
        self.until(|progress| progress.written >= last).await
    }

    /// Why it cannot be written, if it cannot.
    pub(super) fn failed(&self) -> Option<Failed> {
        self.shared.progress.borrow().failed.clone()
    }

    /// How often the disk was waited for.
    pub(super) fn syncs(&self) -> u64 {
        self.shared.progress.borrow().syncs
    }

    fn task(&self) -> Option<JoinHandle<()>> {
        self.task.lock().expect("a handle is plain data: no panic while held").take()
    }

    /// Writes what is left and ends. What is appended after this is lost.
    pub(super) async fn close(&self) -> Result<(), Failed> {
        let last = {
            let mut queue = self.shared.queue();
            queue.closed = true;
            queue.appended
        };
        let done = self.durable(last).await;
        // It ends by itself once it has seen the end; a panic in it would be ours to hear of.
        if let Some(task) = self.task() {
            task.await.map_err(|error| Failed::from(error.to_string()))?;
        }
        done
    }

    async fn until(&self, reached: impl Fn(&Progress) -> bool) -> Result<(), Failed> {
        let mut progress = self.shared.progress.subscribe();
        let seen = progress.wait_for(|progress| progress.failed.is_some() || reached(progress)).await;
        match seen {
            Ok(progress) if reached(&progress) => Ok(()),
            Ok(progress) => Err(progress.failed.clone().unwrap_or_else(|| "unknown".into())),
            Err(_) => Err("the writer has ended".into()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Not closed: somebody panicked, and what is under way ends with the runtime.
        if let Some(task) = self.task() {
            task.abort();
        }
    }
}

/// Takes what has gathered, writes it as one piece, flushes when somebody waits, tells, again.
async fn write_all(shared: Arc<Shared>, mut sink: Box<dyn Sink>) {
    loop {
        let (bytes, last, wanted, closed) = {
            let mut queue = shared.queue();
            (std::mem::take(&mut queue.bytes), queue.appended, queue.wanted, queue.closed)
        };
        let sync = wanted > shared.progress.borrow().durable;
        if bytes.is_empty() && !sync {
            if closed {
                return;
            }
            shared.wake.notified().await;
            continue;
        }
        // Off the lane: a disk may take its time, and devices must not wait for lines that they do not need.
        let done = tokio::task::spawn_blocking(move || {
            let result = piece(&mut *sink, &bytes, sync);
            (sink, result)
        });
        let result = match done.await {
            Ok((back, result)) => {
                sink = back;
                result
            }
            Err(error) => {
                shared.progress.send_modify(|progress| progress.failed = Some(error.to_string().into()));
                return;
            }
        };
        shared.progress.send_modify(|progress| match result {
            Ok(()) => {
                progress.written = last;
                if sync {
                    progress.durable = last;
                    progress.syncs += 1;
                }
            }
            Err(error) => progress.failed = Some(error.to_string().into()),
        });
        if shared.progress.borrow().failed.is_some() {
            // What follows a line that was cut could not be read: nothing more is written.
            return;
        }
    }
}

fn piece(sink: &mut dyn Sink, bytes: &[u8], sync: bool) -> io::Result<()> {
    if !bytes.is_empty() {
        sink.append(bytes)?;
    }
    if sync { sink.sync() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk in memory that is full after so many bytes.
    #[derive(Clone, Default)]
    struct Disk {
        bytes: Arc<Mutex<Vec<u8>>>,
        full_at: Option<usize>,
    }

    impl Sink for Disk {
        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            let mut held = self.bytes.lock().unwrap();
            let room = self.full_at.map_or(usize::MAX, |full| full.saturating_sub(held.len()));
            held.extend_from_slice(&bytes[..bytes.len().min(room)]);
            if bytes.len() > room { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }

        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_flush_serves_all_who_wait() {
        let disk = Disk::default();
        let writer = Writer::start(disk.clone());
        let waits = (0..100).map(|n| {
            let line = writer.append(format!("{n}").as_bytes());
            writer.durable(line)
        });
        for done in futures_util::future::join_all(waits).await {
            done.unwrap();
        }
        assert!(writer.syncs() <= 2, "{}", writer.syncs());
        writer.append(b"last");
        writer.close().await.unwrap();
        let text = String::from_utf8(disk.bytes.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 101);
        assert!(text.ends_with("last\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_disk_is_told_to_all_who_wait() {
        let writer = Writer::start(Disk { full_at: Some(10), ..Disk::default() });
        let first = writer.append(b"12345");
        writer.durable(first).await.unwrap();
        let second = writer.append(b"67890");
        let why = writer.durable(second).await.unwrap_err();
        assert!(why.contains("no storage space") || why.contains("full"), "{why}");
        assert!(writer.room().await.is_err());
        assert!(writer.close().await.is_err());
    }
}
