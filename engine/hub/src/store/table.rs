//! The words of the store: its tables, one write, and what can go wrong when the file is opened.

use std::path::PathBuf;

use redb::TableDefinition;
use thiserror::Error;

/// A table of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Table {
    /// Format, policies: one document each.
    Meta,
    /// Devices and modules, by `device` or `device/module`.
    Identities,
    /// Twins, by the same key.
    Twins,
    /// Kept MQTT subscriptions, by the same key.
    Sessions,
    /// Certificate authorities of devices, by name.
    Authorities,
    /// Enrolments of single devices, by registration id in small letters.
    Enrollments,
    /// Enrolments of groups, by name in small letters.
    EnrollmentGroups,
    /// Registrations, by registration id in small letters.
    Registrations,
    /// Cloud-to-device messages that wait, by device and number.
    Messages,
    /// What became of such messages, by number.
    Feedback,
    /// Uploads of files, by correlation id.
    Uploads,
    /// Which files there are, by `device/name`. Contents are in a folder of their own.
    Files,
    /// Jobs, by id.
    Jobs,
    /// The devices of a job, by the job's id.
    JobTargets,
    /// What came of a job for one device, by the job's id and the device's place in the job.
    JobDevices,
}

impl Table {
    /// All tables, in the order in which they are read at start: an identity before its twin, a job before its devices.
    pub(crate) const ALL: [Self; 15] = [
        Self::Meta,
        Self::Authorities,
        Self::Enrollments,
        Self::EnrollmentGroups,
        Self::Registrations,
        Self::Identities,
        Self::Twins,
        Self::Sessions,
        Self::Messages,
        Self::Feedback,
        Self::Uploads,
        Self::Files,
        Self::Jobs,
        Self::JobTargets,
        Self::JobDevices,
    ];

    /// Its name on the disk and in a snapshot.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Identities => "identities",
            Self::Twins => "twins",
            Self::Sessions => "sessions",
            Self::Authorities => "authorities",
            Self::Enrollments => "enrollments",
            Self::EnrollmentGroups => "enrollment-groups",
            Self::Registrations => "registrations",
            Self::Messages => "messages",
            Self::Feedback => "feedback",
            Self::Uploads => "uploads",
            Self::Files => "files",
            Self::Jobs => "jobs",
            Self::JobTargets => "job-targets",
            Self::JobDevices => "job-devices",
        }
    }

    pub(super) fn definition(self) -> TableDefinition<'static, &'static str, &'static [u8]> {
        TableDefinition::new(self.name())
    }
}

/// One document to put (`Some`) or to remove (`None`). Whole documents only, so a write may be repeated.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) table: Table,
    pub(crate) key: Box<str>,
    pub(crate) value: Option<Vec<u8>>,
}

impl Write {
    pub(crate) fn put(table: Table, key: impl Into<Box<str>>, value: Vec<u8>) -> Self {
        Self { table, key: key.into(), value: Some(value) }
    }

    pub(crate) fn remove(table: Table, key: impl Into<Box<str>>) -> Self {
        Self { table, key: key.into(), value: None }
    }
}

/// Takes a document as it is read at start; a text refuses the file.
pub(crate) type Row<'a> = dyn FnMut(Table, &str, &[u8]) -> Result<(), String> + 'a;

/// Why the file with the hub's state cannot be used.
#[derive(Debug, Error)]
pub(crate) enum StoreOpenError {
    #[error("another process has {path} open")]
    InUse { path: PathBuf },
    #[error("{path} is not a database of this hub, or it is damaged: {reason}")]
    Damaged { path: PathBuf, reason: String },
    #[error("cannot read or write {path}")]
    Io { path: PathBuf, source: std::io::Error },
}

impl StoreOpenError {
    /// What to do about it.
    pub(crate) fn mend(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "stop the other process, or choose another folder with --data",
            Self::Damaged { .. } => {
                "move that file away to begin with an empty registry, or bring it back from a copy or a snapshot"
            }
            Self::Io { .. } => "check the rights on that file and the space on its disk",
        }
    }

    /// The error and its causes in one line.
    pub(crate) fn full(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |cause| cause.source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }
}
