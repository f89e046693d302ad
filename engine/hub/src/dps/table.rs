//! What the provisioning service remembers: enrolments of devices and groups, registrations. In memory; rows are read at start.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::dps::{Enrollment, RegistrationState};

use crate::store::{Table, Write};

/// Enrolments of single devices, of groups, and registrations: far more than a test needs, and not without end.
pub(crate) const MOST: [(EnrollmentKind, usize); 2] =
    [(EnrollmentKind::Individual, 100_000), (EnrollmentKind::Group, 100)];
/// A device or a holder of a group's key can make one each.
pub(crate) const MOST_REGISTRATIONS: usize = 1_000_000;

/// Of one device or of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnrollmentKind {
    Individual,
    Group,
}

impl EnrollmentKind {
    pub(crate) fn table(self) -> Table {
        match self {
            Self::Individual => Table::Enrollments,
            Self::Group => Table::EnrollmentGroups,
        }
    }
}

/// A registration as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredRegistration {
    /// What the device asks for.
    pub(crate) operation: String,
    /// The group that it came through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    pub(crate) state: RegistrationState,
}

/// See the module's description. Keys are in small letters: registration ids do not differ by case.
#[derive(Debug, Default)]
pub(crate) struct Provisioning {
    pub(crate) id_scope: String,
    individuals: BTreeMap<String, Enrollment>,
    groups: BTreeMap<String, Enrollment>,
    registrations: BTreeMap<String, StoredRegistration>,
}

impl Provisioning {
    /// Takes a row from the disk.
    pub(crate) fn load(&mut self, table: Table, key: &str, value: &[u8]) -> Result<(), String> {
        let text = |error: serde_json::Error| error.to_string();
        match table {
            Table::Registrations => {
                self.registrations.insert(key.to_owned(), serde_json::from_slice(value).map_err(text)?);
            }
            Table::EnrollmentGroups => {
                self.groups.insert(key.to_owned(), serde_json::from_slice(value).map_err(text)?);
            }
            _ => {
                self.individuals.insert(key.to_owned(), serde_json::from_slice(value).map_err(text)?);
            }
        }
        Ok(())
    }

    pub(crate) fn enrollments(&self, kind: EnrollmentKind) -> &BTreeMap<String, Enrollment> {
        match kind {
            EnrollmentKind::Individual => &self.individuals,
            EnrollmentKind::Group => &self.groups,
        }
    }

    pub(crate) fn enrollment(&self, kind: EnrollmentKind, id: &str) -> Option<&Enrollment> {
        self.enrollments(kind).get(&id.to_ascii_lowercase())
    }

    /// Whether one more has a place.
    pub(crate) fn has_room(&self, kind: EnrollmentKind) -> bool {
        MOST.iter().any(|(known, most)| *known == kind && self.enrollments(kind).len() < *most)
    }

    /// Puts one in, or takes it away; what to write.
    pub(crate) fn set(&mut self, kind: EnrollmentKind, id: &str, enrollment: Option<Enrollment>) -> Write {
        let key = id.to_ascii_lowercase();
        let map = match kind {
            EnrollmentKind::Individual => &mut self.individuals,
            EnrollmentKind::Group => &mut self.groups,
        };
        match enrollment {
            None => {
                map.remove(&key);
                Write::remove(kind.table(), key)
            }
            Some(enrollment) => {
                let json = serde_json::to_vec(&enrollment).expect("plain fields with text keys are JSON");
                map.insert(key.clone(), enrollment);
                Write::put(kind.table(), key, json)
            }
        }
    }

    pub(crate) fn registrations(&self) -> impl Iterator<Item = &StoredRegistration> {
        self.registrations.values()
    }

    pub(crate) fn registration(&self, id: &str) -> Option<&StoredRegistration> {
        self.registrations.get(&id.to_ascii_lowercase())
    }

    /// Whether this registration has a place, old or new.
    pub(crate) fn takes(&self, id: &str) -> bool {
        self.registrations.len() < MOST_REGISTRATIONS || self.registration(id).is_some()
    }

    /// Puts one in, or takes it away; what to write.
    pub(crate) fn set_registration(&mut self, id: &str, registration: Option<StoredRegistration>) -> Write {
        let key = id.to_ascii_lowercase();
        let Some(registration) = registration else {
            self.registrations.remove(&key);
            return Write::remove(Table::Registrations, key);
        };
        let json = serde_json::to_vec(&registration).expect("plain fields with text keys are JSON");
        self.registrations.insert(key.clone(), registration);
        Write::put(Table::Registrations, key, json)
    }
}
