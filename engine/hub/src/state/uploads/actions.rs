//! What devices, services and time do with uploads: each change is durable before it is answered.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::blob::{
    AccessError, BlobAccess, BlobError, BlobName, UploadDocument, UploadGrant, UploadNotice, UploadPage, UploadQuery,
    UploadRequest, words,
};
use wire::{DeviceId, ErrorCode, HubError, SasKey};

use super::blob::{Blob, Precondition};
use crate::files::{Files, Written};
use crate::seam::{HubEvent, HubLog};
use crate::state::HubState;
use crate::state::hub_state::{Change, Inner};
use crate::store::Write;

/// Between two looks: how late the end of an upload's time may be noticed.
const EVERY: Duration = Duration::from_secs(1);
/// Uploads that end in one change: as many as the store commits at once.
const AT_ONCE: usize = 200;

/// Uploads that ended by themselves.
pub(crate) struct Ended {
    /// Those whose token is over, however they ended.
    over: Vec<String>,
    expired: Vec<UploadDocument>,
}

/// What is there at start: numbers of files that have a name, and uploads whose token is good.
pub(crate) struct FilesKept {
    pub(crate) numbers: HashSet<u64>,
    pub(crate) live: HashSet<String>,
}

fn changed<T>(answer: T, writes: Vec<Write>) -> Change<T> {
    Change { answer, writes, effects: Vec::new() }
}

/// A failure of the hub itself, in the other language.
fn as_blob_error(error: HubError) -> BlobError {
    match error.code {
        ErrorCode::SERVER_BUSY | ErrorCode::SERVICE_UNAVAILABLE => BlobError::busy(error.message),
        _ => BlobError::internal(error.message),
    }
}

impl HubState {
    /// A device asks where to upload to; `host` is where it will find the hub again.
    pub(crate) async fn ask_upload(
        &self,
        device: &DeviceId,
        request: UploadRequest,
        host: String,
        ttl: Duration,
    ) -> Result<UploadGrant, HubError> {
        let named = request.blob_name.filter(|name| !name.is_empty());
        let named = named.ok_or_else(|| HubError::new(ErrorCode::ARGUMENT_NULL, "`blobName` must name the file."))?;
        let blob = BlobName::new(device.clone(), &named)
            .map_err(|error| HubError::invalid(format!("`blobName` cannot be used: {error}.")))?;
        let now = self.clock.now();
        let expires = BlobAccess::ends(now, ttl);
        let (id, key) = self
            .change(|inner| {
                let random = inner.rng.random();
                let (id, writes) = inner.uploads.ask(&blob, random, now, expires)?;
                Ok(changed((id, key(inner)), writes))
            })
            .await?;
        self.uploads_changed.notify_waiters();
        Ok(UploadGrant {
            sas_token: BlobAccess::sign(&key, &blob, &id, expires).expose().to_owned(),
            correlation_id: id,
            host_name: host,
            container_name: words::CONTAINER.to_owned(),
            blob_name: blob.to_string(),
        })
    }

    /// A device says how its upload ended.
    pub(crate) async fn end_upload(
        &self,
        device: &DeviceId,
        id: &str,
        notice: &UploadNotice,
    ) -> Result<UploadDocument, HubError> {
        let now = self.clock.now();
        let ended = self.change(|inner| {
            let (document, writes) = inner.uploads.notice(device, id, notice, now)?;
            Ok(changed(document, writes))
        });
        let document = ended.await?;
        self.uploads_changed.notify_waiters();
        Ok(document)
    }

    /// Judges the token of a request for a file.
    pub(crate) fn judge_access(&self, query: &str, blob: &BlobName) -> Result<BlobAccess, String> {
        let inner = self.inner();
        let judged = BlobAccess::judge(query, &key(&inner), blob, self.clock.now());
        let access = judged.map_err(|error: AccessError| error.to_string())?;
        if inner.uploads.knows(&access.upload, blob) { Ok(access) } else { Err("no such upload".into()) }
    }

    /// What is known of a file.
    pub(crate) fn blob(&self, name: &BlobName) -> Option<Blob> {
        self.inner().uploads.blob(name).cloned()
    }

    /// Gives a file its name, and removes the one that had it.
    pub(crate) async fn put_blob(
        self: Arc<Self>,
        files: Arc<Files>,
        name: BlobName,
        written: Written,
        mut blob: Blob,
        precondition: Precondition,
    ) -> Result<Blob, BlobError> {
        (blob.number, blob.size, blob.written) = (written.number, written.size, self.clock.now());
        let mut refused = None;
        let put = self.change(|inner| {
            let checked = precondition.check(inner.uploads.blob(&name));
            let put = checked.and_then(|()| inner.uploads.put_blob(&name, blob.clone()));
            match put {
                Ok((before, writes)) => Ok(changed(before, writes)),
                Err(error) => {
                    refused = Some(error);
                    Err(HubError::invalid("refused"))
                }
            }
        });
        let before = match put.await {
            Ok(before) => before,
            Err(error) => return Err(refused.unwrap_or_else(|| as_blob_error(error))),
        };
        written.keep();
        if let Some(before) = before {
            files.remove(before.number, before.size);
        }
        Ok(blob)
    }

    /// Removes a file.
    pub(crate) async fn remove_blob(
        self: Arc<Self>,
        files: Arc<Files>,
        name: BlobName,
        precondition: Precondition,
    ) -> Result<(), BlobError> {
        let mut refused = None;
        let removed = self.change(|inner| {
            let checked = precondition.check(inner.uploads.blob(&name));
            match checked.and_then(|()| inner.uploads.remove_blob(&name).ok_or_else(BlobError::not_found)) {
                Ok((blob, writes)) => Ok(changed(blob, writes)),
                Err(error) => {
                    refused = Some(error);
                    Err(HubError::invalid("refused"))
                }
            }
        });
        let blob = match removed.await {
            Ok(blob) => blob,
            Err(error) => return Err(refused.unwrap_or_else(|| as_blob_error(error))),
        };
        files.remove(blob.number, blob.size);
        Ok(())
    }

    /// What is asked for; waits for the first one as long as the query says, or until the hub stops.
    pub(crate) async fn uploads(&self, query: &UploadQuery, stop: &CancellationToken) -> UploadPage {
        let deadline = Instant::now() + query.wait;
        loop {
            let came = self.uploads_changed.notified();
            tokio::pin!(came);
            // Registered before the look, so that a change in between is not missed.
            came.as_mut().enable();
            let page = self.inner().uploads.page(query);
            if !page.uploads.is_empty() || query.wait.is_zero() {
                return page;
            }
            let waited = tokio::time::timeout_at(deadline, stop.run_until_cancelled(came)).await;
            if !matches!(waited, Ok(Some(()))) {
                return page;
            }
        }
    }

    /// Uploads under way, and files.
    pub(crate) fn upload_counts(&self) -> (usize, usize) {
        self.inner().uploads.counts()
    }

    /// What the folder of contents must have.
    pub(crate) fn files_kept(&self) -> FilesKept {
        let inner = self.inner();
        FilesKept { numbers: inner.uploads.numbers(), live: inner.uploads.live(self.clock.now()) }
    }

    /// Forgets files that are not in the folder: a snapshot names them, and someone may have removed them.
    pub(crate) async fn forget_files(&self, missing: &HashSet<u64>) -> Result<(), HubError> {
        if missing.is_empty() {
            return Ok(());
        }
        tracing::warn!(files = missing.len(), "files that were uploaded are not in the hub's folder any more");
        self.change(|inner| Ok(changed((), inner.uploads.forget_files(missing)))).await
    }

    /// Ends uploads whose time is over, until told to stop.
    pub(crate) async fn keep_uploads(&self, files: Arc<Files>, log: HubLog, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            while let Some(Ended { over, expired }) = self.expire_uploads().await {
                for document in expired {
                    log.say(HubEvent::Uploaded(Arc::new(document)));
                }
                for upload in over {
                    files.forget_blocks(&upload).await;
                }
            }
        }
        files.close().await;
    }

    /// Those that are over by now; none when nothing is.
    pub(super) async fn expire_uploads(&self) -> Option<Ended> {
        let now = self.clock.now();
        if !self.inner().uploads.is_due(now) {
            return None;
        }
        let ended = self.change(|inner| {
            let (over, expired, writes) = inner.uploads.expire(now, AT_ONCE);
            Ok(changed(Ended { over, expired }, writes))
        });
        let ended = ended.await;
        self.uploads_changed.notify_waiters();
        ended.inspect_err(|error| tracing::warn!(message = error.message, "the end of uploads is not on the disk")).ok()
    }
}

/// The key of tokens, which is there from the start.
fn key(inner: &Inner) -> SasKey {
    inner.uploads.key.clone().expect("made before the hub listens")
}
