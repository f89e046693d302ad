//! The name that a device registers under.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// The longest.
const LONGEST: usize = 128;

/// Why a text is no registration id.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("a registration id has 1 to 128 letters, digits and -._: and ends with a letter, a digit or a dash")]
pub struct RegistrationIdError;

/// 1 to 128 letters, digits and `- . _ :`, the last one a letter, a digit or a dash. Case does not count: it is kept in small letters for
/// comparing and as it came for showing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistrationId(String);

impl RegistrationId {
    /// The text as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two ids are compared by.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl FromStr for RegistrationId {
    type Err = RegistrationIdError;

    fn from_str(text: &str) -> Result<Self, RegistrationIdError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        let ends = text.bytes().last().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if ends && text.len() <= LONGEST && text.bytes().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(RegistrationIdError)
    }
}

impl fmt::Display for RegistrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for RegistrationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RegistrationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
