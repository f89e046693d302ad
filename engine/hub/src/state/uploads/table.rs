//! The uploads and names in memory. Pure: changes say what is to be written.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::SystemTime;

use base::rfc3339_ticks;
use wire::blob::{BlobError, BlobName, UploadDocument, UploadNotice, UploadPage, UploadQuery, UploadStatus};
use wire::limits::UPLOADS_PER_DEVICE;
use wire::{DeviceId, ErrorCode, HubError, SasKey};

use super::blob::Blob;
use super::stored::{remove_blob, remove_upload, write_blob, write_upload};
use crate::store::Write;

/// Uploads that are over and still told about: some 5 MB. Beyond it the oldest go.
const ENDED: usize = 10_000;
/// Uploads of all devices that are under way at once: some 50 MB at worst, with the longest names.
const PENDING: usize = 20_000;
/// Files that have a name: some 50 MB at worst.
const FILES: usize = 50_000;
/// Characters of a device's words about its upload.
const DESCRIPTION_CHARS: usize = 1_024;

/// An upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Upload {
    pub(super) document: UploadDocument,
    /// When its token ends.
    pub(super) expires: SystemTime,
    /// The number of its last change.
    pub(super) changed: u64,
}

/// See the module's description.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    /// Signs tokens; made at the first start.
    pub(in crate::state) key: Option<SasKey>,
    uploads: HashMap<String, Upload>,
    changes: BTreeMap<u64, String>,
    expiries: BTreeSet<(SystemTime, String)>,
    pending: HashMap<DeviceId, usize>,
    all_pending: usize,
    blobs: BTreeMap<BlobName, Blob>,
    last_change: u64,
}

impl Uploads {
    pub(super) fn insert(&mut self, upload: Upload) {
        let id = upload.document.correlation_id.clone();
        self.last_change = self.last_change.max(upload.changed);
        self.changes.insert(upload.changed, id.clone());
        self.expiries.insert((upload.expires, id.clone()));
        if upload.document.status == UploadStatus::Pending {
            *self.pending.entry(upload.document.device_id.clone()).or_default() += 1;
            self.all_pending += 1;
        }
        self.uploads.insert(id, upload);
    }

    pub(super) fn insert_blob(&mut self, name: BlobName, blob: Blob) {
        self.blobs.insert(name, blob);
    }

    /// The next number of a change: of the time, so that numbers grow over restarts too.
    fn change_number(&mut self, now: SystemTime) -> u64 {
        let micros = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros();
        self.last_change = u64::try_from(micros).unwrap_or(u64::MAX).max(self.last_change.saturating_add(1));
        self.last_change
    }

    /// A device asks for an upload; `random` makes its id one that nobody guesses.
    pub(super) fn ask(
        &mut self,
        blob: &BlobName,
        random: u64,
        now: SystemTime,
        expires: SystemTime,
    ) -> Result<(String, Vec<Write>), HubError> {
        let of_device = self.pending.get(blob.device()).copied().unwrap_or(0);
        if of_device >= UPLOADS_PER_DEVICE {
            let text = format!("The device has {UPLOADS_PER_DEVICE} uploads under way; each ends with a notification.");
            return Err(HubError::new(ErrorCode::ACTIVE_UPLOADS_EXCEEDED, text));
        }
        if self.all_pending >= PENDING {
            let text = format!("At most {PENDING} uploads are under way at this hub.");
            return Err(HubError::new(ErrorCode::SERVER_BUSY, text));
        }
        let changed = self.change_number(now);
        let correlation_id = format!("{changed:016x}{random:016x}");
        let document = UploadDocument {
            correlation_id: correlation_id.clone(),
            device_id: blob.device().clone(),
            blob_name: blob.clone(),
            status: UploadStatus::Pending,
            requested_time_utc: rfc3339_ticks(now),
            enqueued_time_utc: None,
            last_updated_time: None,
            blob_size_in_bytes: None,
            status_code: None,
            status_description: None,
        };
        let upload = Upload { document, expires, changed };
        let writes = vec![write_upload(&upload)];
        self.insert(upload);
        Ok((correlation_id, writes))
    }

    /// A device says how its upload ended.
    pub(super) fn notice(
        &mut self,
        device: &DeviceId,
        id: &str,
        notice: &UploadNotice,
        now: SystemTime,
    ) -> Result<(UploadDocument, Vec<Write>), HubError> {
        let invalid =
            || HubError::new(ErrorCode::INVALID_CORRELATION_ID, "No such upload of this device is under way.");
        let upload = self.uploads.get(id).filter(|upload| upload.document.device_id == *device).ok_or_else(invalid)?;
        match upload.document.status {
            UploadStatus::Completed | UploadStatus::Failed => return Err(invalid()),
            UploadStatus::Pending if upload.expires > now => {}
            UploadStatus::Pending | UploadStatus::Expired => {
                return Err(HubError::new(ErrorCode::EXPIRED_CORRELATION_ID, "The time for this upload is over."));
            }
        }
        let Some(success) = notice.is_success else {
            let text = "`isSuccess` must say whether the upload worked.";
            return Err(HubError::new(ErrorCode::INVALID_COMPLETION_STATUS, text));
        };
        let blob = self.blobs.get(&upload.document.blob_name);
        if success && blob.is_none() {
            let text = format!("There is no file `{}`.", upload.document.blob_name);
            return Err(HubError::new(ErrorCode::INVALID_STORAGE_OR_BLOB, text));
        }
        let status = if success { UploadStatus::Completed } else { UploadStatus::Failed };
        Ok(self.end(id, status, Some(notice), now).ok_or_else(invalid)?)
    }

    /// Ends an upload; also forgets the oldest that ended, when there are too many.
    fn end(
        &mut self,
        id: &str,
        status: UploadStatus,
        notice: Option<&UploadNotice>,
        now: SystemTime,
    ) -> Option<(UploadDocument, Vec<Write>)> {
        let changed = self.change_number(now);
        let upload = self.uploads.get_mut(id)?;
        let blob = self.blobs.get(&upload.document.blob_name).filter(|_| status != UploadStatus::Expired);
        let document = &mut upload.document;
        document.status = status;
        document.enqueued_time_utc = Some(rfc3339_ticks(now));
        document.last_updated_time = blob.map(|blob| rfc3339_ticks(blob.written));
        document.blob_size_in_bytes = blob.map(|blob| blob.size);
        document.status_code = notice.and_then(|notice| notice.status_code);
        let words = notice.and_then(|notice| notice.status_description.as_deref());
        document.status_description = words.map(|words| words.chars().take(DESCRIPTION_CHARS).collect());
        self.changes.remove(&upload.changed);
        self.changes.insert(changed, id.to_owned());
        upload.changed = changed;
        let (document, mut writes) = (upload.document.clone(), vec![write_upload(upload)]);
        self.all_pending -= 1;
        if let Some(count) = self.pending.get_mut(&document.device_id) {
            *count -= 1;
            if *count == 0 {
                self.pending.remove(&document.device_id);
            }
        }
        writes.extend(self.forget_oldest());
        Some((document, writes))
    }

    fn forget_oldest(&mut self) -> Option<Write> {
        if self.uploads.len() - self.all_pending <= ENDED {
            return None;
        }
        let ended = |id: &&String| self.uploads.get(*id).is_some_and(|it| it.document.status != UploadStatus::Pending);
        let id = self.changes.values().find(ended)?.clone();
        let upload = self.uploads.remove(&id)?;
        self.changes.remove(&upload.changed);
        Some(remove_upload(&id))
    }

    /// Uploads whose token has ended by now, at most so many: those that were under way end as expired. Returns the ids of all
    /// of them, whose blocks nobody can use any more, and those that expired.
    pub(super) fn expire(&mut self, now: SystemTime, most: usize) -> (Vec<String>, Vec<UploadDocument>, Vec<Write>) {
        let (mut over, mut expired, mut writes) = (Vec::new(), Vec::new(), Vec::new());
        while over.len() < most && self.is_due(now) {
            let Some((_, id)) = self.expiries.pop_first() else { break };
            if self.uploads.get(&id).is_some_and(|upload| upload.document.status == UploadStatus::Pending) {
                if let Some((document, more)) = self.end(&id, UploadStatus::Expired, None, now) {
                    expired.push(document);
                    writes.extend(more);
                }
            }
            over.push(id);
        }
        (over, expired, writes)
    }

    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        self.expiries.first().is_some_and(|(expires, _)| *expires <= now)
    }

    /// Whether a token of this upload for this file is still to be believed.
    pub(super) fn knows(&self, id: &str, blob: &BlobName) -> bool {
        self.uploads.get(id).is_some_and(|upload| upload.document.blob_name == *blob)
    }

    /// The uploads whose token is still good.
    pub(in crate::state) fn live(&self, now: SystemTime) -> HashSet<String> {
        self.uploads.iter().filter(|(_, upload)| upload.expires > now).map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn blob(&self, name: &BlobName) -> Option<&Blob> {
        self.blobs.get(name)
    }

    /// Gives a file a name; also the file that had it. Refuses one more than can be.
    pub(super) fn put_blob(&mut self, name: &BlobName, blob: Blob) -> Result<(Option<Blob>, Vec<Write>), BlobError> {
        if self.blobs.len() >= FILES && !self.blobs.contains_key(name) {
            let text = format!("This hub has {FILES} files, as many as it can: remove some.");
            return Err(BlobError::new(403, "UploadsFull", text));
        }
        let writes = vec![write_blob(name, &blob)];
        Ok((self.blobs.insert(name.clone(), blob), writes))
    }

    pub(super) fn remove_blob(&mut self, name: &BlobName) -> Option<(Blob, Vec<Write>)> {
        self.blobs.remove(name).map(|blob| (blob, vec![remove_blob(name)]))
    }

    /// The numbers of all files that have a name.
    pub(in crate::state) fn numbers(&self) -> HashSet<u64> {
        self.blobs.values().map(|blob| blob.number).collect()
    }

    /// Forgets the names of files that are not there.
    pub(super) fn forget_files(&mut self, missing: &HashSet<u64>) -> Vec<Write> {
        let gone = self.blobs.iter().filter(|(_, blob)| missing.contains(&blob.number));
        let gone: Vec<BlobName> = gone.map(|(name, _)| name.clone()).collect();
        gone.iter().filter_map(|name| self.remove_blob(name)).flat_map(|(_, writes)| writes).collect()
    }

    /// What is asked for, in the order of the last change.
    pub(super) fn page(&self, query: &UploadQuery) -> UploadPage {
        let from = query.after.map_or(0, |after| after.saturating_add(1));
        let mut next = query.after.unwrap_or(0).max(self.last_change);
        let mut uploads = Vec::new();
        for (changed, id) in self.changes.range(from..) {
            let Some(upload) = self.uploads.get(id) else { continue };
            if query.device.as_ref().is_some_and(|device| *device != upload.document.device_id) {
                continue;
            }
            uploads.push(upload.document.clone());
            if uploads.len() == UploadQuery::PAGE {
                next = *changed;
                break;
            }
        }
        UploadPage { uploads, next }
    }

    /// Uploads under way, and files.
    pub(in crate::state) fn counts(&self) -> (usize, usize) {
        (self.all_pending, self.blobs.len())
    }
}
