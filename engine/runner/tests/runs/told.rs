//! What events tell those who report: waves, time spent waiting, who caught a failure, what `verify` found.

use std::time::Duration;

use iotplay_runner::{RunEvent, RunOptions};
use serde_json::Value;

use super::fake::{Ran, Reply, options, replies, run, script, script_with, world};

/// Device, outcome, wave, seconds and seconds waited of each end.
fn ends(ran: &Ran) -> Vec<(String, &'static str, usize, u64, u64)> {
    let events = ran.events.0.borrow();
    let ends = events.iter().filter_map(|event| match event {
        RunEvent::DeviceEnded { device, outcome, wave, took, waited, .. } => {
            Some((device.to_string(), *outcome, *wave, took.as_secs(), waited.as_secs()))
        }
        _ => None,
    });
    ends.collect()
}

/// Name, `ignored` and `rescued` of each failed step.
fn failed(ran: &Ran) -> Vec<(String, bool, bool)> {
    let events = ran.events.0.borrow();
    let failed = events.iter().filter_map(|event| match event {
        RunEvent::StepEnded { name, outcome: iotplay_runner::Outcome::Failed(_), ignored, rescued, .. } => {
            Some((name.to_string(), *ignored, *rescued))
        }
        _ => None,
    });
    failed.collect()
}

#[tokio::test(start_paused = true)]
async fn waves_are_told_and_every_device_begins_before_it_ends() {
    let world = world(["a", "b", "c"]);
    let ran = run(&world, "serial: [1, rest]\nsteps:\n  - noop:\n").await;
    let waves: Vec<_> = ends(&ran).into_iter().map(|(device, _, wave, ..)| (device, wave)).collect();
    assert_eq!(waves, [("a".to_owned(), 1), ("b".to_owned(), 2), ("c".to_owned(), 2)]);
    let events = ran.events.0.borrow();
    let began = events.iter().filter_map(|event| match event {
        RunEvent::DeviceStarted { device, wave } => Some((device.to_string(), *wave)),
        _ => None,
    });
    assert_eq!(began.collect::<Vec<_>>(), waves);
    let told = events.iter().find_map(|event| match event {
        RunEvent::PlayStarted { waves, estimate, .. } => Some((*waves, estimate.clone())),
        _ => None,
    });
    assert_eq!(told, Some((2, None)));
}

#[tokio::test(start_paused = true)]
async fn waiting_is_counted_for_verbs_that_wait_and_for_who_is_away() {
    let world = world(["a"]);
    replies(&world, "a", [Reply::Offline, Reply::Offline, Reply::After(Duration::from_secs(7), Value::Null)]);
    let ran = run(&world, "steps:\n  - sleep: 20s\n  - ping: { name: p }\n    offline: { wait: 1h }\n").await;
    let [(_, outcome, _, took, waited)] = &ends(&ran)[..] else { panic!("one device") };
    assert_eq!(*outcome, "ok");
    assert!(*waited >= 22 && took - waited <= 7, "{took} {waited}");
}

#[tokio::test(start_paused = true)]
async fn who_catches_a_failure_is_told() {
    let world = world(["d"]);
    let text = "steps:\n  - block:\n      - { name: Inner, fail: no }\n    rescue:\n      - noop:\n  - { name: Own, fail: no, ignore_errors: true }\n";
    let ran = run(&world, text).await;
    assert_eq!(failed(&ran), [("Inner".to_owned(), true, true), ("Own".to_owned(), true, false)]);
    // The last attempt of a block is caught by nobody: its failure is the device's.
    let text = "steps:\n  - retries: 1\n    delay: 1s\n    block:\n      - { name: Inner, fail: no }\n";
    let ran = run(&world, text).await;
    assert_eq!(ran.result.exit, 4);
    assert_eq!(failed(&ran), [("Inner".to_owned(), true, false), ("Inner".to_owned(), false, false)]);
}

#[tokio::test(start_paused = true)]
async fn a_block_that_is_not_repeated_after_all_says_its_failure_itself() {
    let world = world(["d"]);
    replies(&world, "d", [Reply::Lost]);
    let text =
        "steps:\n  - name: Whole\n    retries: 3\n    block:\n      - { name: Call, invoke_method: { name: m } }\n";
    let ran = run(&world, text).await;
    assert_eq!(ran.result.exit, 4);
    assert_eq!(failed(&ran), [("Call".to_owned(), true, false), ("Whole".to_owned(), false, false)]);
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_refuses_is_rescued_by_nobody() {
    let world = world(["d"]);
    replies(&world, "d", [Reply::HubGone]);
    let text = "steps:\n  - block:\n      - { name: Call, invoke_method: { name: m } }\n    rescue:\n      - noop:\n";
    let ran = run(&world, text).await;
    assert_eq!(ran.result.exit, 7);
    assert_eq!(failed(&ran), [("Call".to_owned(), false, false)]);
}

#[tokio::test(start_paused = true)]
async fn what_verify_finds_is_told_and_counted() {
    let world = world(["a", "b"]);
    let text = "serial: 1\nbetween_waves: { gate: 'true', verify: [ { fail: not well } ] }\nsteps:\n  - noop:\n";
    let ran = run(&world, text).await;
    let events = ran.events.0.borrow();
    let found: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            RunEvent::VerifyFailed { device, outcome, wave, error } => {
                Some((device.to_string(), *outcome, *wave, error.clone()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(found, [("a".to_owned(), "failed", 1, Some("not well".to_owned()))]);
    assert_eq!((ran.result.counts.ok, ran.result.counts.failed), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_script_tells_how_its_devices_ended() {
    let world = world(["a", "b"]);
    replies(&world, "a", [Reply::After(Duration::from_secs(3), Value::Null), Reply::Status(409, Value::Null)]);
    let text = r#"
        invoke_method("a", "m");
        try { invoke_method("a", "m"); } catch (e) { }
        invoke_method("b", "m");
    "#;
    let ran = script(&world, text).await;
    assert_eq!(ends(&ran), [("a".to_owned(), "rejected", 1, 3, 0), ("b".to_owned(), "ok", 1, 0, 0)]);
    assert_eq!((ran.result.counts.ok, ran.result.counts.failed), (1, 1));
    // What was only waited for counts too; what was only talked about is skipped.
    let ran = script(&world, "wait_until(\"b\", |twin| true);").await;
    assert_eq!(ends(&ran), [("b".to_owned(), "ok", 1, 0, 0)]);
    let check = RunOptions { check: true, ..options() };
    let ran = script_with(&world, "invoke_method(\"a\", \"m\");", &check).await;
    assert_eq!(ends(&ran), [("a".to_owned(), "skipped", 1, 0, 0)]);
    assert_eq!(ran.result.counts.skipped, 1);
}

#[tokio::test(start_paused = true)]
async fn what_no_log_hides_is_told_by_no_event() {
    let world = world(["d", "e"]);
    let secret = || Reply::Status(409, Value::from("payload-of-d"));
    let step = "{ name: Call, ping: { name: p }, retries: 1, delay: 1s, no_log: true }";
    for text in [
        format!("steps:\n  - {step}\n"),
        format!("steps:\n  - no_log: true\n    block:\n      - {}\n", step.replace(", no_log: true", "")),
    ] {
        for device in ["d", "e"] {
            replies(&world, device, [secret(), secret()]);
        }
        let ran = run(&world, &text).await;
        assert_eq!(ran.result.exit, 4);
        let events = ran.events.0.borrow();
        let told = events.iter().filter(|event| match event {
            // Its reporters are told not to show what it holds.
            RunEvent::StepEnded { hidden, diagnostic, summary, .. } => {
                assert!(*hidden);
                format!("{diagnostic:?}{summary}").contains("409")
            }
            other => format!("{other:?}").contains("409"),
        });
        assert_eq!(told.count(), 0, "{events:?}");
        let error = events.iter().find_map(|event| match event {
            RunEvent::DeviceEnded { error, .. } => error.clone(),
            _ => None,
        });
        assert_eq!(error.as_deref(), Some("failed; why is hidden (no_log)"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_play_asks_of_the_hub_at_least_is_estimated_at_its_start() {
    let world = world((0..10).map(|n| format!("d{n}")));
    world.borrow_mut().each = Some(Duration::from_secs(1));
    let text = "
before: [ { log: begin } ]
steps:
  - { ping: { name: p }, run_once: true }
  - ping: { name: '${{ twin.version }}' }
  - { ping: { name: q }, when: device.id == 'd1' }
  - block: [ { ping: { name: r } } ]
    rescue: [ { ping: { name: s } } ]
    always: [ { wait_until: true } ]
  - { ping: { name: t }, tags: [never] }
";
    let ran = run(&world, text).await;
    let events = ran.events.0.borrow();
    let told = events.iter().find_map(|event| match event {
        RunEvent::PlayStarted { estimate, .. } => estimate.as_ref().map(|it| it.least),
        _ => None,
    });
    let estimated: Vec<_> =
        world.borrow().estimated.iter().map(|work| format!("{} {}", work.name, work.count)).collect();
    assert_eq!(estimated, ["log 1", "ping 21", "twin 10", "wait_until 10"]);
    assert_eq!(told, Some(Duration::from_secs(42)));
}
