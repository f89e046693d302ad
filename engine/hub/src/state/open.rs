//! Brings the state back from the data folder at start, or begins with nothing.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock};

use base::{Clock, Seed};
use rand::Rng;
use tokio::sync::Notify;
use wire::{ConnectionState, Identity, SasKey, Twin};

use super::HubState;
use super::authorities::Authorities;
use super::device_side::read_session;
use super::hub_state::Inner;
use super::jobs::Jobs;
use super::messages::Mail;
use super::record::{Document, Record};
use super::registry::{Entry, EntryMut, Registry};
use super::uploads::Uploads;
use crate::auth::{Hosts, Policies, ServiceAuth};
use crate::config::HubStartError;
use crate::data_dir::DataDir;
use crate::dps::Provisioning;
use crate::exchange::Exchange;
use crate::snapshot::{Snapshot, SnapshotError};
use crate::store::{Store, StoreOpenError, StoreWorkers, Table, Write};

/// Where policies are kept.
const POLICIES: &str = "policies";
/// Where the name of the provisioning service is kept.
const ID_SCOPE: &str = "id-scope";
/// Where the key of uploads' tokens is kept.
const UPLOAD_KEY: &str = "upload-key";
/// Where the layout of the store is named.
const FORMAT: &str = "format";
/// The layout of today; a folder written by a later iotplay is refused instead of misread.
const FORMAT_NOW: &[u8] = b"1";

/// What was read, and what is still to be put together: a twin comes after its identity.
#[derive(Default)]
struct Loaded {
    registry: Registry,
    jobs: Jobs,
    authorities: Authorities,
    provisioning: Provisioning,
    mail: Mail,
    uploads: Uploads,
    policies: Option<Policies>,
    last_generation: u64,
}

impl HubState {
    /// Without a fixture.
    #[cfg(test)]
    pub(crate) fn open(
        data_dir: Option<&DataDir>,
        hosts: Hosts,
        exchange: Arc<Exchange>,
        clock: Clock,
        seed: Seed,
    ) -> Result<(Self, StoreWorkers), HubStartError> {
        Self::begin(data_dir, None, hosts, exchange, clock, seed)
    }

    /// Reads the folder's state; writes policies if there were none. Without a folder it begins with the fixture, if there is one.
    pub(crate) fn begin(
        data_dir: Option<&DataDir>,
        fixture: Option<&Snapshot>,
        hosts: Hosts,
        exchange: Arc<Exchange>,
        clock: Clock,
        seed: Seed,
    ) -> Result<(Self, StoreWorkers), HubStartError> {
        let mut loaded = Loaded::default();
        let (store, workers) = match data_dir {
            None => {
                if let Some(fixture) = fixture {
                    loaded = Loaded::of(fixture, &clock)?;
                }
                Store::memory()
            }
            Some(data_dir) => {
                Store::open(&data_dir.store(), &mut |table, key, value| loaded.row(table, key, value, &clock))
                    .map_err(|error| refuse(&error))?
            }
        };
        let policies = loaded.policies.unwrap_or_else(|| {
            let policies = Policies::generate(&mut rand::rng());
            let json = serde_json::to_vec(&policies.stored()).expect("plain fields with text keys are JSON");
            let writes =
                vec![Write::put(Table::Meta, FORMAT, FORMAT_NOW.into()), Write::put(Table::Meta, POLICIES, json)];
            store.write_first(writes);
            policies
        });
        if loaded.provisioning.id_scope.is_empty() {
            // The form of the real ones: `0ne` and eight digits.
            let id_scope = format!("0ne{:08X}", rand::rng().random::<u32>());
            let json = serde_json::to_vec(&id_scope).expect("a text is JSON");
            store.write_first(vec![Write::put(Table::Meta, ID_SCOPE, json)]);
            loaded.provisioning.id_scope = id_scope;
        }
        if loaded.uploads.key.is_none() {
            let key = SasKey::generate(&mut rand::rng());
            let json = serde_json::to_vec(&key).expect("a text is JSON");
            store.write_first(vec![Write::put(Table::Meta, UPLOAD_KEY, json)]);
            loaded.uploads.key = Some(key);
        }
        let cut_off = loaded.jobs.loaded(clock.now());
        if !cut_off.is_empty() {
            store.write_first(cut_off);
        }
        let inner = Inner {
            registry: loaded.registry,
            jobs: loaded.jobs,
            authorities: loaded.authorities,
            provisioning: loaded.provisioning,
            mail: loaded.mail,
            uploads: loaded.uploads,
            rng: seed.of("etags").rng(),
            last_generation: loaded.last_generation,
            seen: HashSet::new(),
        };
        let auth = ServiceAuth::new(policies, hosts);
        Ok((
            Self {
                clock,
                auth,
                store,
                exchange,
                inner: Mutex::new(inner),
                jobs_wake: Notify::new(),
                uploads_changed: Notify::new(),
                links: OnceLock::new(),
            },
            workers,
        ))
    }
}

impl Loaded {
    fn of(snapshot: &Snapshot, clock: &Clock) -> Result<Self, SnapshotError> {
        let mut loaded = Self::default();
        for row in snapshot.rows() {
            let value = row.value.as_deref().unwrap_or_default();
            loaded
                .row(row.table, &row.key, value, clock)
                .map_err(|reason| snapshot.damaged(format!("`{}` of `{}`: {reason}", row.key, row.table.name())))?;
        }
        Ok(loaded)
    }

    fn row(&mut self, table: Table, key: &str, value: &[u8], clock: &Clock) -> Result<(), String> {
        match table {
            Table::Meta => self.meta(key, value),
            Table::Identities => {
                let document = read_document(key, value)?;
                let identity = document.identity();
                let mut record = Record::of(&document);
                record.connection = ConnectionState::Disconnected;
                self.last_generation = self.last_generation.max(record.generation.parse().unwrap_or(0));
                // Its own twin follows; this one stands in for a twin that never came, which cannot happen: both are one commit.
                let twin = Twin::new(identity.clone(), clock.now());
                if self.registry.insert(&identity, Entry::new(record, twin)) {
                    return Ok(());
                }
                Err("a module without its device".into())
            }
            Table::Twins => {
                let mut twin: Twin = serde_json::from_slice(value).map_err(|error| error.to_string())?;
                let mut entry = self.entry(key)?;
                // The registry's own text of the id serves both.
                std::mem::swap(&mut twin.identity, &mut entry.twin.identity);
                entry.twin = twin;
                Ok(())
            }
            Table::Sessions => {
                self.entry(key)?.session = Some(read_session(value)?);
                Ok(())
            }
            Table::Authorities => self.authorities.load(key, value),
            Table::Enrollments | Table::EnrollmentGroups | Table::Registrations => {
                self.provisioning.load(table, key, value)
            }
            Table::Messages | Table::Feedback => self.mail.load(&mut self.registry, table, key, value),
            Table::Uploads | Table::Files => self.uploads.load(table, key, value),
            Table::Jobs | Table::JobTargets | Table::JobDevices => self.jobs.load(table, key, value, clock.now()),
        }
    }

    fn meta(&mut self, key: &str, value: &[u8]) -> Result<(), String> {
        match key {
            FORMAT if value == FORMAT_NOW => Ok(()),
            FORMAT => Err("written by another version of iotplay".into()),
            POLICIES => {
                let stored = serde_json::from_slice(value).map_err(|error| error.to_string())?;
                let policies = Policies::restore(&stored).ok_or("a built-in policy is missing")?;
                self.policies = Some(policies);
                Ok(())
            }
            ID_SCOPE => {
                self.provisioning.id_scope = serde_json::from_slice(value).map_err(|error| error.to_string())?;
                Ok(())
            }
            UPLOAD_KEY => {
                self.uploads.key = Some(serde_json::from_slice(value).map_err(|error| error.to_string())?);
                Ok(())
            }
            _ => Err("unknown".into()),
        }
    }

    fn entry(&mut self, key: &str) -> Result<EntryMut<'_>, String> {
        let identity: Identity = key.parse().map_err(|_| "not an identity".to_owned())?;
        self.registry.get_mut(&identity).ok_or_else(|| "without its identity".to_owned())
    }
}

fn read_document(key: &str, value: &[u8]) -> Result<Document, String> {
    let identity: Identity = key.parse().map_err(|_| "not an identity".to_owned())?;
    let document = match identity.module {
        None => serde_json::from_slice(value).map(Document::Device),
        Some(_) => serde_json::from_slice(value).map(Document::Module),
    };
    let document = document.map_err(|error| error.to_string())?;
    if document.identity() == identity { Ok(document) } else { Err("a document of another identity".into()) }
}

fn refuse(error: &StoreOpenError) -> HubStartError {
    HubStartError::State { reason: error.full(), mend: error.mend().to_owned() }
}

/// Whether a hub could begin with these documents, and how many devices it would have.
pub(crate) fn check_rows(snapshot: &Snapshot) -> Result<usize, SnapshotError> {
    let (clock, _) = Clock::manual(std::time::UNIX_EPOCH);
    Loaded::of(snapshot, &clock).map(|loaded| loaded.registry.counts().total)
}
