//! The verbs of `flow` on one fake device, in paused time.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base::{Clock, Diagnostics, Source, Span};
use futures_util::future::{LocalBoxFuture, join_all};
use iotplay_flow::Flow;
use runner::book::{Check, Expression, Known, Node, read_yaml};
use runner::{
    Ask, Class, Facts, HubInfo, Inventory, InventoryError, Outcome, Progress, Ready, Registry, Round, Scope, Selection,
    StepContext, Target,
};
use script::{Dynamic, Expressions};
use serde_json::{Value, json};

static EXPRESSIONS: LazyLock<Expressions> = LazyLock::new(|| Expressions::new(Clock::system()));

/// Twins that change with every read; rows of the index may be hints.
#[derive(Default)]
struct Twins {
    /// What each read of the source gives, the last one for ever.
    source: RefCell<VecDeque<Value>>,
    /// Rows of the index, with their version; then the source is asked.
    rows: RefCell<VecDeque<(Value, u64)>>,
    reads: Cell<u64>,
    rounds: RefCell<Vec<usize>>,
    fails: Cell<bool>,
}

impl Twins {
    fn of(reported: &[Value]) -> Self {
        let twin = |reported| json!({ "id": "press-7", "reported": reported, "last_activity_time": "2026-11-23T13:27:42.1180000Z" });
        let twins = reported.iter().map(twin).collect();
        Self { source: RefCell::new(twins), ..Self::default() }
    }
}

impl Inventory for Twins {
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

    fn facts<'a>(&'a self, devices: &'a [Ask], fact: &'a str) -> LocalBoxFuture<'a, Result<Round, InventoryError>> {
        Box::pin(async move {
            self.rounds.borrow_mut().push(devices.len());
            let mut found = BTreeMap::new();
            for Ask { device, .. } in devices {
                let row = self.rows.borrow_mut().pop_front();
                let facts = match row {
                    Some((value, version)) => Facts { value, version, direct: false },
                    None => self.fact(device, fact).await?,
                };
                found.insert(Arc::clone(device), Some(facts));
            }
            Ok(found)
        })
    }

    fn fact<'a>(&'a self, _: &'a str, _: &'a str) -> LocalBoxFuture<'a, Result<Facts, InventoryError>> {
        Box::pin(async move {
            if self.fails.get() {
                return Err(InventoryError::Hub { message: "the hub is away".into(), help: Vec::new() });
            }
            self.reads.set(self.reads.get() + 1);
            let mut source = self.source.borrow_mut();
            let value = if source.len() > 1 { source.pop_front() } else { source.front().cloned() };
            Ok(Facts { value: value.unwrap_or_default(), version: 100 + self.reads.get(), direct: true })
        })
    }
}

struct Names(Value);

impl Scope for Names {
    fn get(&self, name: &str) -> Option<Dynamic> {
        self.0.get(name).map(script::from_json)
    }
}

/// What a verb said while it ran.
#[derive(Default)]
struct Said {
    progress: RefCell<Vec<String>>,
    lines: RefCell<Vec<(&'static str, String)>>,
}

fn check(yaml: &str, failed_when: Option<&str>) -> Result<(Box<dyn Ready>, Option<Expression>), String> {
    let source = Source::new("t.yaml", yaml);
    let mut found = Diagnostics::default();
    let node = read_yaml(&source, &mut found).map_err(|found| found.to_string())?;
    let (key, value) = &node.entries()[0];
    let registry = Registry::new(&[&Flow]);
    let action = registry.get(&key.text).expect("a verb of flow");
    let known = Known { names: ["device", "before", "twin", "x"].map(str::to_owned).into(), ..Known::default() };
    let mut check = Check::new(&source, &mut found, &known, &EXPRESSIONS);
    check.verb = Some((action.name(), key.span));
    let value = match (action.main(), value.is_map() || value.is_null()) {
        (Some(main), false) => {
            let key = runner::book::Key { text: main.into(), span: value.span };
            Node { kind: runner::book::NodeKind::Map(vec![(key, value.clone())]), span: value.span }
        }
        _ => value.clone(),
    };
    let ready = action.check(&value, &mut check);
    let failed = failed_when
        .map(|text| check.expression(&Node::from_json(&json!(text), Span::default())).expect("an expression"));
    match ready {
        Some(ready) => Ok((ready, failed)),
        None => Err(found.to_string()),
    }
}

struct Stage {
    twins: Twins,
    said: Said,
    names: Names,
    timeout: Option<Duration>,
    called: bool,
    check_mode: bool,
    files: tempfile::TempDir,
}

impl Stage {
    fn new(twins: Twins) -> Self {
        let names =
            Names(json!({ "device": { "id": "press-7" }, "before": { "reported": {} }, "x": { "a": [1, "b"] } }));
        Self {
            twins,
            said: Said::default(),
            names,
            timeout: None,
            called: false,
            check_mode: false,
            files: tempfile::tempdir().expect("a temp folder"),
        }
    }

    async fn run(&self, yaml: &str) -> Outcome {
        self.run_on(&*check(yaml, None).expect("a good step").0, "press-7", None).await
    }

    async fn run_on(&self, ready: &dyn Ready, device: &str, failed_when: Option<&Expression>) -> Outcome {
        let target = Target { id: device.into(), attributes: Arc::new(json!({})) };
        let progress = |progress| {
            if let Progress::Says(text) = progress {
                self.said.progress.borrow_mut().push(text);
            }
        };
        let say = |level, text| self.said.lines.borrow_mut().push((level, text));
        let cancel = tokio_util::sync::CancellationToken::new();
        let step = StepContext {
            target: &target,
            scope: &self.names,
            expressions: &EXPRESSIONS,
            inventory: &self.twins,
            timeout: self.timeout,
            failed_when,
            progress: &progress,
            say: &say,
            cancel: &cancel,
            called: self.called,
            check_mode: self.check_mode,
            files: self.files.path(),
            run: "r".into(),
            deeds: None,
        };
        ready.run(&step).await
    }

    fn last_said(&self) -> String {
        self.said.progress.borrow().last().cloned().unwrap_or_default()
    }
}

fn failure(outcome: Outcome) -> runner::Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("expected a failure: {other:?}"),
    }
}

const REBOOTED: &str = "wait_until: twin.reported.rebootTime != before.reported.rebootTime";

#[tokio::test(start_paused = true)]
async fn a_wait_ends_when_the_device_reports() {
    let stage = Stage::new(Twins::of(&[json!({}), json!({}), json!({ "rebootTime": "2026-11-23T13:27:42.118Z" })]));
    let start = tokio::time::Instant::now();
    let outcome = stage.run(REBOOTED).await;
    let Outcome::Done { value, changed: false } = outcome else { panic!("{outcome:?}") };
    assert_eq!(value["reported"]["rebootTime"], "2026-11-23T13:27:42.118Z");
    assert_eq!(start.elapsed(), Duration::from_millis(2_500), "1 s, then 1.5 s");
    assert_eq!(
        *stage.said.progress.borrow(),
        ["rebootTime: none", "rebootTime: 2026-11-23T13:27:42.118Z", "rebootTime: none -> 2026-11-23T13:27:42.118Z"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_holds_already_does_not_wait() {
    let stage = Stage::new(Twins::of(&[json!({ "rebootTime": "t" })]));
    let start = tokio::time::Instant::now();
    assert!(matches!(stage.run(REBOOTED).await, Outcome::Done { .. }));
    assert_eq!((start.elapsed(), stage.twins.reads.get()), (Duration::ZERO, 1));
    assert_eq!(stage.last_said(), "rebootTime: none -> t");
}

#[tokio::test(start_paused = true)]
async fn a_wait_in_vain_shows_both_sides() {
    let mut stage = Stage::new(Twins::of(&[json!({ "boot": 3 })]));
    stage.timeout = Some(Duration::from_secs(10));
    let start = tokio::time::Instant::now();
    let failure =
        failure(stage.run("wait_until: { that: 'twin.reported.boot > x.a[0] + 5', every: 2s, backoff: 1 }").await);
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    assert_eq!(failure.class, Class::Timeout);
    assert_eq!(failure.message, "`twin.reported.boot > x.a[0] + 5` did not come true within 10s");
    let heard = base::local_time(base::parse_time("2026-11-23T13:27:42.118Z").expect("a time"));
    let note = format!("twin.reported.boot is 3, x.a[0] + 5 is 6; looked 6 times, last heard {heard}");
    assert_eq!(failure.note, Some(note));
    assert_eq!(failure.help, ["to wait longer: `timeout: 30m` beside wait_until"], "nobody was called before");
    stage.called = true;
    let failure = self::failure(stage.run("wait_until: twin.reported.boot > 5").await);
    assert!(
        failure.help[0].contains("press-7 may still be at work: do not send it again blindly"),
        "{:?}",
        failure.help
    );
}

#[tokio::test(start_paused = true)]
async fn the_default_is_five_minutes_without_busy_polling() {
    let stage = Stage::new(Twins::of(&[json!({})]));
    let start = tokio::time::Instant::now();
    assert_eq!(failure(stage.run(REBOOTED).await).class, Class::Timeout);
    assert_eq!(start.elapsed(), Duration::from_secs(300));
    assert!(stage.twins.reads.get() < 25, "{} reads", stage.twins.reads.get());
}

#[tokio::test(start_paused = true)]
async fn going_on_after_the_time_is_a_choice() {
    let mut stage = Stage::new(Twins::of(&[json!({})]));
    stage.timeout = Some(Duration::from_secs(3));
    let outcome = stage.run("wait_until: { that: twin.reported.x == 1, on_timeout: continue }").await;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    assert_eq!(stage.last_said(), "not within 3s; goes on");
}

#[tokio::test(start_paused = true)]
async fn failed_when_ends_a_wait_at_once() {
    let stage = Stage::new(Twins::of(&[json!({}), json!({ "boot": { "state": "failed" } })]));
    let (ready, failed) = check(REBOOTED, Some("twin.reported.boot.state == 'failed'")).unwrap();
    let start = tokio::time::Instant::now();
    let failure = failure(stage.run_on(&*ready, "press-7", failed.as_ref()).await);
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    assert!(failure.message.contains("failed_when"), "{}", failure.message);
    assert_eq!(failure.value["reported"]["boot"]["state"], "failed");
}

#[tokio::test(start_paused = true)]
async fn a_row_is_a_hint_and_confirmed_at_the_source() {
    let stage =
        Stage::new(Twins::of(&[json!({ "ready": false }), json!({ "ready": false }), json!({ "ready": true })]));
    let row = |ready: bool| json!({ "reported": { "ready": ready } });
    *stage.twins.rows.borrow_mut() = [(row(true), 9), (row(true), 8), (row(true), 200)].into_iter().collect();
    let (ready, _) = check("wait_until: twin.reported.ready", None).unwrap();
    // The first looks alone, at the source: not ready. The second gets a row that lies. Then both get one: the first's is older
    // than what it saw, the second's is right.
    let outcomes = join_all(["a", "b"].map(|device| stage.run_on(&*ready, device, None))).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done { .. })), "{outcomes:?}");
    assert_eq!(stage.twins.rounds.borrow().iter().sum::<usize>(), 3, "the second twice, the first once");
    assert_eq!(stage.twins.reads.get(), 4, "the first look, the lie, each end");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_devices_share_their_rounds() {
    let stage = Stage::new(Twins::of(&[json!({})]));
    let row = json!({ "reported": { "ready": false } });
    *stage.twins.rows.borrow_mut() = (0..5_000).map(|_| (row.clone(), 1)).collect();
    let mut stage = stage;
    stage.timeout = Some(Duration::from_secs(5));
    let (ready, _) = check("wait_until: twin.reported.ready", None).unwrap();
    let devices: Vec<_> = (0..1_000).map(|n| format!("sim-{n}")).collect();
    let outcomes = join_all(devices.iter().map(|device| stage.run_on(&*ready, device, None))).await;
    assert_eq!(outcomes.len(), 1_000);
    let rounds = stage.twins.rounds.borrow();
    assert!(rounds.len() <= 10 && rounds[0] >= 999, "{rounds:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_leader_does_not_leave_the_others_waiting() {
    let stage = Stage::new(Twins::of(&[json!({ "ready": true })]));
    let (ready, _) = check("wait_until: twin.reported.ready", None).unwrap();
    let first = tokio::time::timeout(Duration::from_millis(1), stage.run_on(&*ready, "a", None));
    let (first, second) = futures_util::future::join(first, stage.run_on(&*ready, "b", None)).await;
    assert!(matches!(second, Outcome::Done { .. }), "{first:?} {second:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_is_away_ends_the_wait() {
    let stage = Stage::new(Twins::of(&[json!({})]));
    stage.twins.fails.set(true);
    assert_eq!(failure(stage.run(REBOOTED).await).class, Class::Hub);
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_looks_once() {
    let mut stage = Stage::new(Twins::of(&[json!({})]));
    stage.check_mode = true;
    assert!(matches!(stage.run(REBOOTED).await, Outcome::Done { .. }));
    assert_eq!(stage.twins.reads.get(), 1);
    assert_eq!(stage.last_said(), "would wait until twin.reported.rebootTime != before.reported.rebootTime");
}

#[tokio::test(start_paused = true)]
async fn sleep_sleeps() {
    let stage = Stage::new(Twins::default());
    let start = tokio::time::Instant::now();
    assert!(matches!(stage.run("sleep: 2m30s").await, Outcome::Done { .. }));
    assert_eq!((start.elapsed(), stage.last_said()), (Duration::from_secs(150), "slept 2m30s".to_owned()));
    assert!(check("sleep: 30d", None).err().unwrap().contains("at most 7 days"));
}

#[tokio::test]
async fn assert_shows_both_sides() {
    let stage = Stage::new(Twins::default());
    assert!(matches!(stage.run("assert: x.a[0] == 1").await, Outcome::Done { .. }));
    let wrong = failure(stage.run("assert: ['x.a[0] == 1', 'x.a[1] == \"c\"', device.id == before.id]").await);
    assert_eq!(wrong.message, "`x.a[1] == \"c\"` does not hold");
    assert_eq!(wrong.note.as_deref(), Some("x.a[1] is b; device.id is press-7, before.id is none"));
    let wrong = failure(stage.run("assert: { that: before.ok, message: '${{ device.id }} is not ok' }").await);
    assert_eq!((wrong.message.as_str(), wrong.note.as_deref()), ("press-7 is not ok", Some("`before.ok` is false")));
    let wrong = failure(stage.run("assert: x.a[0]").await);
    assert_eq!(wrong.message, "`x.a[0]` gives a number, not true or false");
}

#[tokio::test]
async fn set_fail_and_log_fill_their_texts() {
    let stage = Stage::new(Twins::default());
    let outcome = stage
        .run("set: { one: '${{ x.a }}', two: 'is ${{ x.a }}', three: { id: '${{ device.id }}' }, four: '$${{ x }}' }")
        .await;
    let expected = json!({ "one": [1, "b"], "two": "is [1,\"b\"]", "three": { "id": "press-7" }, "four": "${{ x }}" });
    assert_eq!(outcome, Outcome::read(expected));
    assert_eq!(
        failure(stage.run("fail: ${{ device.id }} did not come back").await).message,
        "press-7 did not come back"
    );
    assert_eq!(failure(stage.run("fail:").await).message, "failed on purpose");
    assert!(matches!(stage.run("log: { level: warn, text: '${{ x.a[0] }}' }").await, Outcome::Done { .. }));
    assert_eq!(*stage.said.lines.borrow(), [("warn", "1".to_owned())]);
    let nothing = failure(stage.run("log: a ${{ before.gone }} b").await);
    assert_eq!(nothing.message, "`${{ before.gone }}` gives nothing");
    assert!(check("set: { 'a-b': 1 }", None).is_err());
}

#[tokio::test]
async fn save_writes_inside_its_folder() {
    let stage = Stage::new(Twins::default());
    let outcome = stage.run("save: { file: '../${{ device.id }}.json', content: '${{ x }}' }").await;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    let written = std::fs::read_to_string(Path::new(stage.files.path()).join("press-7.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), json!({ "a": [1, "b"] }));
}

#[test]
fn every_verb_has_a_schema() {
    for (_, action) in Registry::new(&[&Flow]).iter() {
        assert!(action.schema().is_object(), "{}", action.name());
        assert!(!action.about().is_empty(), "{}", action.name());
    }
    let schema = Registry::new(&[&Flow]).get("wait_until").unwrap().schema();
    assert_eq!(schema["required"], json!(["that"]), "{schema:#}");
    assert!(schema["properties"].get("rounds").is_none());
}
