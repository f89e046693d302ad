//! Identities as the registry's documents. Reading is lenient, as SDKs leave out, null or blank what they do not know; writing
//! keeps the service's order and spelling.

use base::NEVER;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{DeviceId, HubError, Identity, ModuleId, SasKey, limits};

/// Whether a device may connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It may.
    #[default]
    Enabled,
    /// It may not; an open connection is cut.
    Disabled,
}

impl Status {
    /// The word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }
}

/// Whether it is connected now, as far as the hub knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConnectionState {
    /// It is.
    Connected,
    /// It is not.
    #[default]
    Disconnected,
}

impl ConnectionState {
    /// The word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "Connected",
            Self::Disconnected => "Disconnected",
        }
    }
}

/// How a device proves who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AuthKind {
    /// By a token signed with one of two keys.
    #[default]
    Sas,
    /// By a certificate of one of two thumbprints.
    SelfSigned,
    /// By a certificate of a known authority.
    CertificateAuthority,
    /// Not at all.
    None,
}

impl AuthKind {
    /// The word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sas => "sas",
            Self::SelfSigned => "selfSigned",
            Self::CertificateAuthority => "certificateAuthority",
            Self::None => "none",
        }
    }
}

/// `null` and absence are the default.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// `null`, absence and `""` are none.
fn blank<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

/// A key, where `""` means none.
fn key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SasKey>, D::Error> {
    let text = blank(deserializer)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}

fn never() -> String {
    NEVER.to_owned()
}

/// Two keys; none where the hub is to make one, or must not show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SymmetricKey {
    /// The first.
    #[serde(default, deserialize_with = "key")]
    pub primary_key: Option<SasKey>,
    /// The second, so that one can be changed while the other is in use.
    #[serde(default, deserialize_with = "key")]
    pub secondary_key: Option<SasKey>,
}

/// Two thumbprints, 40 or 64 hex digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct X509Thumbprint {
    /// The first.
    #[serde(default, deserialize_with = "blank")]
    pub primary_thumbprint: Option<String>,
    /// The second.
    #[serde(default, deserialize_with = "blank")]
    pub secondary_thumbprint: Option<String>,
}

/// How an identity proves who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authentication {
    /// Keys.
    #[serde(default, deserialize_with = "nullable")]
    pub symmetric_key: SymmetricKey,
    /// Certificates.
    #[serde(default, deserialize_with = "nullable")]
    pub x509_thumbprint: X509Thumbprint,
    /// Which of them.
    #[serde(rename = "type", default, deserialize_with = "nullable")]
    pub kind: AuthKind,
}

impl Authentication {
    /// Checks sizes of keys and forms of thumbprints.
    pub fn check(&self) -> Result<(), HubError> {
        let keys = [&self.symmetric_key.primary_key, &self.symmetric_key.secondary_key];
        let (least, most) = limits::KEY_BYTES;
        if keys.into_iter().flatten().any(|key| !(least..=most).contains(&key.size())) {
            return Err(HubError::invalid(format!("A symmetric key has {least} to {most} bytes.")));
        }
        let is_thumbprint =
            |text: &str| matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let prints = [&self.x509_thumbprint.primary_thumbprint, &self.x509_thumbprint.secondary_thumbprint];
        if prints.into_iter().flatten().any(|print| !is_thumbprint(print)) {
            return Err(HubError::invalid("A thumbprint has 40 or 64 hexadecimal digits."));
        }
        if self.kind == AuthKind::SelfSigned && self.x509_thumbprint.primary_thumbprint.is_none() {
            return Err(HubError::invalid("A device with a self-signed certificate needs a primary thumbprint."));
        }
        Ok(())
    }
}

/// What a device can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// Whether it is an Edge device.
    #[serde(default, deserialize_with = "nullable")]
    pub iot_edge: bool,
}

/// A device in the registry. Times are texts with seven fractional digits, or [`base::NEVER`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceDocument {
    /// Its id.
    pub device_id: DeviceId,
    /// New whenever a device of this id is made anew.
    #[serde(default, deserialize_with = "nullable")]
    pub generation_id: String,
    /// Version of this document, unquoted.
    #[serde(default, deserialize_with = "nullable")]
    pub etag: String,
    /// Whether it is connected.
    #[serde(default, deserialize_with = "nullable")]
    pub connection_state: ConnectionState,
    /// Whether it may connect.
    #[serde(default, deserialize_with = "nullable")]
    pub status: Status,
    /// Why, in the operator's words.
    #[serde(default, deserialize_with = "blank")]
    pub status_reason: Option<String>,
    /// When the connection state changed last.
    #[serde(default = "never", deserialize_with = "nullable")]
    pub connection_state_updated_time: String,
    /// When the status changed last.
    #[serde(default = "never", deserialize_with = "nullable")]
    pub status_updated_time: String,
    /// When it connected, received or sent last.
    #[serde(default = "never", deserialize_with = "nullable")]
    pub last_activity_time: String,
    /// Messages waiting for it.
    #[serde(default, deserialize_with = "nullable")]
    pub cloud_to_device_message_count: u32,
    /// How it proves who it is.
    #[serde(default, deserialize_with = "nullable")]
    pub authentication: Authentication,
    /// What it can do.
    #[serde(default, deserialize_with = "nullable")]
    pub capabilities: Capabilities,
    /// Of Edge devices and their children.
    #[serde(default, deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub device_scope: Option<String>,
    /// Of Edge devices and their children.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub parent_scopes: Vec<String>,
}

/// A module in the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModuleDocument {
    /// Its id.
    pub module_id: ModuleId,
    /// Who manages it, such as `IotEdge`.
    #[serde(default, deserialize_with = "blank")]
    pub managed_by: Option<String>,
    /// Its device.
    pub device_id: DeviceId,
    /// New whenever a module of this id is made anew.
    #[serde(default, deserialize_with = "nullable")]
    pub generation_id: String,
    /// Version of this document, unquoted.
    #[serde(default, deserialize_with = "nullable")]
    pub etag: String,
    /// Whether it is connected.
    #[serde(default, deserialize_with = "nullable")]
    pub connection_state: ConnectionState,
    /// When the connection state changed last.
    #[serde(default = "never", deserialize_with = "nullable")]
    pub connection_state_updated_time: String,
    /// When it connected, received or sent last.
    #[serde(default = "never", deserialize_with = "nullable")]
    pub last_activity_time: String,
    /// Messages waiting for it.
    #[serde(default, deserialize_with = "nullable")]
    pub cloud_to_device_message_count: u32,
    /// How it proves who it is.
    #[serde(default, deserialize_with = "nullable")]
    pub authentication: Authentication,
}

impl DeviceDocument {
    /// A device as a client asks for it: everything else is the hub's to fill.
    pub fn new(device_id: DeviceId) -> Self {
        Self {
            device_id,
            generation_id: String::new(),
            etag: String::new(),
            connection_state: ConnectionState::default(),
            status: Status::default(),
            status_reason: None,
            connection_state_updated_time: never(),
            status_updated_time: never(),
            last_activity_time: never(),
            cloud_to_device_message_count: 0,
            authentication: Authentication::default(),
            capabilities: Capabilities::default(),
            device_scope: None,
            parent_scopes: Vec::new(),
        }
    }

    /// Who it is.
    pub fn identity(&self) -> Identity {
        Identity::device(self.device_id.clone())
    }

    /// Checks what a client may set.
    pub fn check(&self) -> Result<(), HubError> {
        let most = limits::STATUS_REASON_CHARS;
        if self.status_reason.as_ref().is_some_and(|reason| reason.chars().count() > most) {
            return Err(HubError::invalid(format!("statusReason has at most {most} characters.")));
        }
        self.authentication.check()
    }
}

impl ModuleDocument {
    /// A module as a client asks for it: everything else is the hub's to fill.
    pub fn new(device_id: DeviceId, module_id: ModuleId) -> Self {
        Self {
            module_id,
            managed_by: None,
            device_id,
            generation_id: String::new(),
            etag: String::new(),
            connection_state: ConnectionState::default(),
            connection_state_updated_time: never(),
            last_activity_time: never(),
            cloud_to_device_message_count: 0,
            authentication: Authentication::default(),
        }
    }

    /// Who it is.
    pub fn identity(&self) -> Identity {
        Identity::module(self.device_id.clone(), self.module_id.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn reads_what_sdks_send() {
        let python: DeviceDocument = serde_json::from_value(json!({
            "deviceId": "d1", "status": "disabled", "capabilities": {"iotEdge": false},
            "authentication": {"symmetricKey": {}, "type": "sas"}
        }))
        .unwrap();
        assert_eq!((python.status, python.authentication.symmetric_key), (Status::Disabled, SymmetricKey::default()));
        let node: DeviceDocument = serde_json::from_value(json!({
            "deviceId": "d1", "statusReason": null, "authentication": {"type": "sas", "symmetricKey": {"primaryKey": "", "secondaryKey": ""}, "x509Thumbprint": null},
            "connectionState": null, "etag": null, "somethingNew": 1
        }))
        .unwrap();
        assert_eq!(node, DeviceDocument::new("d1".parse().unwrap()));
        for wrong in [
            json!({}),
            json!({"deviceId": ""}),
            json!({"deviceId": "d", "status": "Enabled"}),
            json!({"deviceId": "d", "authentication": {"symmetricKey": {"primaryKey": "not base64"}}}),
            json!({"deviceId": "d", "authentication": {"type": "x509"}}),
        ] {
            assert!(serde_json::from_value::<DeviceDocument>(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn writes_the_services_order() {
        let document = DeviceDocument::new("d1".parse().unwrap());
        let Value::Object(written) = serde_json::to_value(&document).unwrap() else { panic!("an object") };
        let keys: Vec<_> = written.keys().map(String::as_str).collect();
        assert_eq!(
            keys.join(" "),
            "deviceId generationId etag connectionState status statusReason connectionStateUpdatedTime statusUpdatedTime \
             lastActivityTime cloudToDeviceMessageCount authentication capabilities"
        );
        assert_eq!(
            serde_json::to_string(&written["authentication"]).unwrap(),
            r#"{"symmetricKey":{"primaryKey":null,"secondaryKey":null},"x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null},"type":"sas"}"#
        );
        assert_eq!(serde_json::from_value::<DeviceDocument>(Value::Object(written)).unwrap(), document);
        let module = ModuleDocument::new("d1".parse().unwrap(), "m".parse().unwrap());
        let text = serde_json::to_string(&module).unwrap();
        assert!(text.starts_with(r#"{"moduleId":"m","managedBy":null,"deviceId":"d1","generationId":"","etag":"","connectionState":"Disconnected""#), "{text}");
        assert_eq!(serde_json::from_str::<ModuleDocument>(&text).unwrap(), module);
    }

    #[test]
    fn checks_keys_and_thumbprints() {
        let mut document = DeviceDocument::new("d".parse().unwrap());
        assert!(document.check().is_ok());
        document.authentication.symmetric_key.primary_key = Some(SasKey::from_bytes(vec![1; 15]));
        assert!(document.check().is_err());
        document.authentication = Authentication { kind: AuthKind::SelfSigned, ..Default::default() };
        assert!(document.check().is_err());
        document.authentication.x509_thumbprint.primary_thumbprint = Some("A".repeat(40));
        assert!(document.check().is_ok());
        document.authentication.x509_thumbprint.secondary_thumbprint = Some("x".repeat(40));
        assert!(document.check().is_err());
        document = DeviceDocument { status_reason: Some("x".repeat(129)), ..DeviceDocument::new("d".parse().unwrap()) };
        assert!(document.check().is_err());
    }
}
