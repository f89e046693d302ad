//! A registry that knows the devices it is told of, keeps sessions in memory and counts what it is asked.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::SystemTime;

use bytes::Bytes;
use wire::dps::{DpsError, RegistrationOperation};
use wire::{ErrorCode, HubError, Identity, Username};

use crate::seam::{Ask, Backing, Delivery, Login, Proof, ProvisionRefused, Refused, Subscription};

pub(super) const PASSWORD: &str = "open sesame";
/// Reading the twin of this device panics.
pub(super) const BOMB: &str = "bomb";

#[derive(Default)]
pub(super) struct Fake {
    pub(super) sessions: Mutex<HashMap<Identity, Vec<Subscription>>>,
    pub(super) stored: Mutex<usize>,
    pub(super) connected: Mutex<Vec<(String, bool)>>,
    /// Waiting for the only device.
    pub(super) messages: Mutex<Vec<Delivery>>,
    /// Sent and not acknowledged.
    pub(super) held: Mutex<Vec<Delivery>>,
    pub(super) active: Mutex<Vec<String>>,
    pub(super) patches: Mutex<Vec<Bytes>>,
    pub(super) expires: Mutex<Option<SystemTime>>,
}

impl Fake {
    pub(super) fn comings_and_goings(&self) -> Vec<(String, bool)> {
        self.connected.lock().unwrap().clone()
    }
}

impl Backing for Fake {
    fn login(&self, username: &Username, client_id: &str, proof: Proof<'_>) -> Result<Login, Refused> {
        assert_eq!(username.identity.to_string(), client_id, "checked before");
        if proof.password != Some(PASSWORD.as_bytes()) {
            return Err(Refused { reason: "the password is wrong".to_owned() });
        }
        Ok(Login {
            identity: username.identity.clone(),
            expires: *self.expires.lock().unwrap(),
            auth_method: r#"{"scope":"device","type":"sas","issuer":"iothub"}"#,
            generation: "637".into(),
        })
    }

    async fn provision(&self, _: Ask<'_>) -> Result<RegistrationOperation, ProvisionRefused> {
        Err(ProvisionRefused { reason: "no device is enrolled".to_owned(), error: DpsError::unauthorized() })
    }

    fn twin_for_device(&self, identity: &Identity) -> Result<Bytes, HubError> {
        assert_ne!(identity.to_string(), BOMB, "a bug in the registry");
        Ok(format!(r#"{{"desired":{{"for":"{identity}","$version":1}},"reported":{{"$version":1}}}}"#).into())
    }

    async fn patch_reported(&self, _: &Identity, patch: &[u8]) -> Result<u64, HubError> {
        // The disk takes a while; an acknowledgement must not wait for nothing to happen.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        if !patch.starts_with(b"{") {
            return Err(HubError::new(ErrorCode::ARGUMENT_INVALID, "it must be an object"));
        }
        let mut patches = self.patches.lock().unwrap();
        patches.push(Bytes::copy_from_slice(patch));
        Ok(1 + u64::try_from(patches.len()).unwrap())
    }

    fn set_connected(&self, identity: &Identity, connected: bool) {
        self.connected.lock().unwrap().push((identity.to_string(), connected));
    }

    async fn take_messages(&self, _: &Identity, room: usize, settle: bool) -> Vec<Delivery> {
        tokio::task::yield_now().await;
        let mut messages = self.messages.lock().unwrap();
        let most = room.min(messages.len());
        let taken: Vec<Delivery> = messages.drain(..most).collect();
        if !settle {
            self.held.lock().unwrap().extend(taken.iter().cloned());
        }
        taken
    }

    async fn settle_message(&self, _: &Identity, sequence: u64) {
        tokio::task::yield_now().await;
        self.held.lock().unwrap().retain(|delivery| delivery.sequence != sequence);
    }

    fn note_activity(&self, identity: &Identity) {
        self.active.lock().unwrap().push(identity.to_string());
    }

    fn load_session(&self, identity: &Identity) -> Option<Vec<Subscription>> {
        self.sessions.lock().unwrap().get(identity).cloned()
    }

    async fn store_session(&self, identity: &Identity, session: Option<Vec<Subscription>>) {
        tokio::task::yield_now().await;
        *self.stored.lock().unwrap() += 1;
        let mut sessions = self.sessions.lock().unwrap();
        match session {
            Some(session) => sessions.insert(identity.clone(), session),
            None => sessions.remove(identity),
        };
    }
}
