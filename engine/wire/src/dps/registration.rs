//! A registration: what a device asks with, how far it is, and what came of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::RegistrationId;
use crate::DeviceId;

/// The body of a register request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterRequest {
    /// Must be the connection's, if it is there.
    #[serde(default)]
    pub registration_id: Option<String>,
    /// The device's own words.
    #[serde(default)]
    pub payload: Option<Value>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RegistrationStatus {
    /// Nothing was asked yet.
    #[default]
    Unassigned,
    /// Under way.
    Assigning,
    /// The device has a hub.
    Assigned,
    /// It has none; the error says why.
    Failed,
    /// Its enrolment is disabled.
    Disabled,
}

/// What came of a registration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationState {
    /// Who.
    pub registration_id: RegistrationId,
    /// When it registered first.
    pub created_date_time_utc: String,
    /// The hub's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_hub: Option<String>,
    /// The device at that hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// How far it is.
    pub status: RegistrationStatus,
    /// `initialAssignment`, `deviceDataMigrated` or `deviceDataReset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub substatus: Option<String>,
    /// When it registered last.
    pub last_updated_date_time_utc: String,
    /// Version of this document, unquoted.
    pub etag: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<u32>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// What the device sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

/// The body of an answer to a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationOperation {
    /// What to ask for.
    pub operation_id: String,
    /// How far it is.
    pub status: RegistrationStatus,
    /// What came of it, once it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_state: Option<RegistrationState>,
}
