//! `SharedAccessSignature sr=..&sig=..&se=..[&skn=..]`: reading, checking, signing. The signature is over `sr` exactly as it
//! stands in the token, because SDKs encode it differently (Python upper-case, C lower-case, Node's service side not at all).

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use base::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac;
use thiserror::Error;

use super::{SasKey, SasResource};
use crate::percent::{decode, encode};

/// The word before the fields.
const SCHEME: &str = "SharedAccessSignature ";
/// Bytes of a SHA-256.
const SIGNATURE_BYTES: usize = 32;
/// No real token is longer; a CONNECT's password may be 64 KiB.
const TOKEN_BYTES: usize = 4096;

/// Why a token or a key is not one. Never holds a secret.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SasError {
    /// Not base64, or empty.
    #[error("the key is not base64")]
    Key,
    /// Does not begin as a token.
    #[error("not a SharedAccessSignature")]
    Scheme,
    /// Longer than any token.
    #[error("the token is longer than {TOKEN_BYTES} bytes")]
    TooLong,
    /// A field is not there.
    #[error("the token has no `{0}`")]
    Missing(&'static str),
    /// A field is there twice.
    #[error("the token has `{0}` twice")]
    Twice(&'static str),
    /// A field's value is of no use.
    #[error("the token's `{0}` is malformed")]
    Malformed(&'static str),
}

/// A token, parsed; borrows from the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SasToken<'a> {
    /// `sr` as it stands in the token.
    pub resource_raw: &'a str,
    /// `sig`, decoded.
    pub signature: [u8; SIGNATURE_BYTES],
    /// `se`: seconds since the Unix epoch.
    pub expiry: u64,
    /// `skn`: the policy; none, or empty, for a device's own key.
    pub policy: Option<Cow<'a, str>>,
    expiry_raw: &'a str,
}

#[derive(Default)]
struct Fields<'a> {
    sr: Option<&'a str>,
    sig: Option<&'a str>,
    se: Option<&'a str>,
    skn: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// In any order; unknown ones are ignored.
    fn of(body: &'a str) -> Result<Self, SasError> {
        let mut fields = Self::default();
        for (name, value) in body.split('&').filter_map(|field| field.split_once('=')) {
            let (slot, name) = match name.trim_start() {
                "sr" => (&mut fields.sr, "sr"),
                "sig" => (&mut fields.sig, "sig"),
                "se" => (&mut fields.se, "se"),
                "skn" => (&mut fields.skn, "skn"),
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(SasError::Twice(name));
            }
        }
        Ok(fields)
    }
}

impl<'a> SasToken<'a> {
    /// Reads a token. Says nothing about whether it is valid.
    pub fn parse(text: &'a str) -> Result<Self, SasError> {
        if text.len() > TOKEN_BYTES {
            return Err(SasError::TooLong);
        }
        let (scheme, body) = text.split_at_checked(SCHEME.len()).ok_or(SasError::Scheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(SasError::Scheme);
        }
        let fields = Fields::of(body)?;
        let resource_raw = fields.sr.filter(|sr| !sr.is_empty()).ok_or(SasError::Missing("sr"))?;
        let expiry_raw = fields.se.ok_or(SasError::Missing("se"))?;
        let expiry = expiry_raw.parse().map_err(|_| SasError::Malformed("se"))?;
        let sig = decode(fields.sig.ok_or(SasError::Missing("sig"))?).ok_or(SasError::Malformed("sig"))?;
        let signature = STANDARD.decode(sig.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        let policy = fields.skn.filter(|skn| !skn.is_empty());
        Ok(Self {
            resource_raw,
            signature: signature.ok_or(SasError::Malformed("sig"))?,
            expiry,
            policy: policy.map(|skn| decode(skn).ok_or(SasError::Malformed("skn"))).transpose()?,
            expiry_raw,
        })
    }

    /// Whether this key made the signature. Takes the same time whatever differs.
    pub fn verify(&self, key: &SasKey) -> bool {
        key.mac(self.resource_raw, self.expiry_raw).verify_slice(&self.signature).is_ok()
    }

    /// Whether it is out of date by more than `skew`.
    pub fn expired(&self, now_unix: u64, skew: Duration) -> bool {
        self.expiry.saturating_add(skew.as_secs()) <= now_unix
    }

    /// What it is for, decoded.
    pub fn resource(&self) -> Result<SasResource, SasError> {
        Ok(SasResource::of(&decode(self.resource_raw).ok_or(SasError::Malformed("sr"))?))
    }
}

/// Signs a token for a resource that is not encoded (`host`, `host/devices/d`), until `expiry` in seconds since the Unix epoch.
pub fn sign(resource: &str, key: &SasKey, expiry: u64, policy: Option<&str>) -> Secret {
    let sr = encode(resource).to_string();
    let signature = STANDARD.encode(key.mac(&sr, &expiry.to_string()).finalize().into_bytes());
    let mut token = format!("{SCHEME}sr={sr}&sig={}&se={expiry}", encode(&signature));
    if let Some(policy) = policy {
        write!(token, "&skn={}", encode(policy)).expect("writing to a String cannot fail");
    }
    Secret::new(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> SasKey {
        "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTAxMjM=".parse().unwrap()
    }

    #[test]
    fn signs_what_it_verifies() {
        let token = sign("hub.example:8443/devices/a b", &key(), 1_700_000_000, Some("iothubowner"));
        assert!(
            token.expose().starts_with("SharedAccessSignature sr=hub.example%3A8443%2Fdevices%2Fa%20b&sig="),
            "{token:?}"
        );
        let parsed = SasToken::parse(token.expose()).unwrap();
        assert!(parsed.verify(&key()));
        assert!(!parsed.verify(&SasKey::from_bytes(vec![1; 32])));
        assert_eq!(parsed.policy.as_deref(), Some("iothubowner"));
        let resource = parsed.resource().unwrap();
        assert_eq!((resource.host(), resource.segments()), ("hub.example:8443", &["devices".into(), "a b".into()][..]));
        assert!(!parsed.expired(1_699_999_999, Duration::ZERO));
        assert!(parsed.expired(1_700_000_000, Duration::ZERO));
        assert!(!parsed.expired(1_700_000_299, Duration::from_secs(300)));
    }

    /// The same resource as Python, the C SDK and Node's service side write it: each signature is over its own text.
    #[test]
    fn verifies_over_the_raw_resource_in_any_encoding_and_order() {
        for sr in
            ["localhost%3A8443%2Fdevices%2Fdev-1", "localhost%3a8443%2fdevices%2fdev-1", "localhost:8443/devices/dev-1"]
        {
            let signature = STANDARD.encode(key().mac(sr, "1700000000").finalize().into_bytes());
            let half = signature.replace('+', "%2b").replace('=', "%3D");
            for text in [
                format!("SharedAccessSignature sr={sr}&sig={}&se=1700000000", encode(&signature)),
                format!("SharedAccessSignature sig={half}&skn=&se=1700000000&sr={sr}"),
                format!("sharedaccesssignature se=1700000000&sr={sr}&x=y&sig={signature}&skn="),
            ] {
                let token = SasToken::parse(&text).unwrap();
                assert!(token.verify(&key()), "{text}");
                assert_eq!(token.policy, None);
                assert!(token.resource().unwrap().covers(&["devices", "dev-1"]));
            }
        }
    }

    /// Recomputed with another implementation (Python's hmac and base64).
    #[test]
    fn agrees_with_another_implementation() {
        let token = sign("myhub.azure-devices.net/devices/dev1", &key(), 1_456_971_697, None);
        assert_eq!(
            token.expose(),
            "SharedAccessSignature sr=myhub.azure-devices.net%2Fdevices%2Fdev1&sig=b92z5b2Eggipg496UreIbjnUZgMY0dm5rd1cjjKIr8k%3D&se=1456971697"
        );
    }

    #[test]
    fn says_what_is_wrong() {
        let sig = STANDARD.encode([0; 32]);
        for (text, error) in [
            (String::new(), SasError::Scheme),
            ("Bearer x".into(), SasError::Scheme),
            (format!("SharedAccessSignature sig={sig}&se=1"), SasError::Missing("sr")),
            (format!("SharedAccessSignature sr=a&sig={sig}"), SasError::Missing("se")),
            ("SharedAccessSignature sr=a&se=1".into(), SasError::Missing("sig")),
            (format!("SharedAccessSignature sr=a&sr=b&sig={sig}&se=1"), SasError::Twice("sr")),
            ("SharedAccessSignature sr=a&sig=short&se=1".into(), SasError::Malformed("sig")),
            (format!("SharedAccessSignature sr=a&sig={sig}&se=soon"), SasError::Malformed("se")),
            (format!("SharedAccessSignature sr={}", "a".repeat(5000)), SasError::TooLong),
        ] {
            assert_eq!(SasToken::parse(&text), Err(error), "{text}");
        }
        assert_eq!("not base64!".parse::<SasKey>(), Err(SasError::Key));
        assert_eq!("".parse::<SasKey>(), Err(SasError::Key));
        assert_eq!(format!("{:?}", key()), "***");
    }

    #[test]
    fn fresh_keys_are_44_characters_and_differ() {
        let mut rng = base::Seed(1).rng();
        let (a, b) = (SasKey::generate(&mut rng), SasKey::generate(&mut rng));
        assert_eq!((a.expose().len(), a.size()), (44, 32));
        assert_ne!(a, b);
        assert_eq!(a.expose().parse::<SasKey>().unwrap(), a);
    }

    proptest! {
        #[test]
        fn any_resource_round_trips(resource in "[^/]{1,20}(/[^/]{1,20}){0,4}", expiry: u64, policy in proptest::option::of(".{1,10}")) {
            let text = sign(&resource, &key(), expiry, policy.as_deref());
            if text.expose().len() <= TOKEN_BYTES {
                let token = SasToken::parse(text.expose()).unwrap();
                prop_assert!(token.verify(&key()));
                prop_assert_eq!(token.expiry, expiry);
                prop_assert_eq!(token.policy.as_deref(), policy.as_deref());
            }
        }

        #[test]
        fn never_panics(text in ".{0,80}", fields in "[a-z=&%0-9]{0,80}") {
            let _ = SasToken::parse(&text);
            let _ = SasToken::parse(&format!("{SCHEME}{fields}")).map(|token| token.resource().is_ok());
        }
    }
}
