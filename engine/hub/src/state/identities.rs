//! Devices and modules: create, get, update, delete, list, durably and with their live effects.

use wire::limits::{LIST_DEVICES, MODULES_PER_DEVICE};
use wire::{DeviceId, ErrorCode, HubError, Identity, IfMatch, ModuleDocument, Twin};

use super::HubState;
use super::effect::Effect;
use super::hub_state::{Change, Inner};
use super::messages::forget_messages;
use super::record::{Document, Record};
use super::registry::{Device, Entry};
use super::rules;
use crate::link::DropReason;
use crate::store::{Table, Write};

/// Modules that every IoT Edge device is born with.
const EDGE_MODULES: [&str; 2] = ["$edgeAgent", "$edgeHub"];
/// Who looks after them.
const EDGE: &str = "IotEdge";

impl HubState {
    /// The document of a device or module.
    pub(crate) fn identity(&self, identity: &Identity) -> Result<Document, HubError> {
        let inner = self.inner();
        inner
            .registry
            .get(identity)
            .map(|entry| entry.record.document(identity))
            .ok_or_else(|| rules::not_found(identity))
    }

    /// The first devices by id; more than a thousand, or none, asked for is a thousand.
    pub(crate) fn devices(&self, top: Option<usize>) -> Vec<Document> {
        let top = top.filter(|top| (1..=LIST_DEVICES).contains(top)).unwrap_or(LIST_DEVICES);
        let inner = self.inner();
        let document =
            |(id, device): (&DeviceId, &Device)| device.entry().record.document(&Identity::device(id.clone()));
        inner.registry.devices_after(None).take(top).map(document).collect()
    }

    /// All modules of a device.
    pub(crate) fn modules(&self, device: &DeviceId) -> Result<Vec<Document>, HubError> {
        let inner = self.inner();
        let identity = Identity::device(device.clone());
        inner.registry.get(&identity).ok_or_else(|| rules::not_found(&identity))?;
        let document = |(id, entry): (&wire::ModuleId, &Entry)| {
            entry.record.document(&Identity::module(device.clone(), id.clone()))
        };
        Ok(inner.registry.modules(device).map(document).collect())
    }

    /// `PUT`: without a condition it creates, with one it updates.
    pub(crate) async fn put_identity(&self, asked: Document, if_match: Option<IfMatch>) -> Result<Document, HubError> {
        asked.check()?;
        self.change(|inner| match &if_match {
            None => self.create(inner, &asked),
            Some(condition) => self.update(inner, &asked, condition),
        })
        .await
    }

    pub(super) fn create(&self, inner: &mut Inner, asked: &Document) -> Result<Change<Document>, HubError> {
        let identity = asked.identity();
        if inner.registry.get(&identity).is_some() {
            return Err(rules::already_exists(&identity));
        }
        if identity.module.is_some() {
            check_room(inner, &identity)?;
        }
        let mut writes = Vec::new();
        let document = self.add(inner, asked, &mut writes);
        if matches!(&document, Document::Device(device) if device.capabilities.iot_edge) {
            for module in EDGE_MODULES {
                let module = module.parse().expect("both names are ids");
                let mut module = ModuleDocument::new(identity.device.clone(), module);
                module.managed_by = Some(EDGE.to_owned());
                self.add(inner, &Document::Module(module), &mut writes);
            }
        }
        Ok(Change { answer: document, writes, effects: Vec::new() })
    }

    fn add(&self, inner: &mut Inner, asked: &Document, writes: &mut Vec<Write>) -> Document {
        let (identity, now) = (asked.identity(), self.clock.now());
        inner.last_generation = rules::generation(now, inner.last_generation);
        // Keys come from the operating system, never from a seed that a log may show.
        let mut record = rules::create(asked, now, inner.last_generation, &mut rand::rng());
        // The rest may be repeated from the seed.
        record.etag = rules::fresh_etag("", &mut inner.rng);
        let document = record.document(&identity);
        let twin = Twin::new(identity.clone(), now);
        writes.extend([write_identity(&identity, &record), write_twin(&identity, &twin)]);
        inner.registry.insert(&identity, Entry::new(record, twin));
        document
    }

    pub(super) fn update(
        &self,
        inner: &mut Inner,
        asked: &Document,
        condition: &IfMatch,
    ) -> Result<Change<Document>, HubError> {
        let identity = asked.identity();
        let modules: Vec<Identity> = match identity.module {
            Some(_) => Vec::new(),
            None => {
                let ids = inner.registry.modules(&identity.device).map(|(id, _)| id.clone());
                ids.map(|id| Identity::module(identity.device.clone(), id)).collect()
            }
        };
        let mut entry = inner.registry.get_mut(&identity).ok_or_else(|| rules::not_found(&identity))?;
        rules::check_etag(Some(condition), &entry.record.etag)?;
        let (record, why) = rules::update(&entry.record, asked, self.clock.now(), &mut rand::rng())?;
        entry.record = record;
        let answer = entry.record.document(&identity);
        let writes = vec![write_identity(&identity, &entry.record)];
        // A disabled device takes its modules with it; changed keys are its own affair.
        let with_it = if why == Some(DropReason::Disabled) { modules } else { Vec::new() };
        let dropped = std::iter::once(identity).chain(with_it);
        let effects = why.map(|why| dropped.map(|identity| Effect::Drop { identity, why }).collect());
        Ok(Change { answer, writes, effects: effects.unwrap_or_default() })
    }

    /// Removes a module, or a device with all its modules, twins and sessions.
    pub(crate) async fn delete_identity(&self, identity: &Identity, if_match: Option<IfMatch>) -> Result<(), HubError> {
        self.change(|inner| Self::delete(inner, identity, if_match.as_ref())).await
    }

    pub(super) fn delete(
        inner: &mut Inner,
        identity: &Identity,
        condition: Option<&IfMatch>,
    ) -> Result<Change<()>, HubError> {
        let entry = inner.registry.get(identity).ok_or_else(|| rules::not_found(identity))?;
        rules::check_etag(condition, &entry.record.etag)?;
        let mut writes = match identity.module {
            None => forget_messages(inner, &identity.device),
            Some(_) => Vec::new(),
        };
        let removed = inner.registry.remove(identity);
        writes.extend(removed.iter().flat_map(forget));
        let why = DropReason::Deleted;
        let effects = removed.into_iter().map(|identity| Effect::Drop { identity, why }).collect();
        Ok(Change { answer: (), writes, effects })
    }
}

fn check_room(inner: &Inner, identity: &Identity) -> Result<(), HubError> {
    let device = Identity::device(identity.device.clone());
    inner.registry.get(&device).ok_or_else(|| rules::not_found(&device))?;
    if inner.registry.modules(&identity.device).count() < MODULES_PER_DEVICE {
        return Ok(());
    }
    let text = format!("Device '{}' has {MODULES_PER_DEVICE} modules already.", identity.device);
    Err(HubError::new(ErrorCode::TOO_MANY_MODULES, text))
}

pub(super) fn write_identity(identity: &Identity, record: &Record) -> Write {
    Write::put(Table::Identities, identity.to_string(), record.document(identity).to_json())
}

pub(super) fn write_twin(identity: &Identity, twin: &Twin) -> Write {
    let json = serde_json::to_vec(twin).expect("a twin is plain data with text keys");
    Write::put(Table::Twins, identity.to_string(), json)
}

fn forget(identity: &Identity) -> [Write; 3] {
    [Table::Identities, Table::Twins, Table::Sessions].map(|table| Write::remove(table, identity.to_string()))
}
