//! What is known of a file: which it is, how large, since when, and what its sender said about it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use wire::IfMatch;
use wire::blob::BlobError;

/// A file that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    /// Its content's number; a new content has a new one, so it is the version too.
    pub(crate) number: u64,
    pub(crate) size: u64,
    pub(crate) written: SystemTime,
    /// Headers of the answer to whoever reads it: type, encoding, what the sender wants to remember.
    pub(crate) headers: BTreeMap<String, String>,
    /// The list of blocks that it was made of; the same list again is the same request again.
    pub(crate) made_of: Option<u64>,
}

impl Blob {
    /// Its version, not quoted.
    pub(crate) fn etag(&self) -> String {
        format!("0x{:016X}", self.number)
    }
}

/// What must be so for a request to be carried out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Precondition {
    /// `If-Match`.
    pub(crate) is: Option<IfMatch>,
    /// `If-None-Match`.
    pub(crate) is_not: Option<IfMatch>,
}

impl Precondition {
    /// Refuses what must not be, of a blob that may not be there.
    pub(crate) fn check(&self, blob: Option<&Blob>) -> Result<(), BlobError> {
        let etag = blob.map(Blob::etag);
        let matches = |condition: &IfMatch| etag.as_ref().is_some_and(|etag| condition.matches(etag));
        if self.is.as_ref().is_some_and(|condition| !matches(condition)) {
            return Err(BlobError::condition());
        }
        match &self.is_not {
            Some(IfMatch::Any) if blob.is_some() => {
                Err(BlobError::new(409, "BlobAlreadyExists", "The specified blob already exists."))
            }
            Some(condition) if matches(condition) => Err(BlobError::condition()),
            _ => Ok(()),
        }
    }
}
