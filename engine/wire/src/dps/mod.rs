//! The words of the Device Provisioning Service: user names, topics, enrolments, registrations, errors. Pure.

mod enrollment;
mod error;
mod path;
mod registration;
mod registration_id;
mod topic;
mod username;

pub use enrollment::{
    AllocationPolicy, Attestation, AttestationKind, CertificateInfo, Certificates, Enrollment, EnrollmentBulk,
    EnrollmentBulkMode, InitialTwin, ProvisioningStatus, ReprovisionPolicy, X509Attestation, X509Certificate,
};
pub use error::DpsError;
pub use path::DpsPath;
pub use registration::{RegisterRequest, RegistrationOperation, RegistrationState, RegistrationStatus};
pub use registration_id::{RegistrationId, RegistrationIdError};
pub use topic::{DPS_RESPONSES, DpsTopic};
pub use username::{DPS_API_VERSION, DpsUsername, dps_resource};
