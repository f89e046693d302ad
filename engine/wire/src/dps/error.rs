//! A refusal of the provisioning service: a number whose first three digits are the status, and a text.

use serde_json::json;
use thiserror::Error;

use crate::Tracking;

/// A refusal.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message} ({code})")]
pub struct DpsError {
    /// Six digits.
    pub code: u32,
    /// What is wrong.
    pub message: String,
}

impl DpsError {
    /// A credential that is none, or somebody else's; says nothing about what there is.
    pub fn unauthorized() -> Self {
        Self { code: 401_002, message: "Unauthorized".to_owned() }
    }

    /// A value that cannot be.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { code: 400_004, message: message.into() }
    }

    /// No such enrolment or registration.
    pub fn not_found(what: &str) -> Self {
        Self { code: 404_201, message: format!("{what} not found.") }
    }

    /// There is one of this name, and no condition was given.
    pub fn exists() -> Self {
        Self { code: 409_201, message: "Enrollment already exists.".to_owned() }
    }

    /// It was changed in the meantime.
    pub fn changed() -> Self {
        Self { code: 412_201, message: "Enrollment's etag does not match.".to_owned() }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        u16::try_from(self.code / 1000).unwrap_or(500)
    }

    /// The body of an answer.
    pub fn body(&self, tracking: &Tracking) -> String {
        let at = base::rfc3339_millis(tracking.at);
        json!({"errorCode": self.code, "trackingId": tracking.id, "message": self.message, "timestampUtc": at})
            .to_string()
    }
}
