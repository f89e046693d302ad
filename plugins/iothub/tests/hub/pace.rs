//! A hub as narrow as a bought one, whose queries lag: nothing is lost to 429, and no stale row ends a wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base::{Clock, Diagnostics, Source};
use flow::Flow;
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use hub::{Delays, HubConfig, HubEvent, HubLog, Quota, Seeds};
use runner::book::{Check, Known, read_yaml};
use runner::{Ask, Class, Outcome, Progress, Ready, Registry, Scope, StepContext, Target};
use script::{Dynamic, Expressions};
use serde_json::json;
use wire::{HubSize, IfMatch, MethodCall, QuotaKind, Tier};

use crate::device::Answer;
use crate::stage::{Stage, failed, on_stage_with};

const FLEET: &str = "devices: [ { prefix: sim-, count: 1000, from: 0, tags: { boot: 0 } } ]";

/// A hub with a fleet of a thousand, and how often it refused for being asked too much.
fn narrow(tier: Tier, units: u32, query_lag: Duration) -> (HubConfig, Arc<AtomicUsize>) {
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refused);
    let mut quota = Quota::new(tier, units).unwrap();
    quota.queue = Duration::ZERO;
    let config = HubConfig {
        seeds: Some(Seeds::parse(&Source::new("fleet.yaml", FLEET)).unwrap()),
        quota: Some(quota),
        delays: Delays { query_lag, ..Delays::default() },
        log: HubLog::new(move |event| {
            if let HubEvent::Throttled { .. } = event {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        }),
        ..HubConfig::embedded()
    };
    (config, refused)
}

/// So many calls of one device, many in flight; all of them are answered.
async fn call(stage: &Stage, calls: usize, in_flight: usize) {
    let (device, call) = ("echo".parse().unwrap(), MethodCall::new("m"));
    let calls = stream::iter(0..calls).map(|_| stage.client.invoke(&device, &call)).buffer_unordered(in_flight);
    let answered = calls.map(|reply| assert_eq!(reply.unwrap().status, 200)).count().await;
    assert!(answered > 0);
}

fn fleet() -> Vec<Arc<str>> {
    (0..1_000).map(|number| format!("sim-{number}").into()).collect()
}

#[test]
fn with_a_known_tier_a_thousand_calls_and_a_thousand_waits_lose_nothing_to_429() {
    // Calls at 200 a second, reads at 100 a second, 100 queries a minute.
    let (config, refused) = narrow(Tier::S1, 5, Duration::ZERO);
    on_stage_with(config, |stage| async move {
        stage.client.expect_size(HubSize::new(Tier::S1, 5).unwrap());
        let _echo = stage.connected("echo", |_| Answer::Echo(200)).await;
        let looks = async {
            let inventory = stage.inventory();
            let mut waiting = fleet();
            while !waiting.is_empty() {
                let ask = |device: &Arc<str>| Ask { device: Arc::clone(device), seen: None, direct: true };
                let asks: Vec<Ask> = waiting.iter().map(ask).collect();
                let round = inventory.facts(&asks, "twin").await.unwrap();
                assert!(round.values().flatten().all(|fact| fact.direct && fact.value["tags"]["boot"] == 0));
                waiting.retain(|device| !round.contains_key(device));
            }
        };
        tokio::join!(call(&stage, 1_000, 200), looks);
        assert_eq!(refused.load(Ordering::Relaxed), 0);
        let sent = |kind| stage.client.sent(kind);
        assert_eq!((sent(QuotaKind::Methods), sent(QuotaKind::TwinReads), sent(QuotaKind::Queries)), (1_000, 1_000, 0));
    });
}

#[test]
fn a_storm_of_429_slows_and_loses_nobody() {
    let (config, refused) = narrow(Tier::S1, 1, Duration::ZERO);
    on_stage_with(config, |stage| async move {
        let _echo = stage.connected("echo", |_| Answer::Echo(200)).await;
        call(&stage, 200, 100).await;
        let refused = refused.load(Ordering::Relaxed);
        assert!((1..150).contains(&refused), "{refused}");
        assert_eq!(stage.client.sent(QuotaKind::Methods), 200 + refused as u64);
    });
}

struct NoNames;

impl Scope for NoNames {
    fn get(&self, _: &str) -> Option<Dynamic> {
        None
    }
}

fn step(stage: &Stage, yaml: &str) -> Box<dyn Ready> {
    let (source, mut found) = (Source::new("t.yaml", yaml), Diagnostics::default());
    let node = read_yaml(&source, &mut found).unwrap();
    let known = Known { names: ["twin".to_owned()].into(), ..Known::default() };
    let expressions = Expressions::new(Clock::system());
    let mut check = Check::new(&source, &mut found, &known, &expressions);
    let registry = Registry::new(&[&stage.plugin, &Flow]);
    registry.get("wait_until").unwrap().check(&node, &mut check).expect("a good step")
}

async fn wait(stage: &Stage, expressions: &Expressions, ready: &dyn Ready, device: &str, seconds: u64) -> Outcome {
    let inventory = stage.inventory();
    let step = StepContext {
        target: &Target { id: device.into(), attributes: Arc::new(json!({})) },
        scope: &NoNames,
        expressions,
        inventory: &*inventory,
        timeout: Some(Duration::from_secs(seconds)),
        failed_when: None,
        progress: &|_: Progress| {},
        say: &|_, _| {},
        cancel: &tokio_util::sync::CancellationToken::new(),
        called: false,
        check_mode: false,
        files: std::path::Path::new("."),
        run: "r".into(),
        deeds: None,
    };
    ready.run(&step).await
}

async fn reboot(stage: &Stage, boot: u32) {
    let patch = json!({ "tags": { "boot": boot } });
    stage.client.patch_twin(&"sim-0".parse().unwrap(), &patch, &IfMatch::Any).await.unwrap();
}

#[test]
fn a_row_from_before_the_last_reboot_ends_no_wait() {
    // Wide enough that a round over a thousand asks the index, which shows what was four seconds ago.
    let (config, refused) = narrow(Tier::S3, 1, Duration::from_secs(4));
    on_stage_with(config, |stage| async move {
        stage.client.expect_size(HubSize::new(Tier::S3, 1).unwrap());
        reboot(&stage, 1).await;
        let before = stage.client.twin(&"sim-0".parse().unwrap()).await.unwrap();
        assert_eq!(before["tags"]["boot"], 1);
        // As after `register: before`: the index still shows boot 0, which is not 1 either.
        let ready = step(&stage, "{ that: twin.tags.boot != 1 and twin.id == 'sim-0', every: 500ms, max: 500ms }");
        let expressions = Expressions::new(Clock::system());
        let devices = fleet();
        let second = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(stage.client.sent(QuotaKind::TwinReads), 1, "the stale row is not even worth a reading");
            reboot(&stage, 2).await;
        };
        let waits = join_all(devices.iter().map(|device| wait(&stage, &expressions, &*ready, device, 8)));
        let (outcomes, ()) = tokio::join!(waits, second);
        let Outcome::Done { value, .. } = &outcomes[0] else { panic!("{:?}", outcomes[0]) };
        assert_eq!(value["tags"]["boot"], 2);
        for outcome in &outcomes[1..] {
            assert_eq!(failed(outcome.clone()).class, Class::Timeout);
        }
        assert_eq!(refused.load(Ordering::Relaxed), 0);
        let queries = stage.client.sent(QuotaKind::Queries);
        assert!((4..200).contains(&queries), "a few for each of some twelve rounds: {queries}");
    });
}
