//! The form of the file: JSON, one document to a line, so that two snapshots can be compared and a fixture can be edited.
//!
//! `{"iotplay-hub-snapshot": 1, "taken": TIME, "ca": {"certificate": PEM, "key": PEM}, "meta": {..}, "identities": {..}, ..}`: the
//! version, then one object of documents by key for every table of the store. All but the version may be left out.

use std::fmt;
use std::io;
use std::path::Path;

use base::Secret;
use indexmap::IndexMap;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::SnapshotError;
use crate::store::{Table, Write};

/// The version of the form.
const VERSION: u64 = 1;
const VERSION_KEY: &str = "iotplay-hub-snapshot";
const TAKEN_KEY: &str = "taken";
const CA_KEY: &str = "ca";
/// A hundred thousand devices with full twins are below it.
const LARGEST: u64 = 16 * 1024 * 1024 * 1024;

/// The state of a hub, read from a file. Its documents are checked when a hub begins with them.
#[derive(Clone)]
pub struct Snapshot {
    /// What complaints call it.
    pub(super) name: String,
    pub(super) ca: Option<Ca>,
    /// In the order in which they must be read: identities before their twins.
    pub(super) rows: Vec<Write>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("name", &self.name)
            .field("documents", &self.rows.len())
            .finish_non_exhaustive()
    }
}

/// The authority that signs the hub's certificate, PEM.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ca {
    pub(super) certificate: String,
    #[serde(deserialize_with = "secret")]
    pub(super) key: Secret,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::from)
}

impl Snapshot {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or has not the form of a snapshot.
    pub fn read(path: &Path) -> Result<Self, SnapshotError> {
        let read = |source| SnapshotError::Read { path: path.to_owned(), source };
        let name = path.display().to_string();
        if std::fs::metadata(path).map_err(read)?.len() > LARGEST {
            return Err(SnapshotError::Damaged { name, reason: "it is larger than 16 GiB".into() });
        }
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&name, &text),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(SnapshotError::Damaged { name, reason: "it is not text".into() })
            }
            Err(source) => Err(read(source)),
        }
    }

    /// Reads a text; `name` is what complaints call it.
    ///
    /// # Errors
    /// When it has not the form of a snapshot.
    pub fn parse(name: &str, text: &str) -> Result<Self, SnapshotError> {
        let damaged = |reason: String| SnapshotError::Damaged { name: name.to_owned(), reason };
        let mut parts: IndexMap<String, Box<RawValue>> =
            serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        let version = parts.shift_remove(VERSION_KEY).ok_or_else(|| damaged(format!("it has no `{VERSION_KEY}`")))?;
        if serde_json::from_str::<u64>(version.get()).ok() != Some(VERSION) {
            let reason = format!("its version is {}, this iotplay reads version {VERSION}", version.get());
            return Err(damaged(reason));
        }
        parts.shift_remove(TAKEN_KEY);
        let part = |key: &str, error: &serde_json::Error| damaged(format!("`{key}`: {error}"));
        let ca = parts
            .shift_remove(CA_KEY)
            .map(|ca| serde_json::from_str(ca.get()).map_err(|error| part(CA_KEY, &error)))
            .transpose()?;
        let mut rows = Vec::new();
        for table in Table::ALL {
            let Some(documents) = parts.shift_remove(table.name()) else { continue };
            let documents: IndexMap<Box<str>, Box<RawValue>> =
                serde_json::from_str(documents.get()).map_err(|error| part(table.name(), &error))?;
            rows.extend(documents.into_iter().map(|(key, document)| Write::put(table, key, document.get().into())));
        }
        match parts.keys().next() {
            None => Ok(Self { name: name.to_owned(), ca, rows }),
            Some(key) => Err(damaged(format!("`{key}` is unknown"))),
        }
    }
}

/// Writes the form, document by document in the order of the tables.
pub(super) struct Writer<W> {
    out: W,
    /// The table whose object is open, and whether it has a document.
    table: Option<Table>,
    pub(super) documents: usize,
}

impl<W: io::Write> Writer<W> {
    pub(super) fn new(mut out: W, taken: &str, ca: Option<(&str, &Secret)>) -> io::Result<Self> {
        write!(out, "{{\n\"{VERSION_KEY}\": {VERSION},\n\"{TAKEN_KEY}\": \"{taken}\"")?;
        if let Some((certificate, key)) = ca {
            let text = |text: &str| serde_json::Value::from(text).to_string();
            write!(
                out,
                ",\n\"{CA_KEY}\": {{\"certificate\": {}, \"key\": {}}}",
                text(certificate),
                text(key.expose())
            )?;
        }
        Ok(Self { out, table: None, documents: 0 })
    }

    pub(super) fn row(&mut self, table: Table, key: &str, document: &[u8]) -> io::Result<()> {
        // Checked here, so that a file that was written can be read.
        let document: &RawValue = serde_json::from_slice(document)?;
        if self.table == Some(table) {
            self.out.write_all(b",\n")?;
        } else {
            let close = if self.table.is_some() { "\n}" } else { "" };
            write!(self.out, "{close},\n\"{}\": {{\n", table.name())?;
            self.table = Some(table);
        }
        self.documents += 1;
        write!(self.out, "{}: {}", serde_json::Value::from(key), document.get())
    }

    pub(super) fn end(mut self) -> io::Result<W> {
        let close = if self.table.is_some() { "\n}" } else { "" };
        writeln!(self.out, "{close}\n}}")?;
        self.out.flush()?;
        Ok(self.out)
    }
}
