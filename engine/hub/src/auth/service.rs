//! Judges the `Authorization` header of a service call. A hot client's token is verified once and remembered until it ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use thiserror::Error;
use wire::limits::CLOCK_SKEW;
use wire::{SasResource, SasToken};

use super::{Hosts, Permission, Permissions, Policies};

/// Remembered tokens: SDKs mint one per call or per hour, so a few hundred serve all clients; a full cache starts anew.
const REMEMBERED: usize = 512;

/// Why a call is refused: for the log; clients see one and the same 401.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum AuthError {
    #[error("no authorization header")]
    Missing,
    #[error("a bearer token: Microsoft Entra is not supported by this hub, use a shared access signature")]
    Bearer,
    #[error("not a usable token: {0}")]
    Token(#[from] wire::SasError),
    #[error("the token expired at {0} (seconds since 1970)")]
    Expired(u64),
    #[error("the token names no policy")]
    NoPolicy,
    #[error("no policy `{0}`")]
    UnknownPolicy(String),
    #[error("the signature fits neither key of policy `{0}`")]
    WrongKey(String),
    #[error("the token is for host `{0}`, which this hub does not answer to")]
    WrongHost(String),
}

/// Who calls, as far as its token goes.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) policy: &'static str,
    permissions: Permissions,
    resource: SasResource,
    expiry: u64,
}

impl Caller {
    /// Whether the token is for the whole hub, as nearly all are: then any path will do.
    pub(crate) fn is_for_whole_hub(&self) -> bool {
        self.resource.segments().is_empty()
    }

    /// Whether the token reaches this path and its policy has one of these permissions.
    pub(crate) fn may(&self, any_of: &[Permission], path: &[&str]) -> bool {
        self.resource.covers(path) && any_of.iter().any(|permission| self.permissions.allow(*permission))
    }
}

/// The judge of service calls.
pub(crate) struct ServiceAuth {
    policies: Policies,
    hosts: Hosts,
    remembered: Mutex<HashMap<Box<str>, Arc<Caller>>>,
}

impl ServiceAuth {
    pub(crate) fn new(policies: Policies, hosts: Hosts) -> Self {
        Self { policies, hosts, remembered: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn policies(&self) -> &Policies {
        &self.policies
    }

    pub(crate) fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// The caller behind an `Authorization` header.
    pub(crate) fn judge(&self, authorization: Option<&str>, now: u64) -> Result<Arc<Caller>, AuthError> {
        let text = authorization.ok_or(AuthError::Missing)?;
        let mut remembered = self.remembered.lock().expect("a map of plain data: no panic while held");
        if let Some(caller) = remembered.get(text) {
            if caller.expiry.saturating_add(CLOCK_SKEW.as_secs()) > now {
                return Ok(Arc::clone(caller));
            }
            remembered.remove(text);
        }
        let caller = Arc::new(self.verify(text, now)?);
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(text.into(), Arc::clone(&caller));
        Ok(caller)
    }

    fn verify(&self, text: &str, now: u64) -> Result<Caller, AuthError> {
        if text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer ")) {
            return Err(AuthError::Bearer);
        }
        let token = SasToken::parse(text)?;
        let name = token.policy.as_deref().filter(|name| !name.is_empty()).ok_or(AuthError::NoPolicy)?;
        let policy = self.policies.find(name).ok_or_else(|| AuthError::UnknownPolicy(name.to_owned()))?;
        if !token.verify(&policy.primary) && !token.verify(&policy.secondary) {
            return Err(AuthError::WrongKey(name.to_owned()));
        }
        if token.expired(now, CLOCK_SKEW) {
            return Err(AuthError::Expired(token.expiry));
        }
        let resource = token.resource()?;
        if !self.hosts.accept(resource.host()) {
            return Err(AuthError::WrongHost(resource.host().to_owned()));
        }
        Ok(Caller { policy: policy.name, permissions: policy.permissions, resource, expiry: token.expiry })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Seed;
    use proptest::prelude::*;
    use wire::{SasKey, sign};

    const NOW: u64 = 1_800_000_000;

    fn auth() -> ServiceAuth {
        let hosts = Hosts::new("127.0.0.1".parse().unwrap(), &["hub.local".into()]);
        ServiceAuth::new(Policies::generate(&mut Seed(1).rng()), hosts)
    }

    fn token(auth: &ServiceAuth, resource: &str, policy: &str, expiry: u64) -> String {
        sign(resource, &auth.policies.find(policy).unwrap().secondary, expiry, Some(policy)).expose().to_owned()
    }

    #[test]
    fn judges_by_table() {
        let auth = auth();
        let other = SasKey::generate(&mut Seed(2).rng());
        let owner = |resource: &str, expiry| token(&auth, resource, "iothubowner", expiry);
        for (text, refusal) in [
            (owner("localhost:8443", NOW + 60), None),
            (owner("HUB.local", NOW + 60), None),
            (owner("localhost/devices/d", NOW + 60), None),
            (owner("localhost", NOW - 299), None),
            (owner("localhost", NOW - 300), Some(AuthError::Expired(NOW - 300))),
            (owner("elsewhere", NOW + 60), Some(AuthError::WrongHost("elsewhere".into()))),
            (
                sign("localhost", &other, NOW + 60, Some("nobody")).expose().into(),
                Some(AuthError::UnknownPolicy("nobody".into())),
            ),
            (
                sign("localhost", &other, NOW + 60, Some("service")).expose().into(),
                Some(AuthError::WrongKey("service".into())),
            ),
            (sign("localhost", &other, NOW + 60, None).expose().into(), Some(AuthError::NoPolicy)),
            ("Bearer abc".into(), Some(AuthError::Bearer)),
        ] {
            assert_eq!(auth.judge(Some(&text), NOW).err(), refusal, "{text}");
        }
        assert_eq!(auth.judge(None, NOW).err(), Some(AuthError::Missing));
        assert!(matches!(auth.judge(Some("nonsense"), NOW), Err(AuthError::Token(_))));
    }

    #[test]
    fn a_remembered_token_ends_when_it_says() {
        let auth = auth();
        let text = token(&auth, "localhost", "service", NOW);
        assert!(auth.judge(Some(&text), NOW).is_ok());
        assert!(auth.judge(Some(&text), NOW + 299).is_ok());
        assert_eq!(auth.judge(Some(&text), NOW + 300).err(), Some(AuthError::Expired(NOW)));
    }

    #[test]
    fn a_policy_may_what_it_may_and_a_narrow_token_no_more() {
        let auth = auth();
        let may = |resource: &str, policy: &str, permission, path: &[&str]| {
            auth.judge(Some(&token(&auth, resource, policy, NOW + 60)), NOW).unwrap().may(&[permission], path)
        };
        let twin = ["twins", "d"];
        assert!(may("localhost", "service", Permission::ServiceConnect, &twin));
        assert!(!may("localhost", "service", Permission::RegistryRead, &["devices", "d"]));
        assert!(!may("localhost", "registryRead", Permission::RegistryWrite, &["devices", "d"]));
        assert!(may("localhost", "registryReadWrite", Permission::RegistryWrite, &["devices", "d"]));
        assert!(!may("localhost", "device", Permission::ServiceConnect, &twin));
        assert!(may("localhost/devices/d", "iothubowner", Permission::RegistryRead, &["devices", "d"]));
        assert!(!may("localhost/devices/d", "iothubowner", Permission::RegistryRead, &["devices", "e"]));
        assert!(!may("localhost/devices/d", "iothubowner", Permission::ServiceConnect, &twin));
    }

    #[test]
    fn the_cache_stays_small() {
        let auth = auth();
        for index in 0..REMEMBERED as u64 * 2 + 10 {
            auth.judge(Some(&token(&auth, "localhost", "service", NOW + index)), NOW).unwrap();
        }
        assert!(auth.remembered.lock().unwrap().len() <= REMEMBERED);
    }

    proptest! {
        #[test]
        fn no_changed_token_passes(at in 0usize..200, byte in 32u8..127) {
            let auth = auth();
            let mut text = token(&auth, "localhost", "iothubowner", NOW + 60).into_bytes();
            let at = at % text.len();
            let before = text[at];
            text[at] = byte;
            let text = String::from_utf8(text).unwrap();
            // The scheme's case and the fields' names aside, what is signed or signs cannot change.
            let same = byte.eq_ignore_ascii_case(&before);
            prop_assert!(same || auth.judge(Some(&text), NOW).is_err(), "{}", text);
        }

        #[test]
        fn never_panics(text in ".{0,200}") {
            let _ = auth().judge(Some(&text), NOW);
            let _ = auth().judge(Some(&format!("SharedAccessSignature {text}")), NOW);
        }
    }
}
