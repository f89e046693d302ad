//! Judges a CONNECT: the user name's form, the names in it, the status, and the token against the identity's keys or a policy's.

use std::time::{Duration, UNIX_EPOCH};

use net::tls::PeerCertificate;
use wire::limits::CLOCK_SKEW;
use wire::{AuthKind, Identity, SasToken, Username, client_id};

use super::HubState;
use super::record::Record;
use crate::auth::Permission;
use crate::seam::{Login, Proof, Refused};

/// What telemetry says about how its sender was let in.
const DEVICE_KEY: &str = r#"{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}"#;
const MODULE_KEY: &str = r#"{"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}"#;
const POLICY_KEY: &str = r#"{"scope":"hub","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}"#;

const CERTIFICATE: &str = r#"{"scope":"device","type":"x509","issuer":"iothub","acceptingIpFilterRule":null}"#;

fn refused(reason: impl Into<String>) -> Refused {
    Refused { reason: reason.into() }
}

impl HubState {
    pub(super) fn judge_connect(
        &self,
        username: &Username,
        given_client_id: &str,
        proof: Proof<'_>,
    ) -> Result<Login, Refused> {
        let identity = &username.identity;
        let wanted = client_id(identity);
        if given_client_id != wanted {
            return Err(refused(format!("the user name is for `{wanted}`, the client id is another")));
        }
        self.check_host(&username.host, "the user name")?;
        self.judge_identity(identity, proof)
    }

    /// Judges whoever says to be this device or module, by what it shows.
    pub(crate) fn judge_identity(&self, identity: &Identity, proof: Proof<'_>) -> Result<Login, Refused> {
        match (proof.password.filter(|password| !password.is_empty()), proof.certificate) {
            (Some(password), _) => self.by_token(identity, password, proof.skew),
            (None, Some(certificate)) => self.by_certificate(identity, certificate, proof.skew),
            (None, None) => Err(refused("neither a password nor a certificate")),
        }
    }

    fn by_certificate(&self, identity: &Identity, certificate: &PeerCertificate, skew: i64) -> Result<Login, Refused> {
        let record = self.enabled_record(identity)?;
        self.check_certificate(identity, &record, certificate, skew)?;
        let generation = record.generation;
        Ok(Login { identity: identity.clone(), expires: None, auth_method: CERTIFICATE, generation })
    }

    fn by_token(&self, identity: &Identity, password: &[u8], skew: i64) -> Result<Login, Refused> {
        let text = std::str::from_utf8(password).map_err(|_| refused("the password is not text"))?;
        let token = SasToken::parse(text).map_err(|error| refused(format!("the password: {error}")))?;
        let (auth_method, generation) = self.check_keys(identity, &token)?;
        if token.expired(self.clock.unix_seconds().saturating_add_signed(skew), CLOCK_SKEW) {
            return Err(refused(format!("the token expired at {} (seconds since 1970)", token.expiry)));
        }
        let resource = token.resource().map_err(|error| refused(format!("the password: {error}")))?;
        self.check_host(resource.host(), "the token")?;
        if !resource.covers_identity(identity) {
            return Err(refused("the token is for something else than this identity"));
        }
        // By the hub's own clock, which all later looks use: one that is ahead sees the end sooner.
        let expires = UNIX_EPOCH.checked_add(Duration::from_secs(token.expiry.saturating_add_signed(-skew)));
        Ok(Login { identity: identity.clone(), expires, auth_method, generation })
    }

    fn check_host(&self, host: &str, whose: &str) -> Result<(), Refused> {
        if self.auth.hosts().accept(host) {
            return Ok(());
        }
        Err(refused(format!("{whose} names the host `{host}`, which this hub does not answer to; add it with --name")))
    }

    /// The identity exists and its device is enabled.
    fn enabled_record(&self, identity: &Identity) -> Result<Record, Refused> {
        let inner = self.inner();
        let device = inner.registry.get(&Identity::device(identity.device.clone()));
        let device = device.ok_or_else(|| refused("no such device"))?;
        let entry = inner.registry.get(identity).ok_or_else(|| refused("no such module"))?;
        if !device.record.is_enabled() {
            return Err(refused("the device is disabled"));
        }
        Ok(entry.record.clone())
    }

    /// The identity exists, is enabled and logs in with keys; and the token is signed by one of its keys, or by a policy's.
    fn check_keys(
        &self,
        identity: &Identity,
        token: &SasToken<'_>,
    ) -> Result<(&'static str, std::sync::Arc<str>), Refused> {
        let record = self.enabled_record(identity)?;
        let generation = record.generation.clone();
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
        if record.authentication.kind != AuthKind::Sas {
            let kind = record.authentication.kind.as_str();
            return Err(refused(format!("it is registered to log in otherwise ({kind}), not with a key")));
        }
        if !record.keys().any(|key| token.verify(key)) {
            return Err(refused("the signature fits neither of its keys"));
        }
        Ok((if identity.module.is_some() { MODULE_KEY } else { DEVICE_KEY }, generation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use base::{Clock, Seed};
    use proptest::prelude::*;
    use serde_json::json;
    use wire::{SasKey, device_resource, sign};

    use crate::auth::Hosts;
    use crate::exchange::Exchange;
    use crate::state::Document;

    const NOW: u64 = 1_800_000_000;

    fn key(byte: u8) -> SasKey {
        SasKey::from_bytes(vec![byte; 32])
    }

    /// `d` with keys 1 and 2 and a module `m` with keys 3 and 4; `off` disabled; `x509` without keys.
    async fn hub() -> HubState {
        let (clock, _) = Clock::manual(UNIX_EPOCH + Duration::from_secs(NOW));
        let hosts = Hosts::new("127.0.0.1".parse().unwrap(), &["my.azure-devices.net".into()]);
        let (state, workers) = HubState::open(None, hosts, Arc::new(Exchange::default()), clock, Seed(1)).unwrap();
        tokio::spawn(workers.acknowledged.run());
        let keys = |first, second| json!({"symmetricKey": {"primaryKey": key(first).expose(), "secondaryKey": key(second).expose()}});
        for device in [
            json!({"deviceId": "d", "authentication": keys(1, 2)}),
            json!({"deviceId": "off", "status": "disabled", "authentication": keys(1, 2)}),
            json!({"deviceId": "x509", "authentication": {"type": "certificateAuthority"}}),
        ] {
            state.put_identity(Document::Device(serde_json::from_value(device).unwrap()), None).await.unwrap();
        }
        let module = json!({"deviceId": "d", "moduleId": "m", "authentication": keys(3, 4)});
        state.put_identity(Document::Module(serde_json::from_value(module).unwrap()), None).await.unwrap();
        state
    }

    fn try_login(state: &HubState, user: &str, given: &str, password: Option<&str>) -> Result<Login, String> {
        let username: Username = user.parse().map_err(|error: wire::UsernameError| error.to_string())?;
        let proof = Proof { password: password.map(str::as_bytes), certificate: None, ..Proof::default() };
        state.judge_connect(&username, given, proof).map_err(|refused| refused.reason)
    }

    #[tokio::test]
    async fn judges_by_table() {
        let state = hub().await;
        let signed = |resource: &str, byte: u8, expiry: u64| Some(sign(resource, &key(byte), expiry, None));
        let policy = |name: &str, resource: &str| {
            let policy = state.auth.policies().find(name).unwrap();
            Some(sign(resource, &policy.secondary, NOW + 60, Some(name)))
        };
        let user = "localhost/d/?api-version=2021-04-12";
        let module = "localhost/d/m/?api-version=2021-04-12";
        for (user, given, password, reason) in [
            (user, "d", signed("localhost/devices/d", 1, NOW + 60), ""),
            (user, "d", signed("LOCALHOST:8883/devices/d", 2, NOW - 299), ""),
            (
                "my.azure-devices.net/d/?api-version=2020-09-30",
                "d",
                signed("my.azure-devices.net/devices/d", 1, NOW + 60),
                "",
            ),
            (module, "d/m", signed("localhost/devices/d/modules/m", 3, NOW + 60), ""),
            (user, "d", policy("device", "localhost/devices/d"), ""),
            (user, "d", policy("iothubowner", "localhost"), ""),
            (user, "d", policy("service", "localhost"), "does not let devices connect"),
            (user, "d", policy("device", "localhost/devices/e"), "something else"),
            (user, "e", signed("localhost/devices/d", 1, NOW + 60), "client id is another"),
            (user, "d", signed("localhost/devices/d", 3, NOW + 60), "neither of its keys"),
            (user, "d", signed("localhost/devices/d", 1, NOW - 300), "expired"),
            (user, "d", signed("localhost/devices/e", 1, NOW + 60), "something else"),
            (user, "d", signed("elsewhere/devices/d", 1, NOW + 60), "does not answer to"),
            ("elsewhere/d/?api-version=1", "d", signed("localhost/devices/d", 1, NOW + 60), "does not answer to"),
            (user, "d", None, "neither a password nor a certificate"),
            (module, "d/m", signed("localhost/devices/d/modules/m", 1, NOW + 60), "neither of its keys"),
            (
                "localhost/d/n/?api-version=1",
                "d/n",
                signed("localhost/devices/d/modules/n", 1, NOW + 60),
                "no such module",
            ),
            ("localhost/e/?api-version=1", "e", signed("localhost/devices/e", 1, NOW + 60), "no such device"),
            ("localhost/off/?api-version=1", "off", signed("localhost/devices/off", 1, NOW + 60), "disabled"),
            ("localhost/x509/?api-version=1", "x509", signed("localhost/devices/x509", 1, NOW + 60), "otherwise"),
        ] {
            let result = try_login(&state, user, given, password.as_ref().map(base::Secret::expose));
            match result {
                Ok(login) => {
                    assert_eq!(reason, "", "{user} {given}");
                    assert_eq!(given, client_id(&login.identity));
                }
                Err(said) => assert!(!reason.is_empty() && said.contains(reason), "{user} {given}: {said}"),
            }
        }
    }

    #[tokio::test]
    async fn signed_by_whoever_for_whomever_only_the_right_pair_passes() {
        let state = hub().await;
        let identities: Vec<Identity> = ["d", "d/m"].iter().map(|id| id.parse().unwrap()).collect();
        let strategy = (0..2_usize, 0..2_usize, 0..6_u8, 0..900_u64);
        proptest!(|((user, resource, byte, age) in strategy)| {
            let (user, resource) = (&identities[user], &identities[resource]);
            let token = sign(&device_resource("localhost", resource), &key(byte), NOW + 300 - age, None);
            let own = if user.module.is_none() { [1, 2] } else { [3, 4] };
            // A device's resource covers its modules; whose key signs decides all the same.
            let covers = user == resource || resource.module.is_none();
            let good = own.contains(&byte) && covers && age < 600;
            let username = format!("localhost/{user}/?api-version=2021-04-12");
            let result = try_login(&state, &username, &client_id(user), Some(token.expose()));
            prop_assert_eq!(result.is_ok(), good, "{:?}", result);
        });
    }
}
