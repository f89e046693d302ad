//! Brings the state back from the data folder at start, or begins with nothing.

use std::sync::{Arc, Mutex};

use base::{Clock, Seed};
use tokio::sync::Notify;
use wire::{ConnectionState, Identity, Twin};

use super::HubState;
use super::device_side::read_session;
use super::hub_state::Inner;
use super::jobs::Jobs;
use super::record::{Document, Record};
use super::registry::{Entry, EntryMut, Registry};
use crate::auth::{Hosts, Policies, ServiceAuth};
use crate::config::HubStartError;
use crate::data_dir::DataDir;
use crate::exchange::Exchange;
use crate::store::{Store, StoreOpenError, StoreWorkers, Table, Write};

pub(crate) use crate::store::StoreWorkers as StateWorkers;

/// Where policies are kept.
const POLICIES: &str = "policies";
/// Where the layout of the store is named.
const FORMAT: &str = "format";
/// The layout of today; a folder written by a later iotplay is refused instead of misread.
const FORMAT_NOW: &[u8] = b"1";

/// What was read, and what is still to be put together: a twin comes after its identity.
#[derive(Default)]
struct Loaded {
    registry: Registry,
    jobs: Jobs,
    policies: Option<Policies>,
    last_generation: u64,
}

impl HubState {
    /// Reads the folder's state; writes policies if there were none.
    pub(crate) fn open(
        data_dir: Option<&DataDir>,
        hosts: Hosts,
        exchange: Arc<Exchange>,
        clock: Clock,
        seed: Seed,
    ) -> Result<(Self, StoreWorkers), HubStartError> {
        let mut loaded = Loaded::default();
        let (store, workers) = match data_dir {
            None => Store::memory(),
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
        let cut_off = loaded.jobs.loaded(clock.now());
        if !cut_off.is_empty() {
            store.write_first(cut_off);
        }
        let inner = Inner {
            registry: loaded.registry,
            jobs: loaded.jobs,
            rng: seed.of("etags").rng(),
            last_generation: loaded.last_generation,
        };
        let auth = ServiceAuth::new(policies, hosts);
        Ok((Self { clock, auth, store, exchange, inner: Mutex::new(inner), jobs_wake: Notify::new() }, workers))
    }
}

impl Loaded {
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
                let twin: Twin = serde_json::from_slice(value).map_err(|error| error.to_string())?;
                self.entry(key)?.twin = twin;
                Ok(())
            }
            Table::Sessions => {
                self.entry(key)?.session = Some(read_session(value)?);
                Ok(())
            }
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
    let mend = match error {
        StoreOpenError::InUse { .. } => "stop the other process, or choose another folder with --data",
        StoreOpenError::Damaged { .. } => {
            "move that file away to begin with an empty registry, or bring it back from a copy"
        }
        StoreOpenError::Io { .. } => "check the rights on that file and the space on its disk",
    };
    HubStartError::State { reason: full(error), mend: mend.to_owned() }
}

/// The error and its causes in one line.
fn full(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
