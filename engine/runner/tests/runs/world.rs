//! A hub that is a map in memory.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{FutureExt as _, LocalBoxFuture};
use iotplay_runner::{Ask, Estimate, Facts, HubInfo, Inventory, InventoryError, Round, Selection, Target, Work};
use serde_json::{Value, json};

/// What a device answers to the next call.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Status(i32, Value),
    Offline,
    Dropped,
    Lost,
    HubGone,
    After(Duration, Value),
    /// Queues so long for its turn, then answers after so long.
    Queued(Duration, Duration),
    Never,
}

/// A device of the fake hub.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fake {
    pub(crate) replies: VecDeque<Reply>,
    pub(crate) reported: Value,
    pub(crate) version: u64,
    pub(crate) calls: usize,
}

/// The fake hub.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) devices: BTreeMap<Arc<str>, Fake>,
    pub(crate) local: bool,
    pub(crate) in_flight: usize,
    pub(crate) most_in_flight: usize,
    pub(crate) reads: usize,
    pub(crate) order: Vec<String>,
    /// Decides a reply by device, method and payload, where replies must not depend on the order of calls.
    pub(crate) decide: Option<Decide>,
    /// What was sent: device, method, payload.
    pub(crate) sent: Vec<(String, String, String)>,
    /// Devices served together: the batch's name, and who was in it.
    pub(crate) batches: Vec<(String, Vec<String>)>,
    /// What was to be estimated, and how long each takes; none when nothing is known of the hub.
    pub(crate) estimated: Vec<Work>,
    pub(crate) each: Option<Duration>,
}

pub(crate) type Decide = Rc<dyn Fn(&str, &str, &Value) -> Reply>;

pub(crate) type Shared = Rc<RefCell<World>>;

pub(crate) fn world(devices: impl IntoIterator<Item = impl Into<String>>) -> Shared {
    let devices = devices.into_iter().map(|id| (Arc::from(id.into()), Fake::default())).collect();
    Rc::new(RefCell::new(World { devices, local: true, ..World::default() }))
}

pub(crate) fn replies(world: &Shared, device: &str, replies: impl IntoIterator<Item = Reply>) {
    world.borrow_mut().devices.get_mut(device).expect("a fake device of the test").replies =
        replies.into_iter().collect();
}

pub(crate) struct FakeInventory(pub(crate) Shared);

impl FakeInventory {
    fn target(id: &Arc<str>) -> Target {
        Target { id: Arc::clone(id), attributes: Arc::new(json!({ "status": "enabled" })) }
    }
}

impl Inventory for FakeInventory {
    fn hub(&self) -> HubInfo {
        HubInfo { title: "fake.example".into(), local: self.0.borrow().local }
    }

    fn fact_names(&self) -> &'static [&'static str] {
        &["twin"]
    }

    fn select<'a>(&'a self, selection: &'a Selection) -> LocalBoxFuture<'a, Result<Vec<Target>, InventoryError>> {
        async move {
            let world = self.0.borrow();
            match selection {
                Selection::All => Ok(world.devices.keys().map(Self::target).collect()),
                Selection::Query(text) if text == "bad" => Err(InventoryError::Query("near `bad`".into())),
                Selection::Query(prefix) => {
                    let hits = world.devices.keys().filter(|id| id.starts_with(prefix.as_str()));
                    Ok(hits.map(Self::target).collect())
                }
                Selection::Ids(ids) => {
                    let known = |id: &String| world.devices.contains_key(id.as_str());
                    let unknown = ids.iter().filter(|id| !known(id)).map(|id| {
                        let near = base::did_you_mean(id, world.devices.keys().map(AsRef::as_ref));
                        (id.clone(), near.map(str::to_owned))
                    });
                    let unknown: Vec<_> = unknown.collect();
                    if !unknown.is_empty() {
                        return Err(InventoryError::Unknown(unknown));
                    }
                    Ok(ids.iter().map(|id| Self::target(&Arc::from(id.as_str()))).collect())
                }
            }
        }
        .boxed_local()
    }

    fn count(&self) -> LocalBoxFuture<'_, Result<usize, InventoryError>> {
        async { Ok(self.0.borrow().devices.len()) }.boxed_local()
    }

    fn facts<'a>(&'a self, devices: &'a [Ask], fact: &'a str) -> LocalBoxFuture<'a, Result<Round, InventoryError>> {
        async move {
            let mut rows = BTreeMap::new();
            for ask in devices {
                rows.insert(Arc::clone(&ask.device), Some(self.fact(&ask.device, fact).await?));
            }
            Ok(rows)
        }
        .boxed_local()
    }

    fn estimate(&self, work: &[Work]) -> Option<Estimate> {
        let mut world = self.0.borrow_mut();
        world.estimated = work.to_vec();
        let count: usize = work.iter().map(|work| work.count).sum();
        world.each.map(|each| Estimate {
            least: each * u32::try_from(count).expect("a small number"),
            by: "one after the other".into(),
        })
    }

    fn fact<'a>(&'a self, device: &'a str, _: &'a str) -> LocalBoxFuture<'a, Result<Facts, InventoryError>> {
        async move {
            let mut world = self.0.borrow_mut();
            world.reads += 1;
            let fake = &world.devices[device];
            let value = json!({ "id": device, "reported": fake.reported, "version": fake.version });
            Ok(Facts { value, version: fake.version, direct: true })
        }
        .boxed_local()
    }
}
