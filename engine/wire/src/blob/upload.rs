//! What a device asks and is told about an upload (as IoT Hub has it), and how a local hub shows its uploads to services (ours:
//! the service tells them over AMQP).

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::BlobName;
use crate::DeviceId;
use crate::percent::{decode, encode};

/// Uploads of one answer.
const PAGE: usize = 1_000;
/// How long an answer may be waited for, at most: less than any client's patience.
const WAIT: Duration = Duration::from_secs(20);

/// A device wants to upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadRequest {
    /// The name below the device's id.
    #[serde(default)]
    pub blob_name: Option<String>,
}

/// Where to, and with what right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadGrant {
    /// What to name when it is done.
    pub correlation_id: String,
    /// Host, and port if it is not 443.
    pub host_name: String,
    /// The container.
    pub container_name: String,
    /// `device/name`, not encoded.
    pub blob_name: String,
    /// A query, with its `?`.
    pub sas_token: String,
}

/// A device has uploaded, or has not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadNotice {
    /// Which upload; may stand in the path instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Whether it worked.
    #[serde(default)]
    pub is_success: Option<bool>,
    /// The storage's HTTP status, as the device saw it.
    #[serde(default)]
    pub status_code: Option<i32>,
    /// The device's words.
    #[serde(default)]
    pub status_description: Option<String>,
}

/// How far an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UploadStatus {
    /// The device has a token, and has not said that it is done.
    Pending,
    /// The device says that it worked, and the file is there.
    Completed,
    /// The device says that it failed.
    Failed,
    /// The device said nothing while its token lasted.
    Expired,
}

impl fmt::Display for UploadStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Expired => "expired",
        })
    }
}

/// An upload as a local hub shows it. The fields of a completed one have the names of the service's notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UploadDocument {
    /// Which upload.
    pub correlation_id: String,
    /// Whose.
    pub device_id: DeviceId,
    /// `device/name`.
    pub blob_name: BlobName,
    /// How far it is.
    pub status: UploadStatus,
    /// When the device asked, RFC 3339.
    pub requested_time_utc: String,
    /// When the hub heard how it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub enqueued_time_utc: Option<String>,
    /// When the file was written, if it is there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_updated_time: Option<String>,
    /// Its size, if it is there; it stays what it was at the end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub blob_size_in_bytes: Option<u64>,
    /// What the device said the storage's status was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status_code: Option<i32>,
    /// The device's words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status_description: Option<String>,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UploadPage {
    /// In the order of their last change.
    pub uploads: Vec<UploadDocument>,
    /// What to ask for next: what changed behind this number.
    pub next: u64,
}

/// Which uploads are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadQuery {
    /// Only those that changed behind this number.
    pub after: Option<u64>,
    /// Only this device's.
    pub device: Option<DeviceId>,
    /// How long to wait for the first one, when there is none.
    pub wait: Duration,
}

/// A parameter that cannot be read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{value}` is no {name}")]
pub struct UploadQueryError {
    name: String,
    value: String,
}

impl UploadQuery {
    /// Uploads of one answer.
    pub const PAGE: usize = PAGE;
    /// How long an answer may be waited for.
    pub const WAIT: Duration = WAIT;

    /// Reads the parameters of a query; those of other names are not ours to judge.
    ///
    /// # Errors
    /// Names the parameter that cannot be read.
    pub fn parse(parameters: &str) -> Result<Self, UploadQueryError> {
        let mut query = Self::default();
        for (name, raw) in parameters.split('&').filter_map(|pair| pair.split_once('=')) {
            let refused = || UploadQueryError { name: name.to_owned(), value: raw.chars().take(64).collect() };
            let value = decode(raw).ok_or_else(refused)?;
            match name {
                "after" => query.after = Some(value.parse().map_err(|_| refused())?),
                "device" => query.device = Some(value.parse().map_err(|_| refused())?),
                "wait" => {
                    let wait = Duration::from_secs(value.parse().map_err(|_| refused())?);
                    query.wait = Some(wait).filter(|wait| *wait <= WAIT).ok_or_else(refused)?;
                }
                _ => {}
            }
        }
        Ok(query)
    }
}

/// The parameters, each with its `&` before it.
impl fmt::Display for UploadQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut put =
            |name: &str, value: Option<String>| value.map_or(Ok(()), |value| write!(f, "&{name}={}", encode(&value)));
        put("after", self.after.map(|after| after.to_string()))?;
        put("device", self.device.as_ref().map(ToString::to_string))?;
        put("wait", Some(self.wait.as_secs()).filter(|wait| *wait > 0).map(|wait| wait.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints_and_names_what_it_cannot() {
        let query = UploadQuery { after: Some(7), device: Some("a#b".parse().unwrap()), wait: WAIT };
        assert_eq!(UploadQuery::parse(&format!("x=1{query}")), Ok(query));
        for text in ["after=x", "device=a b", "wait=21", "wait=-1"] {
            let name = text.split_once('=').unwrap().0;
            assert!(UploadQuery::parse(text).unwrap_err().to_string().ends_with(name), "{text}");
        }
    }

    #[test]
    fn the_words_of_the_service() {
        let request: UploadRequest = serde_json::from_str(r#"{"blobName":"a.txt","later":1}"#).unwrap();
        assert_eq!(request.blob_name.as_deref(), Some("a.txt"));
        let notice: UploadNotice =
            serde_json::from_str(r#"{"isSuccess":true,"statusCode":201,"statusDescription":null}"#).unwrap();
        assert_eq!((notice.is_success, notice.status_code, notice.status_description), (Some(true), Some(201), None));
    }
}
