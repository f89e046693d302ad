//! The twin as the service shows it: the identity's facts around tags and properties, in the service's order.

use serde_json::{Map, Value, json};

use super::twin::Twin;
use crate::{AuthKind, Authentication, ConnectionState, DeviceDocument, ModuleDocument, Status};

/// What both documents have of the identity.
struct Facts<'a> {
    etag: &'a str,
    status: Status,
    status_reason: Option<&'a str>,
    status_time: &'a str,
    connection: ConnectionState,
    activity: &'a str,
    waiting: u32,
    authentication: &'a Authentication,
}

impl Twin {
    /// The whole document of a device's twin.
    pub fn document(&self, device: &DeviceDocument) -> Value {
        let mut written = self.written(&Facts {
            etag: &device.etag,
            status: device.status,
            status_reason: device.status_reason.as_deref(),
            status_time: &device.status_updated_time,
            connection: device.connection_state,
            activity: &device.last_activity_time,
            waiting: device.cloud_to_device_message_count,
            authentication: &device.authentication,
        });
        written.insert("capabilities".into(), json!({ "iotEdge": device.capabilities.iot_edge }));
        if let Some(scope) = &device.device_scope {
            written.insert("deviceScope".into(), json!(scope));
        }
        if !device.parent_scopes.is_empty() {
            written.insert("parentScopes".into(), json!(device.parent_scopes));
        }
        Value::Object(written)
    }

    /// The whole document of a module's twin. Modules have no status of their own.
    pub fn module_document(&self, module: &ModuleDocument) -> Value {
        Value::Object(self.written(&Facts {
            etag: &module.etag,
            status: Status::Enabled,
            status_reason: None,
            status_time: base::NEVER,
            connection: module.connection_state,
            activity: &module.last_activity_time,
            waiting: module.cloud_to_device_message_count,
            authentication: &module.authentication,
        }))
    }

    fn written(&self, facts: &Facts<'_>) -> Map<String, Value> {
        let mut written = Map::new();
        let mut put = |key: &str, value: Value| written.insert(key.to_owned(), value);
        put("deviceId", json!(self.identity.device));
        if let Some(module) = &self.identity.module {
            put("moduleId", json!(module));
        }
        put("etag", json!(self.etag()));
        put("deviceEtag", json!(facts.etag));
        put("status", json!(facts.status));
        if let Some(reason) = facts.status_reason {
            put("statusReason", json!(reason));
        }
        put("statusUpdateTime", json!(facts.status_time));
        put("connectionState", json!(facts.connection));
        put("lastActivityTime", json!(facts.activity));
        put("cloudToDeviceMessageCount", json!(facts.waiting));
        put("authenticationType", json!(facts.authentication.kind));
        let no_print = facts.authentication.kind != AuthKind::SelfSigned;
        let print = &facts.authentication.x509_thumbprint;
        put(
            "x509Thumbprint",
            if no_print { json!({ "primaryThumbprint": null, "secondaryThumbprint": null }) } else { json!(print) },
        );
        put("modelId", json!(self.model_id));
        put("version", json!(self.version));
        if !self.tags.is_empty() {
            put("tags", Value::Object(self.tags.clone()));
        }
        let properties =
            json!({ "desired": self.desired.to_json_service(), "reported": self.reported.to_json_service() });
        put("properties", properties);
        written
    }
}
