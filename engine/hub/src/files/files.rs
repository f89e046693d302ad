//! All contents of one hub: room, numbers, and what is done at start and at the end.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Mutex as Turn, Semaphore, SemaphorePermit};
use tokio_util::task::TaskTracker;
use wire::blob::BlobError;

use super::FileLimits;
use super::content::Content;
use super::place::{Blocks, Place};

/// Files that are received at once: each may hold a quarter of a MiB that is not on the disk yet.
const SEATS: usize = 64;
/// How long a request waits for its seat: SDKs send again what was refused so.
const SEAT_WAIT: Duration = Duration::from_secs(30);

/// See the module's description. Shared by all requests.
pub(crate) struct Files {
    pub(super) place: Place,
    pub(super) limits: FileLimits,
    used: AtomicU64,
    next: AtomicU64,
    seats: Semaphore,
    pub(super) blocks: Mutex<Blocks>,
    /// Lists of blocks become files one after the other: each copies all of them.
    pub(super) composing: Turn<()>,
    /// What is finished even if its asker goes away.
    tasks: TaskTracker,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileCounts {
    /// Bytes on the disk, blocks included.
    pub(crate) bytes: u64,
    /// Blocks that wait for their list.
    pub(crate) blocks: usize,
}

impl Files {
    /// Looks through the folder (a temporary one without `data`). `known` are the files that have a name, `live` the uploads
    /// whose token is still good. Also returns the known files that are not there.
    pub(crate) fn open(
        data: Option<&Path>,
        limits: FileLimits,
        known: &HashSet<u64>,
        live: &HashSet<String>,
    ) -> io::Result<(Arc<Self>, HashSet<u64>)> {
        let place = Place::of(data);
        let found = place.look(known, live)?;
        let missing = known.difference(&found.files).copied().collect();
        let last = known.iter().copied().max().unwrap_or(0).max(found.last);
        let files = Self {
            place,
            limits,
            used: AtomicU64::new(found.bytes),
            next: AtomicU64::new(last + 1),
            seats: Semaphore::new(SEATS),
            blocks: Mutex::new(found.blocks),
            composing: Turn::new(()),
            tasks: TaskTracker::new(),
        };
        Ok((Arc::new(files), missing))
    }

    pub(crate) fn limits(&self) -> FileLimits {
        self.limits
    }

    pub(crate) fn counts(&self) -> FileCounts {
        let blocks = self.blocks().values().map(std::collections::BTreeMap::len).sum();
        FileCounts { bytes: self.used.load(Ordering::Relaxed), blocks }
    }

    pub(super) fn blocks(&self) -> MutexGuard<'_, Blocks> {
        self.blocks.lock().expect("a map of plain data: nothing panics while it is held")
    }

    /// A number that no file has.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A seat among those who receive.
    pub(super) async fn seat(&self) -> Result<SemaphorePermit<'_>, BlobError> {
        match tokio::time::timeout(SEAT_WAIT, self.seats.acquire()).await {
            Ok(Ok(seat)) => Ok(seat),
            Ok(Err(_)) | Err(_) => Err(BlobError::busy("The hub receives as many files as it can.")),
        }
    }

    /// Room for so many more bytes.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), BlobError> {
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.limits.total);
        let reserved = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        reserved.map(|_| ()).map_err(|_| BlobError::full(self.limits.total))
    }

    pub(super) fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Opens a file for reading from a place on.
    pub(crate) async fn read(self: &Arc<Self>, number: u64, first: u64, bytes: u64) -> io::Result<Content> {
        Content::open(self.place.file(number), first, bytes).await
    }

    /// Removes a file that has no name any more, in the background.
    pub(crate) fn remove(self: &Arc<Self>, number: u64, size: u64) {
        let files = Arc::clone(self);
        self.tasks.spawn_blocking(move || match std::fs::remove_file(files.place.file(number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, number, "an old file stays until the hub starts again");
            }
            _ => files.release(size),
        });
    }

    /// Does it to its end, whether or not its asker stays.
    pub(crate) async fn finish<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, BlobError>> + Send + 'static,
    ) -> Result<T, BlobError> {
        let done = self.tasks.spawn(work).await;
        done.unwrap_or_else(|error| Err(BlobError::internal(format!("The hub failed: {error}."))))
    }

    /// Waits for what is still being finished.
    pub(crate) async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// What may take long, beside the hub's own thread.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, BlobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the disk refuses a file");
            Err(BlobError::internal(format!("The hub's disk refuses the file: {error}.")))
        }
        Err(error) => Err(BlobError::internal(format!("The hub failed: {error}."))),
    }
}
