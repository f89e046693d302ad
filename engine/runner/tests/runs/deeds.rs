//! Scripts that are cut off at any line of their journal and run again: what they did is told to them, nothing is sent twice, and what
//! they saw is what they see.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use iotplay_runner::book::{Check, Node};
use iotplay_runner::{Action, Effect, LocalScript, Outcome, Plugin, Ready, Resume, RunOptions, StepContext};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::fake::{Ran, Reply, Shared, options, replies, run_with, script_with, world};
use super::journal::{Kept, cases, fleet, lane, lines, open_calls, run, twice};

/// `script: |`, as `flow` has it.
pub(crate) struct Steps;

struct Verb;

struct Running(LocalScript);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    #[expect(dead_code, reason = "decoded for its key")]
    code: String,
}

impl Plugin for Steps {
    fn name(&self) -> &'static str {
        "steps"
    }

    fn actions(&self) -> Vec<Rc<dyn Action>> {
        vec![Rc::new(Verb)]
    }
}

impl Action for Verb {
    fn name(&self) -> &'static str {
        "script"
    }

    fn about(&self) -> &'static str {
        "for tests"
    }

    fn effect(&self) -> Effect {
        Effect::Changes
    }

    fn schema(&self) -> Value {
        Value::Bool(true)
    }

    fn main(&self) -> Option<&'static str> {
        Some("code")
    }

    fn positional(&self) -> &'static [&'static str] {
        &[]
    }

    fn check(&self, parameters: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        check.decode::<Code>(parameters)?;
        let script = LocalScript::inline(parameters.get("code")?, check)?;
        Some(Box::new(Running(script)))
    }
}

impl Ready for Running {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(self.0.run(step))
    }

    fn repeatable(&self) -> bool {
        self.0.effect() == Effect::Reads
    }

    fn effect(&self) -> Option<Effect> {
        Some(self.0.effect())
    }

    fn scripted(&self) -> bool {
        true
    }

    fn rehearses(&self) -> bool {
        true
    }
}

/// One line of a script; `N` becomes a number of its own, so that no two calls have one name. What is seen decides what is sent.
const LINES: [&str; 11] = [
    "let vN = invoke_method(DEVICE, \"mN\", N); if vN.payload != \"mN\" { fail(\"another's value\") }",
    "for n in 0..3 { invoke_method(DEVICE, `lN${n}`, n); }",
    "try { invoke_method(DEVICE, \"cN-99\"); } catch (err) { if err.status != 500 { throw err } }",
    "if get_twin(DEVICE).version % 2 == 0 { invoke_method(DEVICE, \"evenN\"); } else { invoke_method(DEVICE, \"oddN\"); }",
    "let tN = now(); invoke_method(DEVICE, `t${tN.sub_string(17, 6)}N`); sleep(1); age(tN);",
    "parallel([1, 2, 3], |x| { invoke_method(DEVICE, `pN${x}`); get_twin(DEVICE).version + x });",
    "wait_until(DEVICE, |twin| twin.version >= 0); invoke_method(DEVICE, \"wN\");",
    "let looksN = 0; wait_until(|| { looksN += 1; invoke_method(DEVICE, `xN${looksN}`); looksN == 2 });",
    "harmless(DEVICE, #{ name: \"hN\" });",
    "print(\"at N\"); sleep(\"90s\");",
    "[1, 2].map(|n| invoke_method(DEVICE, `yN${n}`).payload);",
];

fn body() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::collection::vec(proptest::sample::select(&LINES[..]), 1..5)
}

fn filled(lines: &[&str], device: &str, first: usize) -> Vec<String> {
    let line = |(n, line): (usize, &&str)| line.replace('N', &(first + n).to_string()).replace("DEVICE", device);
    lines.iter().enumerate().map(line).collect()
}

fn step(lines: &[&str]) -> String {
    let code: String = filled(lines, "device", 10).iter().map(|line| format!("      {line}\n")).collect();
    format!(
        "steps:\n  - name: Fix\n    when: twin.version >= 0\n    script: |\n{code}  - invoke_method: {{ name: last }}\n"
    )
}

fn program(lines: &[&str]) -> String {
    let mut all = filled(lines, "\"d0\"", 10);
    all.extend(filled(lines, "devices()[1]", 50));
    all.join("\n")
}

/// The same fleet at another time: what is read then is something else.
fn later() -> Shared {
    let world = fleet();
    world.borrow_mut().devices.values_mut().for_each(|fake| fake.version = 7);
    world
}

async fn go(world: &Shared, text: &str, script: bool, options: &RunOptions) -> Ran {
    if script { script_with(world, text, options).await } else { run(world, text, options).await }
}

/// What the journal says was sent, but for what may be sent again: device and name.
fn sent(lines: &[Value]) -> BTreeMap<(String, String), usize> {
    let mut sent = BTreeMap::new();
    for line in lines.iter().filter(|line| line["deed"].is_string()) {
        let name = line["name"].as_str().unwrap_or_default();
        let name = name.strip_prefix("invoke_method ").unwrap_or_default().to_owned();
        let key = (line["device"].as_str().unwrap_or_default().to_owned(), name);
        match line["kind"].as_str() {
            Some("call") if !key.1.is_empty() => *sent.entry(key).or_default() += 1,
            Some("not_sent") => drop(sent.remove(&key)),
            _ => {}
        }
    }
    sent
}

/// Runs it whole, then cut at each of these lines. Gives how many cuts had a call in doubt.
async fn cut_and_resume(text: &str, script: bool, every: usize) -> usize {
    let kept = Kept::new();
    let whole = go(&fleet(), text, script, &kept.fresh()).await;
    assert_eq!(whole.result.exit, 0, "{text}\n{:?}", whole.events.failures());
    let journal = kept.text();
    let all: Vec<&str> = journal.split_inclusive('\n').collect();
    let mut doubted = 0;
    for cut in (1..all.len()).filter(|cut| cut % every == 0 || *cut + 1 == all.len()) {
        let before: String = all[..cut].concat();
        kept.write(&before);
        let before = lines(&before);
        let world = later();
        let again = go(&world, text, script, &kept.resumed(false)).await;
        let told = format!("cut {cut} of\n{text}\n{}\n{:?}", kept.text(), again.events.failures());
        let after = lines(&kept.text());
        assert!(open_calls(&after).is_empty(), "left open: {:?}\n{told}", open_calls(&after));
        let harmless = |line: &&Value| line["name"] != "harmless";
        let once: Vec<Value> = after.iter().filter(harmless).cloned().collect();
        twice(&once, cut, text, &kept.text());
        let mut counts = sent(&before);
        for (device, name, _) in world.borrow().sent.iter().filter(|(_, name, _)| !name.starts_with('h')) {
            *counts.entry((device.clone(), name.clone())).or_default() += 1;
        }
        assert!(counts.values().all(|count| *count == 1), "{counts:?}\n{told}");
        let open = open_calls(&before.iter().filter(harmless).cloned().collect::<Vec<_>>());
        if open.is_empty() {
            assert_eq!(again.result.exit, 0, "{told}");
        } else {
            doubted += 1;
            let reason = again.result.reason.clone().unwrap_or_default();
            assert!(reason.contains("in doubt"), "{reason}\n{told}");
        }
    }
    doubted
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(), max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default()
    })]
    #[test]
    fn a_script_cut_anywhere_is_told_what_it_did_and_sends_nothing_twice(body in body(), every in 1usize..5) {
        lane(cut_and_resume(&step(&body), false, every));
        lane(cut_and_resume(&program(&body), true, every));
    }
}

#[test]
fn every_line_of_a_script_is_cut_at_least_once() {
    let doubted = lane(cut_and_resume(&step(&LINES), false, 11)) + lane(cut_and_resume(&program(&LINES), true, 7));
    assert!(doubted > 5, "{doubted} cuts in a call");
}

/// The journal up to and with the first line that has all of these words.
fn cut_behind(kept: &Kept, words: &[&str]) {
    let text = kept.text();
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let found = all.iter().position(|line| words.iter().all(|word| line.contains(word)));
    let at = found.unwrap_or_else(|| panic!("no line with {words:?} in\n{text}"));
    kept.write(&all[..=at].concat());
}

fn names(world: &Shared) -> Vec<String> {
    world.borrow().sent.iter().map(|(_, name, _)| name.clone()).collect()
}

const TWO: &str = "steps:\n  - name: Fix\n    retries: 2\n    script: |\n      invoke_method(device, \"one\");\n      invoke_method(device, \"two\");\n";

#[tokio::test(start_paused = true)]
async fn a_call_of_a_script_in_doubt_is_named_and_the_script_goes_no_further() {
    let kept = Kept::new();
    run(&world(["a"]), TWO, &kept.fresh()).await;
    cut_behind(&kept, &["\"kind\":\"call\"", "invoke_method two"]);
    let again = world(["a"]);
    let ran = run(&again, TWO, &kept.resumed(false)).await;
    assert_eq!((names(&again).len(), ran.result.exit), (0, 4));
    let reason = ran.result.reason.expect("a reason");
    assert!(reason.contains("1 call is in doubt") && reason.contains("a `Fix: invoke_method two`"), "{reason}");
    let history = kept.run_folder().history().expect("a journal");
    assert!(history.in_doubt(false).iter().any(|(_, call)| call.place.as_deref() == Some("2")));
    // The script may catch it, as `rescue` does.
    let text = TWO.replace("      invoke_method(device, \"two\");\n", "      try { invoke_method(device, \"two\"); } catch (err) { print(err.class); }\n      invoke_method(device, \"three\");\n");
    let kept = Kept::new();
    run(&world(["a"]), &text, &kept.fresh()).await;
    cut_behind(&kept, &["\"kind\":\"call\"", "invoke_method two"]);
    let again = world(["a"]);
    let ran = run(&again, &text, &kept.resumed(false)).await;
    assert_eq!((names(&again), ran.events.said()), (vec!["three".to_owned()], vec!["timeout".to_owned()]));
    assert!(ran.result.reason.expect("it is named all the same").contains("1 call is in doubt"));
}

#[tokio::test(start_paused = true)]
async fn a_script_that_takes_another_way_is_stopped() {
    for (was, now, said) in [
        (
            "invoke_method(device, \"one\");",
            "invoke_method(device, \"another\");",
            "here it comes to `invoke_method another`",
        ),
        ("invoke_method(device, \"one\");", "invoke_method(device, \"one\", 5);", "with other arguments"),
        (
            "invoke_method(device, \"one\");",
            "if false { invoke_method(device, \"x\"); }",
            "here it comes to `invoke_method two`",
        ),
        (
            "      invoke_method(device, \"one\");\n",
            "      if true { return 1; }\n",
            "it ended without `invoke_method one`",
        ),
    ] {
        let kept = Kept::new();
        run(&world(["a"]), TWO, &kept.fresh()).await;
        cut_behind(&kept, &["\"kind\":\"call\"", "invoke_method two"]);
        let again = world(["a"]);
        let ran = run(&again, &TWO.replace(was, now), &kept.resumed(false)).await;
        assert_eq!((names(&again).len(), ran.result.exit), (0, 4), "{now}");
        let failures = ran.events.failures();
        assert!(failures[0].contains("takes another way than before") && failures[0].contains(said), "{failures:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_script_slept_and_waited_for_is_over() {
    let kept = Kept::new();
    let text = "steps:\n  - script: |\n      sleep(\"20m\");\n      wait_until(device, |twin| twin.version == 0);\n      print(\"there\");\n      invoke_method(device, \"one\");\n      invoke_method(device, \"two\");\n";
    run(&world(["a"]), text, &kept.fresh()).await;
    cut_behind(&kept, &["\"kind\":\"step\"", "invoke_method one"]);
    let again = world(["a"]);
    again.borrow_mut().devices.values_mut().for_each(|fake| fake.version = 9);
    let start = tokio::time::Instant::now();
    let ran = run(&again, text, &kept.resumed(false)).await;
    assert_eq!((names(&again), ran.result.exit), (vec!["two".to_owned()], 0), "{:?}", ran.events.failures());
    assert!(start.elapsed() < Duration::from_secs(60) && ran.events.said().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_runner_script_that_was_interrupted_is_gone_on_with() {
    let (kept, first) = (Kept::new(), world(["a", "b"]));
    replies(&first, "b", [Reply::HubGone]);
    let text = "let seen = []; for d in devices() { seen.push(invoke_method(d.id, \"m\").status); } print(`${seen}`);";
    let ran = script_with(&first, text, &kept.fresh()).await;
    assert_eq!((ran.result.exit, ran.result.resume), (7, Some(Resume::Plain)));
    let again = world(["a", "b"]);
    let ran = script_with(&again, text, &kept.resumed(false)).await;
    assert_eq!(
        (ran.result.exit, again.borrow().order.clone()),
        (0, vec!["b".to_owned()]),
        "{:?}",
        ran.events.failures()
    );
    assert_eq!((ran.events.said(), ran.result.counts.ok), (vec!["[200, 200]".to_owned()], 2));
    assert!(kept.resumed(false).journal.is_some_and(|journal| journal.is_over()));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_scripts_that_wait_hold_no_fork() {
    let world = world((0..1_000).map(|n| format!("d{n}")));
    let text = "steps:\n  - script: |\n      invoke_method(device, \"begin\");\n      wait_until(device, |twin| twin.version == 1, #{ timeout: \"10m\" });\n      sleep(60);\n      invoke_method(device, \"end\");\n";
    let inner = Rc::clone(&world);
    let becomes_ready = async move {
        tokio::time::sleep(Duration::from_secs(30)).await;
        // All of them have begun, although only ten calls may be in flight.
        assert_eq!(inner.borrow().sent.len(), 1_000);
        inner.borrow_mut().devices.values_mut().for_each(|fake| fake.version = 1);
        tokio::time::sleep(Duration::from_secs(50)).await;
        assert_eq!(inner.borrow().sent.len(), 1_000, "they sleep");
        std::future::pending::<()>().await;
    };
    world.borrow_mut().decide = Some(Rc::new(|_, _, _| Reply::After(Duration::from_millis(100), json!(1))));
    let options = RunOptions { forks: Some(10), ..options() };
    let ran = tokio::select! {
        ran = run_with(&world, text, &options) => ran,
        () = becomes_ready => unreachable!(),
    };
    assert_eq!((ran.result.exit, ran.result.counts.ok), (0, 1_000), "{:?}", ran.events.failures().first());
    assert_eq!(world.borrow().most_in_flight, 10);
}
