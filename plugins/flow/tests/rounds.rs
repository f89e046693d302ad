//! `wait_until` over a fleet, in paused time: what it asks of an inventory whose index lags and whose quota is narrow.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base::{Clock, Diagnostics, Source};
use futures_util::future::{LocalBoxFuture, join_all};
use iotplay_flow::Flow;
use runner::book::{Check, Known, Node, read_yaml};
use runner::{
    Ask, Class, Facts, HubInfo, Inventory, InventoryError, Outcome, Progress, Ready, Registry, Round, Scope, Selection,
    StepContext, Target,
};
use script::{Dynamic, Expressions};
use serde_json::{Value, json};
use tokio::time::Instant;

static EXPRESSIONS: LazyLock<Expressions> = LazyLock::new(|| Expressions::new(Clock::system()));

/// What an index shows of a device.
#[derive(Clone)]
enum Index {
    /// Nothing: each device is read.
    None,
    /// Nothing new, whatever happens.
    Silent,
    /// This value at this version.
    Row(Value, u64),
}

/// A fleet of one twin: what its source shows, what its index shows, and how much of a round its quota allows.
struct Fleet {
    source: RefCell<(Value, u64)>,
    index: RefCell<Index>,
    /// Devices that one round comes to.
    most: usize,
    /// How long a round takes.
    takes: Duration,
    /// The devices that each round was asked for, and how many of them had to be read.
    asked: RefCell<Vec<(usize, usize)>>,
    /// Looks of each device in rounds.
    looks: RefCell<BTreeMap<Arc<str>, usize>>,
    /// Readings outside of rounds.
    confirmed: Cell<usize>,
    under_way: Cell<usize>,
}

impl Fleet {
    fn new(index: Index) -> Self {
        Self {
            source: RefCell::new((json!({ "ready": false }), 5)),
            index: RefCell::new(index),
            most: usize::MAX,
            takes: Duration::from_millis(50),
            asked: RefCell::default(),
            looks: RefCell::default(),
            confirmed: Cell::new(0),
            under_way: Cell::new(0),
        }
    }

    fn read(&self) -> Facts {
        let (reported, version) = self.source.borrow().clone();
        Facts { value: json!({ "reported": reported }), version, direct: true }
    }

    fn seen(&self, ask: &Ask) -> Option<Facts> {
        match &*self.index.borrow() {
            Index::None => Some(self.read()),
            _ if ask.direct => Some(self.read()),
            Index::Silent => None,
            Index::Row(reported, version) => {
                Some(Facts { value: json!({ "reported": reported }), version: *version, direct: false })
            }
        }
    }
}

impl Inventory for Fleet {
    fn hub(&self) -> HubInfo {
        HubInfo { title: "fake".into(), local: true }
    }

    fn fact_names(&self) -> &'static [&'static str] {
        &["twin"]
    }

    fn select<'a>(&'a self, _: &'a Selection) -> LocalBoxFuture<'a, Result<Vec<Target>, InventoryError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn count(&self) -> LocalBoxFuture<'_, Result<usize, InventoryError>> {
        Box::pin(async { Ok(0) })
    }

    fn facts<'a>(&'a self, asks: &'a [Ask], _: &'a str) -> LocalBoxFuture<'a, Result<Round, InventoryError>> {
        Box::pin(async move {
            self.asked.borrow_mut().push((asks.len(), asks.iter().filter(|ask| ask.direct).count()));
            self.under_way.set(self.under_way.get() + 1);
            assert_eq!(self.under_way.get(), 1, "one round at a time");
            tokio::time::sleep(self.takes).await;
            self.under_way.set(0);
            let mut looks = self.looks.borrow_mut();
            let served = asks.iter().take(self.most);
            let look = |ask: &Ask| {
                *looks.entry(Arc::clone(&ask.device)).or_default() += 1;
                (Arc::clone(&ask.device), self.seen(ask))
            };
            Ok(served.map(look).collect())
        })
    }

    fn fact<'a>(&'a self, _: &'a str, _: &'a str) -> LocalBoxFuture<'a, Result<Facts, InventoryError>> {
        Box::pin(async move {
            self.confirmed.set(self.confirmed.get() + 1);
            Ok(self.read())
        })
    }
}

struct NoNames;

impl Scope for NoNames {
    fn get(&self, _: &str) -> Option<Dynamic> {
        None
    }
}

/// Steps of one playbook: their verbs come from one registry.
fn steps(texts: &[&str]) -> Vec<Box<dyn Ready>> {
    let registry = Registry::new(&[&Flow]);
    let step = |text: &&str| {
        let source = Source::new("t.yaml", *text);
        let mut found = Diagnostics::default();
        let node: Node = read_yaml(&source, &mut found).expect("good YAML");
        let known = Known { names: ["twin".to_owned()].into(), ..Known::default() };
        let mut check = Check::new(&source, &mut found, &known, &EXPRESSIONS);
        registry.get("wait_until").expect("a verb of flow").check(&node, &mut check).expect("a good step")
    };
    texts.iter().map(step).collect()
}

async fn wait(fleet: &Fleet, ready: &dyn Ready, device: &str, timeout: u64) -> Outcome {
    let target = Target { id: device.into(), attributes: Arc::new(json!({})) };
    let cancel = tokio_util::sync::CancellationToken::new();
    let step = StepContext {
        target: &target,
        scope: &NoNames,
        expressions: &EXPRESSIONS,
        inventory: fleet,
        timeout: Some(Duration::from_secs(timeout)),
        failed_when: None,
        progress: &|_: Progress| {},
        say: &|_, _| {},
        cancel: &cancel,
        called: false,
        check_mode: false,
        files: std::path::Path::new("."),
        run: "r".into(),
        deeds: None,
    };
    ready.run(&step).await
}

fn class(outcome: &Outcome) -> Option<Class> {
    match outcome {
        Outcome::Failed(failure) => Some(failure.class),
        _ => None,
    }
}

const READY: &str = "that: twin.reported.ready";

#[tokio::test(start_paused = true)]
async fn ten_thousand_devices_that_wait_cost_few_rounds() {
    let fleet = Fleet::new(Index::Silent);
    let steps = steps(&[READY]);
    let devices: Vec<_> = (0..10_000).map(|n| format!("sim-{n}")).collect();
    // They come one after the other, as their calls are answered.
    let waits = devices.iter().enumerate().map(|(n, device)| {
        let (fleet, ready) = (&fleet, &*steps[0]);
        async move {
            tokio::time::sleep(Duration::from_millis(n as u64 * 6)).await;
            wait(fleet, ready, device, 150).await
        }
    });
    let outcomes = join_all(waits).await;
    assert!(outcomes.iter().all(|outcome| class(outcome) == Some(Class::Timeout)));
    let rounds = fleet.asked.borrow().len();
    // Not one per device and look, but some for each of the pauses.
    assert!(rounds < 600, "{rounds} rounds in three and a half minutes");
    let looks: Vec<usize> = fleet.looks.borrow().values().copied().collect();
    assert_eq!(looks.len(), 10_000);
    // 150 s with pauses from 1 s to 30 s are some 12 looks; each may come a quarter too early.
    assert!(looks.iter().all(|looks| (9..=18).contains(looks)), "{:?} {:?}", looks.iter().min(), looks.iter().max());
}

#[tokio::test(start_paused = true)]
async fn a_narrow_quota_comes_to_everyone_in_turn() {
    let mut fleet = Fleet::new(Index::None);
    (fleet.most, fleet.takes) = (100, Duration::from_secs(1));
    let steps = steps(&["{ that: twin.reported.ready, max: 5s }"]);
    let devices: Vec<_> = (0..1_000).map(|n| format!("sim-{n}")).collect();
    let start = Instant::now();
    let outcomes = join_all(devices.iter().map(|device| wait(&fleet, &*steps[0], device, 100))).await;
    assert!(outcomes.iter().all(|outcome| class(outcome) == Some(Class::Timeout)));
    assert!(start.elapsed() < Duration::from_secs(104), "{:?}", start.elapsed());
    let looks: Vec<usize> = fleet.looks.borrow().values().copied().collect();
    assert_eq!(looks.len(), 1_000);
    let (least, most) = (looks.iter().min().unwrap(), looks.iter().max().unwrap());
    assert!(*least >= 8 && most - least <= 2, "{least} to {most} looks");
}

#[tokio::test(start_paused = true)]
async fn a_stale_index_fools_nobody() {
    // The index shows the time before: ready, at a version that is older than what the source has.
    let fleet = Fleet::new(Index::Row(json!({ "ready": true }), 3));
    let steps = steps(&[READY]);
    let devices: Vec<_> = (0..20).map(|n| format!("sim-{n}")).collect();
    let outcomes = join_all(devices.iter().map(|device| wait(&fleet, &*steps[0], device, 50))).await;
    assert!(outcomes.iter().all(|outcome| class(outcome) == Some(Class::Timeout)));
    // Its promise was read once by each; after that the row is older than what the device has seen.
    assert!(fleet.confirmed.get() <= 20 + 5, "{}", fleet.confirmed.get());
}

#[tokio::test(start_paused = true)]
async fn a_silent_index_is_not_believed_for_longer_than_a_minute() {
    let fleet = Fleet::new(Index::Silent);
    let steps = steps(&[READY]);
    let start = Instant::now();
    let becomes_ready = async {
        tokio::time::sleep(Duration::from_secs(100)).await;
        *fleet.source.borrow_mut() = (json!({ "ready": true }), 6);
    };
    let devices: Vec<_> = (0..50).map(|n| format!("sim-{n}")).collect();
    let waits = join_all(devices.iter().map(|device| wait(&fleet, &*steps[0], device, 600)));
    let (outcomes, ()) = tokio::join!(waits, becomes_ready);
    assert!(outcomes.iter().all(|outcome| class(outcome).is_none()));
    assert!(start.elapsed() < Duration::from_secs(200), "{:?}", start.elapsed());
    assert!(fleet.asked.borrow().iter().any(|(asked, direct)| direct == asked));
}

#[tokio::test(start_paused = true)]
async fn waits_of_all_steps_share_their_rounds() {
    let fleet = Fleet::new(Index::Silent);
    let steps = steps(&[READY, "that: twin.reported.ready == 1"]);
    let waits = (0..20).map(|n| {
        let (fleet, steps) = (&fleet, &steps);
        async move { wait(fleet, &*steps[n % 2], &format!("sim-{n}"), 10).await }
    });
    join_all(waits).await;
    // The first one was alone when it began.
    assert!(fleet.asked.borrow().iter().all(|(asked, _)| *asked >= 19), "{:?}", fleet.asked.borrow());
}

#[tokio::test(start_paused = true)]
async fn who_leads_may_end_without_the_others_noticing() {
    let mut fleet = Fleet::new(Index::Silent);
    fleet.takes = Duration::from_secs(2);
    let fleet = Rc::new(fleet);
    let steps = steps(&[READY]);
    let becomes_ready = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        *fleet.source.borrow_mut() = (json!({ "ready": true }), 6);
        *fleet.index.borrow_mut() = Index::Row(json!({ "ready": true }), 6);
    };
    // Ten of them are dropped in the middle of whatever they do, as by an interruption.
    let waits = join_all((0..20).map(|n| {
        let (fleet, steps) = (&fleet, &steps);
        async move {
            let device = format!("sim-{n}");
            let waiting = wait(fleet, &*steps[0], &device, 300);
            let limit = if n < 10 { Duration::from_millis(500 + 1_700 * n) } else { Duration::MAX };
            let ended = tokio::time::timeout(limit, waiting).await.ok();
            if ended.is_none() {
                fleet.under_way.set(0);
            }
            ended
        }
    }));
    let start = Instant::now();
    let (outcomes, ()) = tokio::join!(waits, becomes_ready);
    let ended: Vec<_> =
        outcomes.iter().map(|outcome| outcome.as_ref().map(|outcome| class(outcome).is_none())).collect();
    assert_eq!(ended[..10], [None; 10]);
    assert_eq!(ended[10..], [Some(true); 10]);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}
