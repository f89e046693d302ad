//! Judges a CONNECT: the user name's form, the names in it, the status, and the token against the identity's keys or a policy's.

use std::time::{Duration, UNIX_EPOCH};

use wire::limits::CLOCK_SKEW;
use wire::{AuthKind, Identity, SasToken, Username, client_id};

use super::HubState;
use crate::auth::Permission;
use crate::seam::{Login, Refused};

/// What telemetry says about how its sender was let in.
const DEVICE_KEY: &str = r#"{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}"#;
const MODULE_KEY: &str = r#"{"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}"#;
const POLICY_KEY: &str = r#"{"scope":"hub","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}"#;

fn refused(reason: impl Into<String>) -> Refused {
    Refused { reason: reason.into() }
}

impl HubState {
    pub(super) fn judge_connect(
        &self,
        username: &Username,
        given_client_id: &str,
        password: Option<&[u8]>,
    ) -> Result<Login, Refused> {
        let identity = &username.identity;
        let wanted = client_id(identity);
        if given_client_id != wanted {
            return Err(refused(format!("the user name is for `{wanted}`, the client id is another")));
        }
        self.check_host(&username.host, "the user name")?;
        let password = password.filter(|password| !password.is_empty());
        let text = password.map(std::str::from_utf8).transpose().map_err(|_| refused("the password is not text"))?;
        let text = text.ok_or_else(|| refused("no password: client certificates are not supported by this hub"))?;
        let token = SasToken::parse(text).map_err(|error| refused(format!("the password: {error}")))?;
        let (auth_method, generation) = self.check_keys(identity, &token)?;
        if token.expired(self.clock.unix_seconds(), CLOCK_SKEW) {
            return Err(refused(format!("the token expired at {} (seconds since 1970)", token.expiry)));
        }
        let resource = token.resource().map_err(|error| refused(format!("the password: {error}")))?;
        self.check_host(resource.host(), "the token")?;
        if !resource.covers_identity(identity) {
            return Err(refused("the token is for something else than this identity"));
        }
        let expires = UNIX_EPOCH.checked_add(Duration::from_secs(token.expiry));
        Ok(Login { identity: identity.clone(), expires, auth_method, generation })
    }

    fn check_host(&self, host: &str, whose: &str) -> Result<(), Refused> {
        if self.auth.hosts().accept(host) {
            return Ok(());
        }
        Err(refused(format!("{whose} names the host `{host}`, which this hub does not answer to; add it with --name")))
    }

    /// The identity exists, is enabled and logs in with keys; and the token is signed by one of its keys, or by a policy's.
    fn check_keys(
        &self,
        identity: &Identity,
        token: &SasToken<'_>,
    ) -> Result<(&'static str, std::sync::Arc<str>), Refused> {
        let inner = self.inner();
        let device = inner.registry.get(&Identity::device(identity.device.clone()));
        let device = device.ok_or_else(|| refused("no such device"))?;
        let entry = inner.registry.get(identity).ok_or_else(|| refused("no such module"))?;
        if !device.record.is_enabled() {
            return Err(refused("the device is disabled"));
        }
        let generation = entry.record.generation.clone();
        if let Some(name) = token.policy.as_deref().filter(|name| !name.is_empty()) {
            let policy = self.auth.policies().find(name).ok_or_else(|| refused(format!("no policy `{name}`")))?;
            if !policy.permissions.allow(Permission::DeviceConnect) {
                return Err(refused(format!("policy `{name}` does not let devices connect")));
            }
            if !token.verify(&policy.primary) && !token.verify(&policy.secondary) {
                return Err(refused(format!("the signature fits neither key of policy `{name}`")));
            }
            return Ok((POLICY_KEY, generation));
        }
        if entry.record.authentication.kind != AuthKind::Sas {
            let kind = entry.record.authentication.kind.as_str();
            return Err(refused(format!("it is registered to log in otherwise ({kind}), not with a key")));
        }
        if !entry.record.keys().any(|key| token.verify(key)) {
            return Err(refused("the signature fits neither of its keys"));
        }
        Ok((if identity.module.is_some() { MODULE_KEY } else { DEVICE_KEY }, generation))
    }
}
