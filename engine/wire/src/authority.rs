//! A certificate authority whose devices a hub believes, in the shape that the service's management side has for it.

use serde::{Deserialize, Serialize};

/// What is asked for: `{"properties": {"certificate": ".."}}`, PEM or base64 of PEM or DER; other properties are the hub's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityRequest {
    /// The part that a client may write.
    pub properties: AuthorityContent,
}

/// See [`AuthorityRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityContent {
    /// The certificate.
    pub certificate: String,
}

/// An authority as the hub shows and keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityDocument {
    /// Its name at the hub.
    pub name: String,
    /// What is known about it.
    pub properties: AuthorityProperties,
}

/// See [`AuthorityDocument`]. Times are texts with seven fractional digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorityProperties {
    /// Whom it is for.
    pub subject: String,
    /// When it ends.
    pub expiry: String,
    /// SHA-256, 64 hexadecimal digits.
    pub thumbprint: String,
    /// Whether the proof of possession was given; the local hub asks for none.
    pub is_verified: bool,
    /// When it was entered.
    pub created: String,
    /// When it was replaced.
    pub updated: String,
    /// PEM.
    pub certificate: String,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityList {
    /// In the order of their names.
    pub value: Vec<AuthorityDocument>,
}
