//! Uploads and names of files on the disk, one document each, and what is read back at start.

use std::collections::BTreeMap;
use std::time::SystemTime;

use base::{parse_time, rfc3339_ticks};
use serde::{Deserialize, Serialize};
use wire::blob::{BlobName, UploadDocument};

use super::blob::Blob;
use super::table::{Upload, Uploads};
use crate::store::{Table, Write};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredUpload {
    document: UploadDocument,
    expires: String,
    changed: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredBlob {
    number: u64,
    size: u64,
    written: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made_of: Option<u64>,
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain fields with text keys are JSON")
}

fn moment(text: &str) -> Result<SystemTime, String> {
    parse_time(text).ok_or_else(|| format!("`{text}` is not a time"))
}

pub(super) fn write_upload(upload: &Upload) -> Write {
    let stored = StoredUpload {
        document: upload.document.clone(),
        expires: rfc3339_ticks(upload.expires),
        changed: upload.changed,
    };
    Write::put(Table::Uploads, upload.document.correlation_id.as_str(), json(&stored))
}

pub(super) fn remove_upload(id: &str) -> Write {
    Write::remove(Table::Uploads, id)
}

pub(super) fn write_blob(name: &BlobName, blob: &Blob) -> Write {
    let stored = StoredBlob {
        number: blob.number,
        size: blob.size,
        written: rfc3339_ticks(blob.written),
        headers: blob.headers.clone(),
        made_of: blob.made_of,
    };
    Write::put(Table::Files, name.to_string(), json(&stored))
}

pub(super) fn remove_blob(name: &BlobName) -> Write {
    Write::remove(Table::Files, name.to_string())
}

impl Uploads {
    /// Takes a row of either table.
    pub(in crate::state) fn load(&mut self, table: Table, key: &str, value: &[u8]) -> Result<(), String> {
        let error = |error: serde_json::Error| error.to_string();
        if table == Table::Uploads {
            let StoredUpload { document, expires, changed } = serde_json::from_slice(value).map_err(error)?;
            if document.correlation_id != key || !key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err("a document of another upload".into());
            }
            self.insert(Upload { document, expires: moment(&expires)?, changed });
            return Ok(());
        }
        let name: BlobName = key.parse().map_err(|error: wire::blob::BlobNameError| error.to_string())?;
        let StoredBlob { number, size, written, headers, made_of } = serde_json::from_slice(value).map_err(error)?;
        self.insert_blob(name, Blob { number, size, written: moment(&written)?, headers, made_of });
        Ok(())
    }
}
