//! Reports in the hands of those who read them: a schema validator, a browser's document. Whatever a device says, it stays text.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use runner::{Class, Counts, Failure, HubInfo, Outcome, ReportFile, ReportKind, Reporter as _, Reports, RunEvent};
use serde_json::{Value, json};
use stage::Reader;

use crate::stage_set::{Set, empty};

/// A page of ten thousand devices opens in a second or so; a busy machine gets more.
const PATIENCE: Duration = Duration::from_secs(120);
/// Documents of the property.
const DOCUMENTS: usize = 80;

/// What each report tells, once it is valid; `None` where no validator can be had.
pub(crate) fn validated(set: &Set, files: &[&str]) -> Option<Vec<Value>> {
    let reader = stage::xml_reader(set.iotplay.binary())?;
    let schema = Reader::folder().join("junit.xsd");
    let paths = files.iter().map(|file| set.path().join(file));
    let arguments: Vec<String> =
        std::iter::once(schema).chain(paths).map(|path| path.to_str().expect("a path").to_owned()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = reader.program("validate.py", &arguments).end(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    serde_json::from_str(&ended.out).expect("what they tell")
}

/// What was seen of a page after these acts; `None` where no document can be had.
pub(crate) fn page(set: &Set, file: &str, acts: &Value) -> Option<Value> {
    let reader = stage::page_reader(set.iotplay.binary())?;
    let path = set.path().join(file);
    let ended = reader.program("page.js", &[path.to_str().expect("a path"), &acts.to_string()]).end(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let seen: Value = serde_json::from_str(&ended.out).expect("what was seen");
    assert_eq!(seen["errors"], json!([]), "the page's script runs without a complaint");
    assert_eq!((&seen["alerts"], &seen["foreign"], &seen["requests"]), (&json!(0), &json!(0), &json!(0)));
    assert_eq!((&seen["policy"], &seen["scripts"]), (&json!(true), &json!(2)));
    assert!(seen["drawn"].as_u64() > Some(0) || seen["tiles"] == json!({}), "the timeline is drawn");
    Some(seen)
}

/// A run that is told to reports in a folder.
struct Told<'r> {
    reports: &'r Reports,
    counts: Counts,
}

impl<'r> Told<'r> {
    fn begin(reports: &'r Reports, devices: usize, steps: &[&str]) -> Self {
        let hub = HubInfo { title: "fake.example".into(), local: true };
        reports.on(&RunEvent::RunStarted { run: "r1".into(), hub });
        reports.on(&RunEvent::PlayStarted {
            play: 0,
            name: "Play".into(),
            file: "play.yaml".into(),
            devices,
            first: Vec::new(),
            steps: steps.iter().map(|step| Arc::from(*step)).collect(),
            waves: 2,
            estimate: None,
        });
        Self { reports, counts: Counts::default() }
    }

    fn started(&self, device: &str, wave: usize) {
        self.reports.on(&RunEvent::DeviceStarted { device: device.into(), wave });
    }

    fn step(&self, device: &str, step: usize, name: &str, outcome: Outcome, summary: &str) {
        self.reports.on(&RunEvent::StepStarted { device: device.into(), step, name: name.into() });
        self.reports.on(&RunEvent::StepEnded {
            device: device.into(),
            step,
            name: name.into(),
            outcome,
            ignored: false,
            rescued: false,
            attempts: 1,
            took: Duration::from_millis(20),
            summary: summary.into(),
            diagnostic: None,
            hidden: false,
        });
    }

    fn device(&mut self, device: &str, wave: usize, failed: Option<&str>) {
        match failed {
            Some(_) => self.counts.failed += 1,
            None => self.counts.ok += 1,
        }
        self.reports.on(&RunEvent::DeviceEnded {
            device: device.into(),
            outcome: if failed.is_some() { "rejected" } else { "ok" },
            wave,
            error: failed.map(str::to_owned),
            took: Duration::from_millis(80),
            waited: Duration::ZERO,
            vars: Arc::new(Value::Null),
        });
    }

    fn end(&self, reason: Option<&str>) {
        let (counts, reason) = (self.counts, reason.map(str::to_owned));
        self.reports.on(&RunEvent::PlayEnded { counts });
        self.reports.on(&RunEvent::RunEnded { counts, took: Duration::from_secs(9), exit: 4, reason });
        assert!(self.reports.troubles().is_empty());
    }
}

fn reports(folder: &Path, name: &str) -> Reports {
    let file = |kind, ending| ReportFile { kind, path: folder.join(format!("{name}.{ending}")) };
    let files = vec![file(ReportKind::Junit, "xml"), file(ReportKind::Html, "html")];
    Reports::new(files, None, Clock::system()).expect("the folder is ours")
}

fn rejected(message: &str, value: Value) -> Outcome {
    Failure { value, ..Failure::new(Class::Rejected, message) }.into()
}

#[test]
fn any_text_makes_valid_xml() {
    let set = empty();
    let text = prop_oneof![
        any::<String>(),
        "[\\x00-\\x1f<>&\"'\\]\\[!-]{0,20}",
        Just("]]></failure><![CDATA[ \u{0} \u{b} \u{fffe} \u{1b}[31m".to_owned()),
    ];
    let mut sample = TestRunner::deterministic();
    let mut next = || text.new_tree(&mut sample).expect("a text").current();
    let mut files = Vec::new();
    for n in 0..DOCUMENTS {
        let name = format!("any{n}");
        let reports = reports(set.path(), &name);
        let (id, step, why, payload) = (format!("d{}", next()), next(), next(), next());
        let mut told = Told::begin(&reports, 2, &[&step]);
        told.started(&id, 1);
        told.step(&id, 0, &step, rejected(&why, json!({ &payload: payload })), "");
        told.device(&id, 1, Some(&why));
        told.started("other", 2);
        told.step("other", 0, &step, Outcome::read(json!(payload)), &why);
        told.device("other", 2, None);
        told.end(Some(&why));
        files.push(format!("{name}.xml"));
    }
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let Some(told) = validated(&set, &files) else { return };
    assert_eq!(told.len(), DOCUMENTS);
    // Two devices; and why the run ended early, unless that is an empty text.
    assert!(told.iter().all(|told| told["failures"] == 1 && told["tests"].as_u64() >= Some(2)), "{told:?}");
    assert!(told.iter().filter(|told| told["errors"] == 1).count() > DOCUMENTS / 2);
}

#[test]
fn an_evil_device_stays_text() {
    let set = empty();
    let reports = reports(set.path(), "evil");
    let evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>";
    let id = "<b onclick=alert(3)>dev";
    let mut told = Told::begin(&reports, 1, &[evil]);
    told.started(id, 1);
    told.step(id, 0, evil, rejected(evil, json!({ "reply": evil })), "");
    told.device(id, 1, Some(evil));
    told.started("__proto__", 2);
    told.step("__proto__", 0, evil, Outcome::read(json!(evil)), evil);
    told.device("__proto__", 2, None);
    told.end(Some(evil));
    let acts = json!([
        { "do": "open", "device": id }, { "do": "open", "device": "__proto__" }, { "do": "filter", "text": "ONERROR" },
        { "do": "filter", "step": evil, "outcome": "ok" }, { "do": "print" },
    ]);
    let Some(seen) = page(&set, "evil.html", &acts) else { return };
    let answer = |at: usize| &seen["answers"][at];
    assert!(answer(0)["detail"].as_str().is_some_and(|detail| detail.contains(evil) && detail.contains(id)));
    assert!(answer(0)["pre"][0].as_str().is_some_and(|reply| reply.contains(evil)), "{}", answer(0));
    assert_eq!(answer(2)["ids"], json!([id, "__proto__"]));
    assert_eq!(answer(3)["ids"], json!(["__proto__"]));
    assert_eq!(answer(4)["rows"], 3);
    assert_eq!(seen["groups"].as_array().map(Vec::len), Some(1));
}

#[test]
fn ten_thousand_devices_are_one_page_that_finds_the_exact_ones() {
    let set = empty();
    let reports = reports(set.path(), "many");
    let steps = ["Look", "Ask", "Wait", "Say"];
    let mut told = Told::begin(&reports, 10_000, &steps);
    for n in 0..10_000 {
        let (id, wave) = (format!("press-{n:05}"), if n < 100 { 1 } else { 2 });
        let bad = n % 1_000 == 7;
        told.started(&id, wave);
        for (step, name) in steps.iter().enumerate() {
            if bad && step == 3 {
                told.step(&id, step, name, rejected("answered 500", json!({ "n": n })), "");
            } else {
                told.step(&id, step, name, Outcome::read(json!({ "reply": n })), "200 fine");
            }
        }
        told.device(&id, wave, bad.then_some("answered 500"));
    }
    told.end(None);
    let acts = json!([
        { "do": "filter", "text": "press-0123" }, { "do": "filter", "outcome": "rejected" }, { "do": "filter", "wave": 1 },
        { "do": "filter", "step": "Say", "outcome": "rejected", "wave": 1 }, { "do": "group", "at": 0 },
        { "do": "filter", "text": "no such thing" }, { "do": "open", "device": "press-09999" },
        { "do": "keys", "keys": ["Home", "ArrowDown", "Enter"] }, { "do": "keys", "keys": ["End", "Enter", "Escape"] },
        { "do": "keys", "keys": ["/"] }, { "do": "print" },
    ]);
    let Some(seen) = page(&set, "many.html", &acts) else { return };
    let answer = |at: usize| &seen["answers"][at];
    let ids =
        |numbers: &mut dyn Iterator<Item = usize>| json!(numbers.map(|n| format!("press-{n:05}")).collect::<Vec<_>>());
    assert!(seen["bytes"].as_u64() < Some(10 << 20), "{}", seen["bytes"]);
    assert_eq!(answer(0)["ids"], ids(&mut (1_230..1_240)));
    assert!(answer(0)["rows"].as_u64() <= Some(10));
    assert_eq!(answer(1)["ids"], ids(&mut (0..10).map(|n| n * 1_000 + 7)));
    assert_eq!(answer(2)["ids"], ids(&mut (0..100)));
    assert!(answer(2)["rows"].as_u64() < Some(40), "rows in sight only: {}", answer(2)["rows"]);
    assert_eq!(answer(3)["ids"], json!(["press-00007"]));
    assert_eq!(answer(4)["ids"], answer(1)["ids"]);
    assert_eq!((&answer(5)["ids"], &answer(5)["shown"]), (&json!([]), &json!("0 of 10,000 devices")));
    assert_eq!(answer(6)["hidden"], false);
    assert!(answer(6)["detail"].as_str().is_some_and(|detail| steps.iter().all(|step| detail.contains(step))));
    assert_eq!((&answer(7)["chosen"], &answer(7)["hidden"]), (&json!("press-00001"), &json!(false)));
    assert_eq!((&answer(8)["hidden"], &answer(8)["focus"]), (&json!(true), &json!("list")));
    assert_eq!(answer(9)["focus"], "text");
    assert_eq!(answer(10)["rows"], 1_001);
}
