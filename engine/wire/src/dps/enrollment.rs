//! Enrolments: which devices may register, how they prove it, and what becomes of them. One type for single devices and groups.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::RegistrationId;
use crate::{Capabilities, DeviceId, SymmetricKey};

fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An enrolment of one device (`registrationId`) or of a group (`enrollmentGroupId`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Enrollment {
    /// Of one device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_id: Option<RegistrationId>,
    /// Of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrollment_group_id: Option<String>,
    /// The device's id at its hub; the registration's id if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// How a device proves who it is.
    #[serde(default, deserialize_with = "nullable")]
    pub attestation: Attestation,
    /// What the device can do.
    #[serde(default, deserialize_with = "nullable")]
    pub capabilities: Capabilities,
    /// The hub to assign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iot_hub_host_name: Option<String>,
    /// The hubs to choose from; all linked ones if none is given.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub iot_hubs: Vec<String>,
    /// How to choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocation_policy: Option<AllocationPolicy>,
    /// The twin that a device begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_twin: Option<InitialTwin>,
    /// Whether devices may register.
    #[serde(default, deserialize_with = "nullable")]
    pub provisioning_status: ProvisioningStatus,
    /// What a second registration does.
    #[serde(default, deserialize_with = "nullable")]
    pub reprovision_policy: ReprovisionPolicy,
    /// The operator's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional_device_information: Option<Value>,
    /// Version of this document, unquoted.
    #[serde(default, deserialize_with = "nullable")]
    pub etag: String,
    /// When it was made.
    #[serde(default, deserialize_with = "nullable")]
    pub created_date_time_utc: String,
    /// When it was changed.
    #[serde(default, deserialize_with = "nullable")]
    pub last_updated_date_time_utc: String,
}

/// How a device proves who it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attestation {
    /// By what.
    #[serde(rename = "type", default, deserialize_with = "nullable")]
    pub kind: AttestationKind,
    /// Keys; devices of a group have keys derived from them.
    #[serde(rename = "symmetricKey", default, skip_serializing_if = "Option::is_none")]
    pub symmetric_key: Option<SymmetricKey>,
    /// Certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x509: Option<X509Attestation>,
}

/// By what a device proves who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AttestationKind {
    /// Keys.
    #[default]
    SymmetricKey,
    /// Certificates.
    X509,
    /// A security chip; not over MQTT.
    Tpm,
}

/// Certificates by what they are for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct X509Attestation {
    /// The device's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificates: Option<Certificates<X509Certificate>>,
    /// Authorities that sign a group's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_certificates: Option<Certificates<X509Certificate>>,
    /// Names of authorities that the service knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_references: Option<Certificates<String>>,
}

/// Two, so that one can be replaced while the other is in use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Certificates<T> {
    /// The first.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub primary: Option<T>,
    /// The second.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub secondary: Option<T>,
}

fn none<T>() -> Option<T> {
    None
}

impl<T> Certificates<T> {
    /// Those that are there.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        [&self.primary, &self.secondary].into_iter().flatten()
    }
}

/// A certificate of an enrolment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct X509Certificate {
    /// PEM, or base64 of PEM or DER.
    #[serde(default, deserialize_with = "nullable")]
    pub certificate: String,
    /// What it says; the service's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<CertificateInfo>,
}

/// What a certificate says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateInfo {
    /// Whom it is for.
    #[serde(default)]
    pub subject_name: String,
    /// 40 hexadecimal digits.
    #[serde(default)]
    pub sha1_thumbprint: String,
    /// 64 hexadecimal digits.
    #[serde(default)]
    pub sha256_thumbprint: String,
    /// When it ends.
    #[serde(default)]
    pub not_after_utc: String,
}

/// How a hub is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AllocationPolicy {
    /// Evenly, by the registration's id.
    Hashed,
    /// The nearest.
    GeoLatency,
    /// The one that is named.
    Static,
    /// A program of the operator's decides.
    Custom,
}

/// A twin to begin with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InitialTwin {
    /// Tags.
    #[serde(default, deserialize_with = "nullable")]
    pub tags: Map<String, Value>,
    /// `{"desired": {..}}`.
    #[serde(default, deserialize_with = "nullable")]
    pub properties: Map<String, Value>,
}

/// Whether devices may register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProvisioningStatus {
    /// They may.
    #[default]
    Enabled,
    /// They may not.
    Disabled,
}

/// What a second registration does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReprovisionPolicy {
    /// Another hub may be chosen.
    pub update_hub_assignment: bool,
    /// The twin goes along to it.
    pub migrate_device_data: bool,
}

impl Default for ReprovisionPolicy {
    fn default() -> Self {
        Self { update_hub_assignment: true, migrate_device_data: true }
    }
}

/// Many enrolments of single devices at once.
#[derive(Clone, Debug, Deserialize)]
pub struct EnrollmentBulk {
    /// Which.
    pub enrollments: Vec<Enrollment>,
    /// What to do.
    pub mode: EnrollmentBulkMode,
}

/// What a bulk request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EnrollmentBulkMode {
    /// What must not be there yet.
    Create,
    /// Whatever there is.
    Update,
    /// What is still at that version.
    UpdateIfMatchETag,
    /// Away with them.
    Delete,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sdks_and_documents_say_is_read() {
        let text = r#"{"registrationId":"Reg-1","attestation":{"type":"symmetricKey","symmetricKey":{"primaryKey":"","secondaryKey":null}},
            "capabilities":{"iotEdge":false},"iotHubHostName":null,"initialTwin":{"tags":null,"properties":{"desired":{"a":1}}},
            "reprovisionPolicy":{"updateHubAssignment":true,"migrateDeviceData":false},"allocationPolicy":"static","iotHubs":["h"],
            "provisioningStatus":"enabled","customAllocationDefinition":null,"somethingNew":1}"#;
        let read: Enrollment = serde_json::from_str(text).unwrap();
        assert_eq!(read.registration_id.as_ref().unwrap().key(), "reg-1");
        assert_eq!((read.allocation_policy, read.iot_hubs.len()), (Some(AllocationPolicy::Static), 1));
        assert!(!read.reprovision_policy.migrate_device_data);
        let again: Enrollment = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
        assert_eq!(again, read);
        let group: Enrollment = serde_json::from_str(
            r#"{"enrollmentGroupId":"g","attestation":{"type":"x509","x509":{"signingCertificates":{"primary":{"certificate":"PEM"}}}}}"#,
        )
        .unwrap();
        let certificates = group.attestation.x509.unwrap().signing_certificates.unwrap();
        assert_eq!(certificates.iter().map(|one| one.certificate.as_str()).collect::<Vec<_>>(), ["PEM"]);
        assert!(serde_json::from_str::<Enrollment>(r#"{"registrationId":"a b"}"#).is_err());
    }
}
