//! Brings the registry to what the seeds say, group by group of commits, as a service with all rights would.

use std::collections::HashSet;

use serde_json::{Map, Value};
use wire::{Authentication, DeviceDocument, DeviceId, HubError, Identity, IfMatch, ModuleDocument};

use super::Seeds;
use super::plan::Group;
use crate::state::{BulkChange, Document, HubState};

/// Devices in one change: what the store commits at once.
const AT_ONCE: usize = 200;

/// What the seeds did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seeded {
    /// Devices that were missing.
    pub made: usize,
    /// Devices that were there, but for themselves or a module other than the file says.
    pub changed: usize,
    /// Devices that were as the file says.
    pub same: usize,
}

/// Makes and changes what must be; durable when it returns.
pub(crate) async fn sow(state: &HubState, seeds: &Seeds) -> Result<Seeded, HubError> {
    let mut seeded = Seeded::default();
    for group in &seeds.devices {
        for ids in group.ids.chunks(AT_ONCE) {
            let there: Vec<bool> = ids.iter().map(|id| state.identity(&Identity::device(id.clone())).is_ok()).collect();
            let mut touched = make(state, ids, |id, changes| device(state, group, id, changes)).await?;
            // An IoT Edge device is born with modules: they are there once the device is.
            touched.extend(make(state, ids, |id, changes| modules(state, group, id, changes)).await?);
            for (id, there) in ids.iter().zip(there) {
                *match (there, touched.contains(id)) {
                    (false, _) => &mut seeded.made,
                    (true, true) => &mut seeded.changed,
                    (true, false) => &mut seeded.same,
                } += 1;
            }
        }
    }
    Ok(seeded)
}

type Changes = Vec<(Identity, BulkChange)>;

/// Makes what is to be changed of some devices; returns the ids of those that were touched.
async fn make(
    state: &HubState,
    ids: &[DeviceId],
    plan: impl Fn(&DeviceId, &mut Changes),
) -> Result<HashSet<DeviceId>, HubError> {
    let mut changes = Vec::new();
    ids.iter().for_each(|id| plan(id, &mut changes));
    if changes.is_empty() {
        return Ok(HashSet::new());
    }
    let touched = changes.iter().map(|(identity, _)| identity.device.clone()).collect();
    match state.bulk(changes).await?.into_iter().next() {
        None => Ok(touched),
        Some((identity, error)) => Err(HubError::new(error.code, format!("{identity}: {}", error.message))),
    }
}

fn device(state: &HubState, group: &Group, id: &DeviceId, changes: &mut Changes) {
    let asked = |old: Option<Document>| {
        let mut document = match old {
            Some(Document::Device(document)) => document,
            _ => DeviceDocument::new(id.clone()),
        };
        document.status = group.status.unwrap_or(document.status);
        document.capabilities.iot_edge |= group.edge;
        log_in(&mut document.authentication, group.login.as_ref());
        Document::Device(document)
    };
    change(state, &Identity::device(id.clone()), asked, &group.twin, changes);
}

fn modules(state: &HubState, group: &Group, device: &DeviceId, changes: &mut Changes) {
    for (id, login, twin) in &group.modules {
        let asked = |old: Option<Document>| {
            let mut document = match old {
                Some(Document::Module(document)) => document,
                _ => ModuleDocument::new(device.clone(), id.clone()),
            };
            log_in(&mut document.authentication, login.as_ref());
            Document::Module(document)
        };
        change(state, &Identity::module(device.clone(), id.clone()), asked, twin, changes);
    }
}

/// What is not said stays: keys that the hub made are kept.
fn log_in(kept: &mut Authentication, said: Option<&Authentication>) {
    let Some(said) = said else { return };
    let keys_follow = said.kind == kept.kind && said.symmetric_key == wire::SymmetricKey::default();
    let keys = kept.symmetric_key.clone();
    *kept = said.clone();
    if keys_follow {
        kept.symmetric_key = keys;
    }
}

fn change(
    state: &HubState,
    identity: &Identity,
    asked: impl Fn(Option<Document>) -> Document,
    twin: &Value,
    changes: &mut Changes,
) {
    let Ok(old) = state.identity(identity) else {
        changes.push((identity.clone(), BulkChange::Create { asked: asked(None), twin: twin.clone() }));
        return;
    };
    let asked = asked(Some(old.clone()));
    if asked != old {
        changes.push((identity.clone(), BulkChange::Update { asked, condition: IfMatch::Any }));
    }
    if !state.twin_has(identity, twin) {
        changes.push((identity.clone(), BulkChange::UpdateTwin { twin: twin.clone(), condition: None }));
    }
}

/// Whether a patch would change nothing.
pub(crate) fn contains(members: &Map<String, Value>, patch: &Value) -> bool {
    let Value::Object(patch) = patch else { return true };
    patch.iter().all(|(key, wanted)| match (members.get(key), wanted) {
        (None, Value::Null) => true,
        (Some(Value::Object(below)), Value::Object(_)) => contains(below, wanted),
        (found, wanted) => found == Some(wanted),
    })
}
