//! The token of one blob: its form is that of Blob Storage (a query), its signature is the hub's own. SDKs' clients read the
//! query and write it anew, and keep only parameters that they know; so the upload's id travels as `si`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base::{Secret, parse_time, rfc3339_millis};
use thiserror::Error;

use super::BlobName;
use super::words::CONTAINER;
use crate::SasKey;
use crate::percent::{decode, encode};

/// The version of the token's form.
const VERSION: &str = "2018-03-28";
/// What the token is for: one blob.
const RESOURCE: &str = "b";
/// Bytes of a query that may hold a token.
const QUERY_BYTES: usize = 4_096;

/// What a token lets its bearer do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobPermission {
    /// `r`.
    Read,
    /// `w`.
    Write,
}

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobAccess {
    /// The upload that it was given for.
    pub upload: String,
    /// When it ends.
    pub expires: SystemTime,
    permissions: String,
}

/// Why a token does not open a blob.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AccessError {
    /// There is none, or a part is missing or cannot be read.
    #[error("the token lacks `{0}`, or it cannot be read")]
    Malformed(&'static str),
    /// Signed by someone else, for another blob, or changed.
    #[error("the signature is not of this hub for this blob")]
    Signature,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
}

/// `2026-11-23T20:00:00Z`.
fn seconds(moment: SystemTime) -> String {
    format!("{}Z", &rfc3339_millis(moment)[..19])
}

fn signature(key: &SasKey, blob: &BlobName, upload: &str, expires: &str, permissions: &str) -> SasKey {
    key.derived(&format!("{permissions}\n{expires}\n/blob/{CONTAINER}/{blob}\n{upload}\n{VERSION}\n{RESOURCE}"))
}

/// One parameter, decoded; `+` is itself.
fn parameter(query: &str, name: &'static str) -> Result<String, AccessError> {
    let mut values = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(key, _)| *key == name);
    let (Some((_, value)), None) = (values.next(), values.next()) else { return Err(AccessError::Malformed(name)) };
    decode(value).map(Into::into).ok_or(AccessError::Malformed(name))
}

impl BlobAccess {
    /// The token for reading and writing a blob until a moment, cut to seconds; with its `?`, as IoT Hub gives it.
    pub fn sign(key: &SasKey, blob: &BlobName, upload: &str, expires: SystemTime) -> Secret {
        let expires = seconds(expires);
        let signature = signature(key, blob, upload, &expires, "rw");
        let (upload, expires, signature) = (encode(upload), encode(&expires), encode(signature.expose()));
        Secret::new(format!("?sv={VERSION}&sr={RESOURCE}&sig={signature}&se={expires}&sp=rw&si={upload}"))
    }

    /// Reads and judges the query of a request for a blob.
    ///
    /// # Errors
    /// Says what is wrong with the token; whoever answers says less.
    pub fn judge(query: &str, key: &SasKey, blob: &BlobName, now: SystemTime) -> Result<Self, AccessError> {
        if query.len() > QUERY_BYTES {
            return Err(AccessError::Malformed("sig"));
        }
        let (upload, permissions) = (parameter(query, "si")?, parameter(query, "sp")?);
        let (end, given) = (parameter(query, "se")?, parameter(query, "sig")?);
        let given: SasKey = given.parse().map_err(|_| AccessError::Malformed("sig"))?;
        if given != signature(key, blob, &upload, &end, &permissions) {
            return Err(AccessError::Signature);
        }
        let expires = parse_time(&end).ok_or(AccessError::Malformed("se"))?;
        if expires <= now {
            return Err(AccessError::Expired);
        }
        Ok(Self { upload, expires, permissions })
    }

    /// Whether it lets its bearer do this.
    pub fn allows(&self, permission: BlobPermission) -> bool {
        let letter = match permission {
            BlobPermission::Read => 'r',
            BlobPermission::Write => 'w',
        };
        self.permissions.contains(letter)
    }

    /// When a token that is given now ends: cut to the seconds that it can say.
    pub fn ends(now: SystemTime, lasts: Duration) -> SystemTime {
        let since = (now + lasts).duration_since(UNIX_EPOCH).unwrap_or_default();
        UNIX_EPOCH + Duration::from_secs(since.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> SasKey {
        SasKey::from_bytes(vec![7; 32])
    }

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000 + second)
    }

    #[test]
    fn opens_its_blob_until_it_ends() {
        let blob: BlobName = "d/a b.txt".parse().unwrap();
        let token = BlobAccess::sign(&key(), &blob, "u+/1", at(60));
        let query = token.expose().strip_prefix('?').unwrap();
        assert!(query.starts_with("sv=2018-03-28&sr=b&sig="), "{query}");
        let access = BlobAccess::judge(query, &key(), &blob, at(59)).unwrap();
        assert_eq!((access.upload.as_str(), access.expires), ("u+/1", at(60)));
        assert!(access.allows(BlobPermission::Read) && access.allows(BlobPermission::Write));
        // As a client writes it that has read it: other order, other encoding, other parameters beside.
        let mut parts: Vec<String> = query.split('&').map(|part| part.replace("%3A", ":")).collect();
        parts.reverse();
        let again = format!("comp=block&{}&blockid=AAAA", parts.join("&"));
        assert_eq!(BlobAccess::judge(&again, &key(), &blob, at(0)), Ok(access));
        for (query, blob, now, error) in [
            (query.to_owned(), "d/a b.txt", at(60), AccessError::Expired),
            (query.to_owned(), "d/b.txt", at(0), AccessError::Signature),
            (query.to_owned(), "e/a b.txt", at(0), AccessError::Signature),
            (query.replace("sp=rw", "sp=rwd"), "d/a b.txt", at(0), AccessError::Signature),
            (query.replace("si=u", "si=v"), "d/a b.txt", at(0), AccessError::Signature),
            (query.replace("se=2027", "se=2099"), "d/a b.txt", at(0), AccessError::Signature),
            (format!("{query}&sp=rwd"), "d/a b.txt", at(0), AccessError::Malformed("sp")),
            (query.replace("sig=", "sig=x%20"), "d/a b.txt", at(0), AccessError::Malformed("sig")),
            (String::new(), "d/a b.txt", at(0), AccessError::Malformed("si")),
        ] {
            let blob = blob.parse().unwrap();
            assert_eq!(BlobAccess::judge(&query, &key(), &blob, now), Err(error), "{query}");
        }
    }

    proptest! {
        /// A query that was changed anywhere in what is signed opens nothing.
        #[test]
        fn no_other_query_opens(at_byte in 0_usize..200, with in "[a-zA-Z0-9%=&]") {
            let blob: BlobName = "d/a".parse().unwrap();
            let token = BlobAccess::sign(&key(), &blob, "u1", at(60));
            let query = token.expose().strip_prefix('?').unwrap();
            let place = at_byte % query.len();
            let changed = format!("{}{with}{}", &query[..place], &query[place + 1..]);
            if let Ok(access) = BlobAccess::judge(&changed, &key(), &blob, at(0)) {
                // The form's version and kind are words of the hub's own; base64 has bits that say nothing.
                let same = access.upload == "u1" && access.expires == at(60);
                prop_assert!(same, "{}", changed);
            }
        }

        #[test]
        fn never_panics(query in "\\PC{0,100}") {
            let _ = BlobAccess::judge(&query, &key(), &"d/a".parse().unwrap(), at(0));
        }
    }
}
