//! Twins as the service reads and writes them.

use bytes::Bytes;
use serde_json::Value;
use wire::{HubError, Identity, IfMatch};

use super::HubState;
use super::effect::Effect;
use super::hub_state::{Change, Inner};
use super::identities::write_twin;
use super::registry::Entry;
use super::rules::{check_etag, not_found};

/// A twin's whole document and its etag.
#[derive(Debug)]
pub(crate) struct TwinDocument {
    pub(crate) document: Value,
    pub(crate) etag: String,
}

/// How the service writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TwinWrite {
    /// What is given is merged.
    Patch,
    /// What is given replaces.
    Replace,
}

/// The document of a twin.
pub(super) fn document(identity: &Identity, entry: &Entry) -> Value {
    match identity.module {
        None => entry.twin.document(&entry.record.device(identity)),
        Some(_) => entry.twin.module_document(&entry.record.module(identity)),
    }
}

fn with_etag(identity: &Identity, entry: &Entry) -> TwinDocument {
    TwinDocument { document: document(identity, entry), etag: entry.twin.etag() }
}

impl HubState {
    /// A twin as it is.
    pub(crate) fn twin(&self, identity: &Identity) -> Result<TwinDocument, HubError> {
        let inner = self.inner();
        inner.registry.get(identity).map(|entry| with_etag(identity, entry)).ok_or_else(|| not_found(identity))
    }

    /// Writes tags and desired properties; the device is told once the change is durable.
    pub(crate) async fn write_twin(
        &self,
        identity: &Identity,
        if_match: Option<IfMatch>,
        body: &Value,
        how: TwinWrite,
    ) -> Result<TwinDocument, HubError> {
        self.change(|inner| self.write_one_twin(inner, identity, if_match.as_ref(), body, how)).await
    }

    pub(super) fn write_one_twin(
        &self,
        inner: &mut Inner,
        identity: &Identity,
        condition: Option<&IfMatch>,
        body: &Value,
        how: TwinWrite,
    ) -> Result<Change<TwinDocument>, HubError> {
        let mut entry = inner.registry.get_mut(identity).ok_or_else(|| not_found(identity))?;
        check_etag(condition, &entry.twin.etag())?;
        let now = self.clock.now();
        let changed = match how {
            TwinWrite::Patch => entry.twin.patch_service(body, now)?,
            TwinWrite::Replace => entry.twin.replace_service(body, now)?,
        };
        let told = changed.desired_patch.map(|patch| Effect::Desired {
            identity: identity.clone(),
            version: entry.twin.desired().version(),
            patch: Bytes::from(patch.to_string()),
        });
        Ok(Change {
            answer: with_etag(identity, &entry),
            writes: vec![write_twin(identity, &entry.twin)],
            effects: told.into_iter().collect(),
        })
    }
}
