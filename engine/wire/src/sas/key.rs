//! A symmetric key: base64 text and its bytes. Its `Debug` shows `***`; only [`SasKey::expose`] and serialisation give it out.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rand::Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;

use super::SasError;

/// IoT Hub's own keys are this long.
const GENERATED_BYTES: usize = 32;

/// A key that tokens are signed with. Serialises as its base64 text: a registry document must show it.
#[derive(Clone)]
pub struct SasKey {
    text: String,
    bytes: Vec<u8>,
}

impl SasKey {
    /// A fresh key of 32 bytes. Whoever calls brings a generator that is seeded well enough for keys.
    pub fn generate(rng: &mut impl Rng) -> Self {
        Self::from_bytes(rng.random::<[u8; GENERATED_BYTES]>().to_vec())
    }

    /// A key of these bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { text: STANDARD.encode(&bytes), bytes }
    }

    /// The base64 text.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// How many bytes the key has.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The key of one member of a group whose key this is: the HMAC-SHA256 over its id.
    #[must_use]
    pub fn derived(&self, id: &str) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.bytes).expect("HMAC takes keys of any length");
        mac.update(id.as_bytes());
        Self::from_bytes(mac.finalize().into_bytes().to_vec())
    }

    /// The HMAC-SHA256 over `resource`, a line feed and `expiry`.
    pub(super) fn mac(&self, resource: &str, expiry: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.bytes).expect("HMAC takes keys of any length");
        mac.update(resource.as_bytes());
        mac.update(b"\n");
        mac.update(expiry.as_bytes());
        mac
    }
}

/// Compares all bytes whatever they are, so that the time tells nothing.
impl PartialEq for SasKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes.len() == other.bytes.len()
            && self.bytes.iter().zip(&other.bytes).fold(0, |seen, (a, b)| seen | (a ^ b)) == 0
    }
}

impl Eq for SasKey {}

impl fmt::Debug for SasKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl FromStr for SasKey {
    type Err = SasError;

    fn from_str(text: &str) -> Result<Self, SasError> {
        let bytes = STANDARD.decode(text).map_err(|_| SasError::Key)?;
        if bytes.is_empty() { Err(SasError::Key) } else { Ok(Self { text: text.to_owned(), bytes }) }
    }
}

impl Serialize for SasKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for SasKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
