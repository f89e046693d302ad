//! The name of a blob: a device and a name below it. Knows no file system: a name never becomes one.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::words::CONTAINER;
use crate::DeviceId;
use crate::percent::{decode, encode};

/// Characters of a whole name, the device's id and the slash included, as Blob Storage documents it.
const CHARS: usize = 1_024;
/// Segments of a whole name, as Blob Storage documents it.
const SEGMENTS: usize = 254;

/// A valid name. Ordered by device, then by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BlobName {
    device: DeviceId,
    name: String,
}

/// Why a name cannot be one.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BlobNameError {
    /// Nothing.
    #[error("a blob's name has at least one character")]
    Empty,
    /// Too long.
    #[error("a blob's name has at most {CHARS} characters, with its device's id and a slash")]
    TooLong,
    /// Too deep.
    #[error("a blob's name has at most {SEGMENTS} segments between slashes")]
    TooDeep,
    /// A control character.
    #[error("a blob's name has no control characters")]
    Control,
    /// `.`, `..`: clients of HTTP take them away, and the blob would be another one.
    #[error("`.` and `..` cannot be segments of a blob's name")]
    Dots,
    /// It does not begin with a device's id.
    #[error("a blob's name begins with a device's id and a slash")]
    Device,
}

impl BlobName {
    /// A device's blob.
    ///
    /// # Errors
    /// Says which rule the name breaks.
    pub fn new(device: DeviceId, name: &str) -> Result<Self, BlobNameError> {
        if name.is_empty() {
            return Err(BlobNameError::Empty);
        }
        if device.as_str().chars().count() + 1 + name.chars().count() > CHARS {
            return Err(BlobNameError::TooLong);
        }
        if name.split('/').count() + 1 > SEGMENTS {
            return Err(BlobNameError::TooDeep);
        }
        if name.chars().any(char::is_control) {
            return Err(BlobNameError::Control);
        }
        if name.split('/').any(|segment| segment == "." || segment == "..") {
            return Err(BlobNameError::Dots);
        }
        Ok(Self { device, name: name.to_owned() })
    }

    /// Whose it is.
    pub fn device(&self) -> &DeviceId {
        &self.device
    }

    /// Its name below the device.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads the path of a request to the blob endpoint, without its query; none when it is not in the container of uploads.
    pub fn of_path(path: &str) -> Option<Result<Self, BlobNameError>> {
        let rest = path.strip_prefix('/')?.strip_prefix(CONTAINER)?.strip_prefix('/')?;
        // Decoded as a whole: `%2F` is a slash here, and a slash is part of a name.
        Some(decode(rest).ok_or(BlobNameError::Device).and_then(|whole| Self::try_from(whole.into_owned())))
    }

    /// The path of its endpoint, encoded.
    pub fn path(&self) -> String {
        let segments = self.name.split('/').map(|segment| encode(segment).to_string());
        let name = segments.collect::<Vec<_>>().join("/");
        format!("/{CONTAINER}/{}/{name}", encode(self.device.as_str()))
    }
}

/// `device/name`, not encoded.
impl fmt::Display for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.device, self.name)
    }
}

impl TryFrom<String> for BlobName {
    type Error = BlobNameError;

    fn try_from(whole: String) -> Result<Self, BlobNameError> {
        let (device, name) = whole.split_once('/').ok_or(BlobNameError::Device)?;
        Self::new(device.parse().map_err(|_| BlobNameError::Device)?, name)
    }
}

impl std::str::FromStr for BlobName {
    type Err = BlobNameError;

    fn from_str(text: &str) -> Result<Self, BlobNameError> {
        Self::try_from(text.to_owned())
    }
}

impl From<BlobName> for String {
    fn from(name: BlobName) -> Self {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_by_table() {
        for (text, error) in [
            ("d/a.txt", None),
            ("d/logs/2026/a b+ü#?%.txt", None),
            ("d//a", None),
            ("d/...", None),
            ("d/", Some(BlobNameError::Empty)),
            ("d", Some(BlobNameError::Device)),
            ("a b/x", Some(BlobNameError::Device)),
            ("d/../x", Some(BlobNameError::Dots)),
            ("d/x/.", Some(BlobNameError::Dots)),
            ("d/a\nb", Some(BlobNameError::Control)),
            ("d/a\0b", Some(BlobNameError::Control)),
        ] {
            assert_eq!(text.parse::<BlobName>().err(), error, "{text}");
        }
        let long = format!("d/{}", "ü".repeat(1_022));
        assert!(long.parse::<BlobName>().is_ok());
        assert_eq!(format!("{long}x").parse::<BlobName>(), Err(BlobNameError::TooLong));
        assert!(format!("d{}", "/a".repeat(253)).parse::<BlobName>().is_ok());
        assert_eq!(format!("d{}", "/a".repeat(254)).parse::<BlobName>(), Err(BlobNameError::TooDeep));
    }

    #[test]
    fn paths_by_table() {
        for (path, name) in [
            ("/iotplay-uploads/d/a%20b.txt", Some("d/a b.txt")),
            ("/iotplay-uploads/d%2Fa%2Fb", Some("d/a/b")),
            ("/iotplay-uploads/d/a+b", Some("d/a+b")),
            ("/iotplay-uploads2/d/a", None),
            ("/devices/d/files", None),
        ] {
            let read = BlobName::of_path(path).map(|read| read.unwrap().to_string());
            assert_eq!(read.as_deref(), name, "{path}");
        }
        for path in ["/iotplay-uploads/d/%2e%2e/x", "/iotplay-uploads/d/%FF", "/iotplay-uploads/d", "/iotplay-uploads/"]
        {
            assert!(BlobName::of_path(path).unwrap().is_err(), "{path}");
        }
    }

    proptest! {
        /// Whatever a valid name holds: printed as a path, an object of it comes back, with no other path segments than its own.
        #[test]
        fn any_name_round_trips(name in "\\PC{1,60}") {
            let Ok(blob) = BlobName::new("dev-1".parse().unwrap(), &name) else { return Ok(()) };
            prop_assert_eq!(BlobName::of_path(&blob.path()).unwrap().unwrap(), blob.clone());
            prop_assert!(blob.path().is_ascii());
            let json = serde_json::to_string(&blob).unwrap();
            prop_assert_eq!(serde_json::from_str::<BlobName>(&json).unwrap(), blob);
        }

        #[test]
        fn never_panics(path in "\\PC{0,80}") {
            let _ = BlobName::of_path(&path);
            let _ = BlobName::of_path(&format!("/{CONTAINER}/{path}"));
        }
    }
}
