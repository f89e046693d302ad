//! The five policies that every IoT Hub is born with, each with two keys made at the first start.

use rand::Rng;
use serde::{Deserialize, Serialize};
use wire::SasKey;

use super::Permission::{DeviceConnect, RegistryRead, RegistryWrite, ServiceConnect};
use super::Permissions;

/// The policy that may do everything.
pub(crate) const OWNER: &str = "iothubowner";

const BUILT_IN: [(&str, Permissions); 5] = [
    (OWNER, Permissions::of(&[RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect])),
    ("service", Permissions::of(&[ServiceConnect])),
    ("device", Permissions::of(&[DeviceConnect])),
    ("registryRead", Permissions::of(&[RegistryRead])),
    ("registryReadWrite", Permissions::of(&[RegistryRead, RegistryWrite])),
];

/// A name, what it may do, and its keys: both valid at all times.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) name: &'static str,
    pub(crate) permissions: Permissions,
    pub(crate) primary: SasKey,
    pub(crate) secondary: SasKey,
}

/// The keys as they are stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredPolicies(Vec<StoredPolicy>);

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPolicy {
    name: String,
    primary: SasKey,
    secondary: SasKey,
}

/// All policies of this hub.
#[derive(Clone, Debug)]
pub(crate) struct Policies(Vec<Policy>);

impl Policies {
    /// Fresh keys for all.
    pub(crate) fn generate(rng: &mut impl Rng) -> Self {
        let policy = |(name, permissions)| {
            let (primary, secondary) = (SasKey::generate(rng), SasKey::generate(rng));
            Policy { name, permissions, primary, secondary }
        };
        Self(BUILT_IN.map(policy).into())
    }

    /// The kept keys; none when a built-in policy is missing.
    pub(crate) fn restore(stored: &StoredPolicies) -> Option<Self> {
        let policy = |(name, permissions)| {
            let StoredPolicy { primary, secondary, .. } = stored.0.iter().find(|policy| policy.name == name)?;
            Some(Policy { name, permissions, primary: primary.clone(), secondary: secondary.clone() })
        };
        BUILT_IN.into_iter().map(policy).collect::<Option<_>>().map(Self)
    }

    pub(crate) fn stored(&self) -> StoredPolicies {
        let stored = |policy: &Policy| StoredPolicy {
            name: policy.name.into(),
            primary: policy.primary.clone(),
            secondary: policy.secondary.clone(),
        };
        StoredPolicies(self.0.iter().map(stored).collect())
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Policy> {
        self.0.iter().find(|policy| policy.name == name)
    }

    pub(crate) fn owner(&self) -> &Policy {
        &self.0[0]
    }
}
