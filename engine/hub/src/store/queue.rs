//! The queue in front of the disk. The writer takes what is queued, commits it as one group, acknowledges, repeats; no timer.
//! Acknowledgements run in the order of the writes, on the hub's own thread, even when the asker has gone away.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc as std_mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::disk::{self, Disk};
use super::{Row, StoreOpenError, Table, Write};

/// Changes waiting for the disk at once; the next asker waits for a place. Some 20 groups of commits.
const QUEUE: usize = 4_096;
/// Changes in one commit: a group of 200 takes some 2 ms, which is what one change may wait for its neighbours.
const GROUP: usize = 200;
/// How long an asker waits for a place: longer means that the disk has stopped, not that it is busy.
const SLOT_WAIT: Duration = Duration::from_secs(10);

/// The disk refused; what was written stays queued for the next try, so memory and disk meet again.
#[derive(Clone, Debug, Error)]
#[error("the change could not be written to the disk: {0}")]
pub(crate) struct StoreFailed(pub(crate) String);

/// What happens once a change is on the disk, or could not be brought there.
pub(crate) type Written = Box<dyn FnOnce(Result<(), StoreFailed>) + Send>;

/// A place in the queue, taken before a change is made: the order of changes in memory is then the order on the disk.
#[derive(Debug)]
pub(crate) struct Slot {
    _place: OwnedSemaphorePermit,
}

struct Job {
    writes: Vec<Write>,
    written: Written,
    slot: Slot,
}

type Acknowledged = Vec<(Job, Result<(), StoreFailed>)>;

/// Where changes go. Cheap to share; the last one dropped ends the writer after it has committed everything.
pub(crate) struct Store {
    counts: Arc<Counts>,
    slots: Arc<Semaphore>,
    jobs: Jobs,
}

#[derive(Debug, Default)]
struct Counts {
    commits: AtomicU64,
    changes: AtomicU64,
    failures: AtomicU64,
}

/// How often the disk was written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoreCounts {
    /// Groups of changes, those that failed too.
    pub(crate) commits: u64,
    pub(crate) changes: u64,
    /// Groups that the disk refused.
    pub(crate) failures: u64,
}

enum Jobs {
    /// Keeps nothing: every change is acknowledged as it is.
    Forget(mpsc::UnboundedSender<Acknowledged>),
    /// None tells the writer to commit what came before, and end.
    Keep(std_mpsc::Sender<Option<Job>>),
}

/// The two ends that the hub joins when it stops.
pub(crate) struct StoreWorkers {
    /// None without a disk.
    pub(crate) writer: Option<JoinHandle<()>>,
    pub(crate) acknowledged: Acknowledgements,
}

/// Runs acknowledgements; a task of the hub's runtime.
pub(crate) struct Acknowledgements(mpsc::UnboundedReceiver<Acknowledged>);

impl Acknowledgements {
    /// Until the writer ends.
    pub(crate) async fn run(mut self) {
        while let Some(group) = self.0.recv().await {
            // An empty group is the end of a store without a disk.
            if group.is_empty() {
                break;
            }
            for (job, result) in group {
                (job.written)(result);
                drop(job.slot);
            }
        }
    }
}

impl Store {
    /// A store that forgets: for tests and for the hub inside `iotplay run`.
    pub(crate) fn memory() -> (Self, StoreWorkers) {
        let (done, acknowledged) = mpsc::unbounded_channel();
        let store = Self { counts: Arc::default(), slots: Arc::new(Semaphore::new(QUEUE)), jobs: Jobs::Forget(done) };
        (store, StoreWorkers { writer: None, acknowledged: Acknowledgements(acknowledged) })
    }

    /// Opens or creates the file and hands every document in it to `row`.
    pub(crate) fn open(path: &Path, row: &mut Row<'_>) -> Result<(Self, StoreWorkers), StoreOpenError> {
        let disk = Disk::open(path)?;
        disk.read(row)?;
        let (jobs, queued) = std_mpsc::channel();
        // Unbounded in type only: it never holds more jobs than there are slots.
        let (done, acknowledged) = mpsc::unbounded_channel();
        let counts = Arc::<Counts>::default();
        let counting = Arc::clone(&counts);
        let writer = std::thread::Builder::new()
            .name("hub-store".into())
            .spawn(move || write(disk, &queued, &done, &counting))
            .map_err(|source| StoreOpenError::Io { path: path.to_owned(), source })?;
        let store = Self { counts, slots: Arc::new(Semaphore::new(QUEUE)), jobs: Jobs::Keep(jobs) };
        Ok((store, StoreWorkers { writer: Some(writer), acknowledged: Acknowledgements(acknowledged) }))
    }

    /// Hands every document of a file to `row`, as they are at one moment; a hub may be writing to it.
    pub(crate) fn read_beside(path: &Path, row: &mut Row<'_>) -> Result<(), StoreOpenError> {
        disk::read_beside(path, row)
    }

    /// The same of a file that nobody has open; one left by a killed hub is mended first.
    pub(crate) fn read_stopped(path: &Path, row: &mut Row<'_>) -> Result<(), StoreOpenError> {
        Disk::open(path)?.read(row)
    }

    /// Puts a file with exactly these documents in the place of the one that may be there, which nobody may have open.
    pub(crate) fn replace(path: &Path, writes: &[Write]) -> Result<(), StoreOpenError> {
        disk::replace(path, writes)
    }

    /// What was brought to the disk so far; nothing is without one.
    pub(crate) fn counts(&self) -> StoreCounts {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Counts { commits, changes, failures } = &*self.counts;
        StoreCounts { commits: get(commits), changes: get(changes), failures: get(failures) }
    }

    /// Waits for a place in the queue.
    pub(crate) async fn slot(&self) -> Result<Slot, StoreFailed> {
        match tokio::time::timeout(SLOT_WAIT, Arc::clone(&self.slots).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Slot { _place: permit }),
            Ok(Err(_)) | Err(_) => Err(StoreFailed(format!("no place in its queue for {} s", SLOT_WAIT.as_secs()))),
        }
    }

    /// Queues a change; `written` runs on the hub's runtime when it is durable, in the order of these calls.
    pub(crate) fn write(&self, slot: Slot, writes: Vec<Write>, written: Written) {
        let job = Job { writes, written, slot };
        let refused = match &self.jobs {
            Jobs::Forget(done) => {
                done.send(vec![(job, Ok(()))]).err().and_then(|mut refused| refused.0.pop()).map(|(job, _)| job)
            }
            Jobs::Keep(jobs) => jobs.send(Some(job)).err().and_then(|refused| refused.0),
        };
        if let Some(job) = refused {
            (job.written)(Err(StoreFailed("the hub is stopping".into())));
        }
    }

    /// Queues what a new folder begins with; nobody waits for it, and every later change is behind it.
    pub(crate) fn write_first(&self, writes: Vec<Write>) {
        if let Ok(place) = Arc::clone(&self.slots).try_acquire_owned() {
            self.write(Slot { _place: place }, writes, Box::new(|_| ()));
        }
    }

    /// Ends the writer once it has committed everything queued so far, and the acknowledgements with it.
    pub(crate) fn close(&self) {
        self.slots.close();
        // Gone already is closed.
        match &self.jobs {
            Jobs::Forget(done) => drop(done.send(Vec::new())),
            Jobs::Keep(jobs) => drop(jobs.send(None)),
        }
    }
}

fn write(
    mut disk: Disk,
    queued: &std_mpsc::Receiver<Option<Job>>,
    done: &mpsc::UnboundedSender<Acknowledged>,
    counts: &Counts,
) {
    let mut carried: Vec<Write> = Vec::new();
    let mut open = true;
    while open {
        let Ok(Some(first)) = queued.recv() else { break };
        let mut group = vec![first];
        for job in queued.try_iter().take(GROUP - 1) {
            match job {
                Some(job) => group.push(job),
                None => open = false,
            }
        }
        let mut writes = std::mem::take(&mut carried);
        writes.extend(group.iter_mut().flat_map(|job| std::mem::take(&mut job.writes)));
        let result = disk.commit(&writes).map_err(StoreFailed);
        counts.commits.fetch_add(1, Ordering::Relaxed);
        counts.changes.fetch_add(group.len() as u64, Ordering::Relaxed);
        counts.failures.fetch_add(u64::from(result.is_err()), Ordering::Relaxed);
        if let Err(failed) = &result {
            tracing::error!(%failed, changes = group.len(), "a group of changes is not on the disk");
            carried = latest(writes);
        }
        // The hub's runtime may be gone already: then nobody waits for the answer.
        let _ = done.send(group.into_iter().map(|job| (job, result.clone())).collect());
    }
    if !carried.is_empty()
        && let Err(reason) = disk.commit(&carried)
    {
        tracing::error!(reason, changes = carried.len(), "changes are lost: the disk refused them to the end");
    }
}

/// Only the last write of each document: what must be carried to the next try stays as small as the state.
fn latest(writes: Vec<Write>) -> Vec<Write> {
    let last: std::collections::BTreeMap<(Table, Box<str>), Option<Vec<u8>>> =
        writes.into_iter().map(|write| ((write.table, write.key), write.value)).collect();
    last.into_iter().map(|((table, key), value)| Write { table, key, value }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    type Rows = BTreeMap<(Table, String), Vec<u8>>;

    fn open(path: &Path) -> (Store, StoreWorkers, Rows) {
        let mut rows = Rows::new();
        let (store, workers) = Store::open(path, &mut |table, key, value| {
            rows.insert((table, key.to_owned()), value.to_vec());
            Ok(())
        })
        .unwrap();
        (store, workers, rows)
    }

    fn put(key: &str, value: &str) -> Vec<Write> {
        vec![Write::put(Table::Twins, key, value.as_bytes().to_vec())]
    }

    #[tokio::test]
    async fn what_was_acknowledged_is_in_a_copy_of_the_file_taken_at_that_moment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.redb");
        let (store, workers, rows) = open(&path);
        assert!(rows.is_empty());
        let running = tokio::spawn(workers.acknowledged.run());
        let (sender, mut order) = mpsc::unbounded_channel();
        for index in 0..1_000 {
            let slot = store.slot().await.unwrap();
            let sender = sender.clone();
            let written =
                Box::new(move |result: Result<(), StoreFailed>| sender.send((index, result.is_ok())).unwrap());
            store.write(slot, put(&format!("d{}", index % 10), &index.to_string()), written);
        }
        for index in 0..1_000 {
            assert_eq!(order.recv().await.unwrap(), (index, true));
        }
        let copy = folder.path().join("copy.redb");
        std::fs::copy(&path, &copy).unwrap();
        let (_, _, rows) = open(&copy);
        for digit in 0..10 {
            assert_eq!(rows[&(Table::Twins, format!("d{digit}"))], (990 + digit).to_string().as_bytes());
        }
        store.close();
        workers.writer.unwrap().join().unwrap();
        running.await.unwrap();
    }

    #[tokio::test]
    async fn a_removed_document_stays_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.redb");
        let (store, workers, _) = open(&path);
        for writes in [put("a", "1"), put("b", "2"), vec![Write::remove(Table::Twins, "a")]] {
            store.write(store.slot().await.unwrap(), writes, Box::new(|_| ()));
        }
        store.close();
        workers.writer.unwrap().join().unwrap();
        let (_, _, rows) = open(&path);
        assert_eq!(rows.into_iter().collect::<Vec<_>>(), [((Table::Twins, "b".to_owned()), b"2".to_vec())]);
    }

    #[test]
    fn a_file_that_is_not_ours_is_refused_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.redb");
        std::fs::write(&path, "this is no database").unwrap();
        let error = Store::open(&path, &mut |_, _, _| Ok(())).err().unwrap();
        assert!(matches!(error, StoreOpenError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("hub.redb"), "{error}");
    }

    #[test]
    fn a_document_that_the_hub_cannot_read_refuses_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.redb");
        let (store, workers, _) = open(&path);
        store.write_first(put("d1", "nonsense"));
        store.close();
        workers.writer.unwrap().join().unwrap();
        let error = Store::open(&path, &mut |_, _, _| Err("not a twin".into())).err().unwrap();
        assert!(error.to_string().contains("`d1` in Twins: not a twin"), "{error}");
    }

    #[test]
    fn only_the_last_write_of_a_document_is_carried() {
        let writes = [put("a", "1"), put("b", "2"), put("a", "3"), vec![Write::remove(Table::Twins, "b")]].concat();
        let carried = latest(writes);
        assert_eq!(carried.len(), 2);
        assert_eq!(carried[0].value.as_deref(), Some(b"3".as_slice()));
        assert_eq!(carried[1].value, None);
    }
}
