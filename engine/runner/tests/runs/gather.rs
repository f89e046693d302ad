//! Steps that serve a wave's devices with one call: who meets whom, and that nobody waits for ever.

use std::time::Duration;

use iotplay_runner::RunOptions;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::fake::{Ran, Reply, Shared, options, replies, run, run_with, script, world};

/// The batches in order of time: name, devices.
fn batches(world: &Shared) -> Vec<(String, String)> {
    world.borrow().batches.iter().map(|(name, devices)| (name.clone(), devices.join(" "))).collect()
}

fn batch(name: &str, devices: &str) -> (String, String) {
    (name.to_owned(), devices.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_wave_meets_whatever_the_forks() {
    let world = world((0..7).map(|n| format!("d{n}")));
    let text = "serial: [1, 2, rest]\nforks: 1\nsteps:\n  - sleep: 1s\n  - ping: { name: p }\n  - together: { name: t }\n    register: reply\n";
    let ran = run(&world, text).await;
    assert_eq!((ran.result.exit, ran.result.counts.ok), (0, 7));
    let expected = [batch("r1-w1-s3", "d0"), batch("r1-w2-s3", "d1 d2"), batch("r1-w3-s3", "d3 d4 d5 d6")];
    assert_eq!(batches(&world), expected);
    assert_eq!(ran.events.registered("d5", "reply"), Some(json!({"status": 200, "payload": null, "lost": false})));
}

#[tokio::test(start_paused = true)]
async fn who_ends_elsewhere_or_leaves_it_out_is_not_waited_for() {
    let world = world(["a", "b", "c", "d", "e"]);
    replies(&world, "a", [Reply::Status(500, Value::Null)]);
    replies(&world, "b", [Reply::After(Duration::from_secs(60), Value::Null)]);
    let text = "steps:\n  - ping: { name: p }\n  - when: device.id != 'c'\n    together: { name: t }\n  - sleep: 1h\n    when: device.id == 'c'\n  - together: { name: u }\n";
    let ran = run(&world, text).await;
    assert_eq!((ran.result.exit, ran.result.counts.ok, ran.result.counts.failed), (4, 4, 1));
    assert_eq!(batches(&world), [batch("r1-w1-s2", "b d e"), batch("r1-w1-s4", "b c d e")]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_online_late_makes_a_batch_of_its_own() {
    let world = world(["a", "b", "c"]);
    replies(&world, "b", [Reply::Offline, Reply::Offline, Reply::Status(200, Value::Null)]);
    let text = "steps:\n  - together: { name: t }\n    offline: { wait: 2h }\n  - together: { name: u }\n";
    let ran = run(&world, text).await;
    assert_eq!((ran.result.exit, ran.result.counts.ok), (0, 3));
    let expected = [
        batch("r1-w1-s1", "a b c"),
        batch("r1-w1-s2", "a c"),
        batch("r1-w1-s1-b2", "b"),
        batch("r1-w1-s1-b3", "b"),
        batch("r1-w1-s2-b2", "b"),
    ];
    assert_eq!(batches(&world), expected);
}

#[tokio::test(start_paused = true)]
async fn rounds_of_loops_and_attempts_are_batches_apart() {
    let world = world(["a", "b", "c"]);
    replies(&world, "b", [Reply::Status(500, Value::Null)]);
    let text = "steps:\n  - loop: [1, 2]\n    retries: 1\n    block:\n      - together: { name: t, payload: \"${{ item }}\" }\n  - together: { name: u }\n";
    let ran = run(&world, text).await;
    assert_eq!((ran.result.exit, ran.result.counts.ok), (0, 3));
    let expected = [
        batch("r1-w1-s1-s1-s2", "a b c"),
        batch("r1-w1-s1-s1.2-s2", "b"),
        batch("r1-w1-s1.2-s1-s2", "a b c"),
        batch("r1-w1-s3", "a b c"),
    ];
    assert_eq!(batches(&world), expected);
}

#[tokio::test(start_paused = true)]
async fn throttle_and_run_once_keep_nobody_waiting_for_ever() {
    let world = world((0..5).map(|n| format!("d{n}")));
    let text = "steps:\n  - throttle: 2\n    block:\n      - together: { name: t }\n      - ping: { name: p }\n  - run_once: true\n    together: { name: once }\n  - together: { name: u }\n";
    let ran = run(&world, text).await;
    assert_eq!((ran.result.exit, ran.result.counts.ok), (0, 5));
    let all = batches(&world);
    let sizes: Vec<usize> = all.iter().map(|(_, devices)| devices.split(' ').count()).collect();
    assert_eq!(sizes, [2, 2, 1, 1, 5], "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn the_time_of_waiting_for_others_is_not_the_steps() {
    let world = world(["a", "b", "c"]);
    replies(&world, "b", [Reply::Status(200, Value::Null), Reply::Never]);
    replies(&world, "c", [Reply::After(Duration::from_secs(3600), Value::Null)]);
    let text = "steps:\n  - ping: { name: p }\n  - timeout: 2m\n    block:\n      - together: { name: t }\n        timeout: 1m\n";
    let started = tokio::time::Instant::now();
    let ran = run(&world, text).await;
    assert_eq!((ran.result.exit, ran.events.ends()["b"], ran.result.counts.ok), (4, "timeout", 2));
    assert_eq!(started.elapsed().as_secs(), 3_660);
}

#[tokio::test(start_paused = true)]
async fn the_time_of_finding_out_is_not_the_steps_either() {
    let world = world(["a", "b"]);
    let text = "steps:\n  - together: { name: t, slow: true }\n    timeout: 1m\n";
    let ran = run(&world, text).await;
    assert_eq!((ran.result.exit, ran.result.counts.ok), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn verify_and_on_abort_meet_too() {
    let world = world(["a", "b", "c", "d"]);
    let text = "serial: [2, rest]\nsteps:\n  - noop:\nbetween_waves:\n  verify: [ { together: { name: v } } ]\n  gate: false\non_abort: [ { together: { name: x } } ]\n";
    let ran = run(&world, text).await;
    assert_eq!(ran.result.exit, 6);
    let all: Vec<String> = batches(&world).into_iter().map(|(_, devices)| devices).collect();
    assert_eq!(all, ["a b", "a b"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_reaches_those_who_meet_and_those_who_are_served() {
    for served in [false, true] {
        let world = world(["a", "b", "c"]);
        let slow = [Reply::After(Duration::from_secs(3600), Value::Null)];
        replies(&world, "c", if served { [Reply::Status(200, Value::Null)] } else { slow.clone() });
        if served {
            replies(&world, "a", [Reply::Status(200, Value::Null), Reply::Never]);
        }
        let cancel = CancellationToken::new();
        let options = RunOptions { cancel: cancel.clone(), ..options() };
        let text = "steps:\n  - ping: { name: p }\n  - together: { name: t }\n";
        let stop = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            cancel.cancel();
        };
        let started = tokio::time::Instant::now();
        let (ran, ()) = tokio::join!(run_with(&world, text, &options), stop);
        assert_eq!(ran.result.exit, 130);
        assert_eq!(batches(&world).len(), usize::from(served));
        assert_eq!(started.elapsed().as_secs(), if served { 11 } else { 12 }, "a ping in flight has its grace");
        let warned = ran.events.warned();
        assert_eq!(warned, if served { vec!["called off".to_owned()] } else { Vec::new() });
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_before_anything_began_is_heard_by_who_serves() {
    let world = world(["a", "b"]);
    let cancel = CancellationToken::new();
    let options = RunOptions { cancel: cancel.clone(), ..options() };
    let stop = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        cancel.cancel();
    };
    let text = "steps:\n  - together: { name: t, stuck: true }\n";
    let (ran, ()) = tokio::join!(run_with(&world, text, &options), stop);
    assert_eq!((ran.result.exit, ran.events.warned()), (130, vec!["called off".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn whoever_the_verb_forgets_has_failed() {
    let world = world(["a", "b"]);
    let ran = run(&world, "steps:\n  - together: { name: t, forgets: true }\n").await;
    assert_eq!((ran.result.exit, ran.result.counts.failed), (4, 2));
    assert!(ran.events.failures()[0].contains("was not served"), "{:?}", ran.events.failures());
}

#[tokio::test(start_paused = true)]
async fn scripts_and_rehearsals_meet_nobody() {
    let fleet = world(["a", "b"]);
    let ran = script(&fleet, "for d in devices() { log(`${together(d.id, \"t\").status}`); }").await;
    assert_eq!((ran.result.exit, ran.events.said()), (0, vec!["200".to_owned(), "200".to_owned()]));
    assert_eq!(batches(&fleet), [batch("alone-a", "a"), batch("alone-b", "b")]);
    let fleet = world(["a", "b"]);
    let options = RunOptions { check: true, ..options() };
    let ran = run_with(&fleet, "steps:\n  - together: { name: t }\n", &options).await;
    assert_eq!((ran.result.exit, batches(&fleet).len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_meet() {
    let world = world((0..10_000).map(|n| format!("d{n:05}")));
    let text = "serial: [10, rest]\nsteps:\n  - together: { name: t }\n  - together: { name: u }\n";
    let ran = run(&world, text).await;
    assert_eq!((ran.result.exit, ran.result.counts.ok), (0, 10_000));
    let sizes: Vec<usize> = world.borrow().batches.iter().map(|(_, devices)| devices.len()).collect();
    assert_eq!(sizes, [10, 10, 9_990, 9_990]);
}

/// One step of a random playbook, as lines; `depth` bounds the nesting. `VERB` stands for the verb under test.
fn step(depth: u32) -> BoxedStrategy<Vec<String>> {
    let verb = prop_oneof![
        5 => Just("VERB: { name: x }".to_owned()),
        2 => (1..9_u32).prop_map(|seconds| format!("sleep: {seconds}s")),
        1 => Just("noop:".to_owned()),
        1 => Just("ping: { name: p }".to_owned()),
    ];
    let beside = proptest::collection::btree_set(
        prop_oneof![
            (0..6_u32).prop_map(|n| format!("when: device.id != 'd{n}'")),
            Just("ignore_errors: true".to_owned()),
            Just("retries: 1".to_owned()),
            Just("retries: 2".to_owned()),
            Just("offline: { wait: 1h }".to_owned()),
            Just("offline: skip".to_owned()),
            (1..3_u32).prop_map(|n| format!("throttle: {n}")),
            Just("loop: [1, 2]".to_owned()),
        ],
        0..3,
    );
    let beside = beside.prop_map(|lines| {
        // One line for each key.
        let key = |line: &String| line.split(':').next().unwrap_or("").to_owned();
        lines.into_iter().map(|line| (key(&line), line)).collect::<std::collections::BTreeMap<_, _>>()
    });
    let plain = (verb, beside.clone()).prop_map(|(verb, beside)| {
        let mut lines = vec![format!("- {verb}")];
        lines.extend(beside.into_values().map(|line| format!("  {line}")));
        lines
    });
    if depth == 0 {
        return plain.boxed();
    }
    let nested = (
        proptest::collection::vec(step(depth - 1), 1..3),
        proptest::option::of(proptest::collection::vec(step(depth - 1), 1..2)),
        beside,
    );
    let block = nested.prop_map(|(block, rescue, beside)| {
        let indented = |steps: Vec<Vec<String>>| steps.into_iter().flatten().map(|line| format!("    {line}"));
        let mut lines = vec!["- block:".to_owned()];
        lines.extend(indented(block));
        if let Some(rescue) = rescue {
            lines.push("  rescue:".to_owned());
            lines.extend(indented(rescue));
        }
        lines.extend(beside.into_values().map(|line| format!("  {line}")));
        lines
    });
    prop_oneof![3 => plain, 2 => block].boxed()
}

fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        4 => Just(Reply::Status(200, Value::Null)),
        2 => (1..30_u64).prop_map(|seconds| Reply::After(Duration::from_secs(seconds), Value::Null)),
        1 => Just(Reply::Status(500, Value::Null)),
        1 => Just(Reply::Offline),
        1 => Just(Reply::Lost),
    ]
}

/// Runs it in paused time, within a month of it.
fn play(text: &str, answers: &[Vec<Reply>]) -> Option<(Shared, Ran)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let world = world((0..answers.len()).map(|n| format!("d{n}")));
        for (index, answers) in answers.iter().enumerate() {
            replies(&world, &format!("d{index}"), answers.clone());
        }
        let month = Duration::from_secs(30 * 86_400);
        let ran = tokio::time::timeout(month, run(&world, text)).await.ok()?;
        Some((world, ran))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Whatever stands around: the run ends, and each device has come to the same, with as many calls, as it does alone.
    #[test]
    fn together_is_as_alone(
        steps in proptest::collection::vec(step(2), 1..5),
        answers in proptest::collection::vec(proptest::collection::vec(reply(), 0..6), 1..7),
        // Gates that are always open: what a shut one sees depends on when a device that is waited for comes back.
        serial in prop_oneof![
            Just(""),
            Just("serial: [1, 50%, rest]\nbetween_waves: { gate: 'true' }\n"),
            Just("serial: [2, rest]\nabort_if: { failed: 100 }\nbetween_waves: { gate: 'true' }\n"),
        ],
        forks in 1..4_u32,
        once in any::<bool>(),
    ) {
        let mut lines: Vec<String> = steps.into_iter().flatten().map(|line| format!("  {line}")).collect();
        if once {
            lines.push("  - run_once: true\n    ignore_errors: true\n    VERB: { name: once }".into());
        }
        let text = format!("{serial}forks: {forks}\nsteps:\n{}\n", lines.join("\n"));
        let alone = play(&text.replace("VERB", "invoke_method"), &answers);
        let together = play(&text.replace("VERB", "together"), &answers);
        let Some((one, alone)) = alone else { return Err(TestCaseError::fail("alone did not end")) };
        prop_assert!(together.is_some(), "together did not end:\n{text}");
        let Some((many, together)) = together else { return Ok(()) };
        prop_assert_eq!(alone.events.ends(), together.events.ends(), "{}", text);
        let calls = |world: &Shared| world.borrow().devices.values().map(|device| device.calls).collect::<Vec<_>>();
        if once {
            // Who is first differs.
            prop_assert_eq!(calls(&one).iter().sum::<usize>(), calls(&many).iter().sum::<usize>(), "{}", text);
        } else {
            prop_assert_eq!(calls(&one), calls(&many), "{}", text);
        }
        prop_assert_eq!(alone.result.counts, together.result.counts);
    }
}
