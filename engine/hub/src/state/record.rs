//! What the registry knows of one identity, kept small: a hundred thousand of these are in memory.
//! On the wire and on the disk it is wire's document.

use std::sync::Arc;
use std::time::SystemTime;

use base::{NEVER, parse_time, rfc3339_ticks};
use wire::{
    AuthKind, Authentication, Capabilities, ConnectionState, DeviceDocument, HubError, Identity, ModuleDocument,
    SasKey, Status,
};

/// An identity. A module's status is always enabled.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) generation: Arc<str>,
    pub(crate) etag: Box<str>,
    pub(crate) status: Status,
    pub(crate) status_reason: Option<Box<str>>,
    pub(crate) status_time: Option<SystemTime>,
    pub(crate) connection: ConnectionState,
    pub(crate) connection_time: Option<SystemTime>,
    pub(crate) activity: Option<SystemTime>,
    /// Cloud-to-device messages that wait; at most fifty.
    pub(crate) waiting: u8,
    pub(crate) authentication: Authentication,
    /// Of a module.
    pub(crate) managed_by: Option<Box<str>>,
    /// Of IoT Edge devices and their children: rare.
    pub(crate) edge: Option<Box<Edge>>,
}

/// What only some devices have.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Edge {
    pub(crate) capable: bool,
    pub(crate) scope: Option<String>,
    pub(crate) parents: Vec<String>,
}

/// A document of either kind, as it comes in and goes out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Document {
    Device(DeviceDocument),
    Module(ModuleDocument),
}

impl Document {
    pub(crate) fn identity(&self) -> Identity {
        match self {
            Self::Device(device) => device.identity(),
            Self::Module(module) => module.identity(),
        }
    }

    /// Refuses what a client may not ask for.
    pub(crate) fn check(&self) -> Result<(), HubError> {
        match self {
            Self::Device(device) => device.check(),
            Self::Module(module) => module.authentication.check(),
        }
    }

    pub(crate) fn etag(&self) -> &str {
        match self {
            Self::Device(device) => &device.etag,
            Self::Module(module) => &module.etag,
        }
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        match self {
            Self::Device(device) => serde_json::to_vec(device),
            Self::Module(module) => serde_json::to_vec(module),
        }
        .expect("plain fields with text keys are JSON")
    }
}

fn time(text: &str) -> Option<SystemTime> {
    if text == NEVER { None } else { parse_time(text) }
}

/// A time as documents show it.
pub(super) fn shown_time(time: Option<SystemTime>) -> String {
    time.map_or_else(|| NEVER.to_owned(), rfc3339_ticks)
}

impl Record {
    /// From a document, as stored or as asked for.
    pub(crate) fn of(document: &Document) -> Self {
        match document {
            Document::Device(device) => Self::of_device(device),
            Document::Module(module) => Self::of_module(module),
        }
    }

    fn of_device(device: &DeviceDocument) -> Self {
        let edge = Edge {
            capable: device.capabilities.iot_edge,
            scope: device.device_scope.clone(),
            parents: device.parent_scopes.clone(),
        };
        Self {
            generation: device.generation_id.as_str().into(),
            etag: device.etag.as_str().into(),
            status: device.status,
            status_reason: device.status_reason.as_deref().map(Into::into),
            status_time: time(&device.status_updated_time),
            connection: device.connection_state,
            connection_time: time(&device.connection_state_updated_time),
            activity: time(&device.last_activity_time),
            // Counted, not believed.
            waiting: 0,
            authentication: device.authentication.clone(),
            managed_by: None,
            edge: (edge != Edge::default()).then(|| Box::new(edge)),
        }
    }

    fn of_module(module: &ModuleDocument) -> Self {
        Self {
            generation: module.generation_id.as_str().into(),
            etag: module.etag.as_str().into(),
            status: Status::Enabled,
            status_reason: None,
            status_time: None,
            connection: module.connection_state,
            connection_time: time(&module.connection_state_updated_time),
            activity: time(&module.last_activity_time),
            waiting: 0,
            authentication: module.authentication.clone(),
            managed_by: module.managed_by.as_deref().map(Into::into),
            edge: None,
        }
    }

    /// As the registry shows it.
    pub(crate) fn document(&self, identity: &Identity) -> Document {
        match &identity.module {
            None => Document::Device(self.device(identity)),
            Some(_) => Document::Module(self.module(identity)),
        }
    }

    /// A device's document; of a module's record, what both have in common.
    pub(crate) fn device(&self, identity: &Identity) -> DeviceDocument {
        let edge = self.edge.as_deref().cloned().unwrap_or_default();
        DeviceDocument {
            device_id: identity.device.clone(),
            generation_id: self.generation.to_string(),
            etag: self.etag.to_string(),
            connection_state: self.connection,
            status: self.status,
            status_reason: self.status_reason.as_deref().map(Into::into),
            connection_state_updated_time: shown_time(self.connection_time),
            status_updated_time: shown_time(self.status_time),
            last_activity_time: shown_time(self.activity),
            cloud_to_device_message_count: self.waiting.into(),
            authentication: self.authentication.clone(),
            capabilities: Capabilities { iot_edge: edge.capable },
            device_scope: edge.scope,
            parent_scopes: edge.parents,
        }
    }

    /// A module's document.
    pub(crate) fn module(&self, identity: &Identity) -> ModuleDocument {
        let module = identity.module.clone().expect("asked for modules only");
        ModuleDocument {
            generation_id: self.generation.to_string(),
            etag: self.etag.to_string(),
            managed_by: self.managed_by.as_deref().map(Into::into),
            connection_state: self.connection,
            connection_state_updated_time: shown_time(self.connection_time),
            last_activity_time: shown_time(self.activity),
            authentication: self.authentication.clone(),
            ..ModuleDocument::new(identity.device.clone(), module)
        }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.status == Status::Enabled
    }

    /// Both keys of an identity that logs in with keys; a missing one is left out.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &SasKey> {
        let keys = &self.authentication.symmetric_key;
        let used = self.authentication.kind == AuthKind::Sas;
        [&keys.primary_key, &keys.secondary_key].into_iter().flatten().filter(move |_| used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_survive_the_way_through_a_record() {
        let device = json!({
            "deviceId": "d", "generationId": "1", "etag": "MQ==", "status": "disabled", "statusReason": "why",
            "statusUpdatedTime": "2026-11-23T13:27:42.1180000Z", "connectionState": "Connected",
            "authentication": {"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": "a"}},
            "capabilities": {"iotEdge": true}, "deviceScope": "ms-azure-iot-edge://d-1", "parentScopes": ["p"],
        });
        let module = json!({"deviceId": "d", "moduleId": "m", "managedBy": "me", "etag": "Mg==",
            "lastActivityTime": "2026-11-23T13:27:42.1180000Z"});
        for document in [
            Document::Device(serde_json::from_value(device).unwrap()),
            Document::Device(DeviceDocument::new("e".parse().unwrap())),
            Document::Module(serde_json::from_value(module).unwrap()),
        ] {
            let back = Record::of(&document).document(&document.identity());
            assert_eq!(back, document);
        }
    }
}
