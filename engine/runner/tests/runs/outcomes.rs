//! The outcome table and the exit codes of the design.

use std::time::Duration;

use serde_json::{Value, json};

use super::fake::{Reply, options, replies, run, run_with, world};

const CALL: &str = "steps:\n  - invoke_method: { name: m }\n";

#[tokio::test(start_paused = true)]
async fn each_outcome_has_its_class_and_code() {
    for (reply, outcome, exit) in [
        (Reply::Status(200, Value::Null), "ok", 0),
        (Reply::Status(299, Value::Null), "ok", 0),
        (Reply::Status(404, Value::Null), "rejected", 4),
        (Reply::Offline, "unreachable", 5),
        (Reply::Dropped, "unreachable", 5),
        (Reply::Lost, "timeout", 4),
        (Reply::HubGone, "failed", 7),
    ] {
        let world = world(["d"]);
        replies(&world, "d", [reply.clone()]);
        let ran = run(&world, CALL).await;
        assert_eq!(ran.result.exit, exit, "{reply:?}");
        assert_eq!(ran.events.ends()["d"], outcome, "{reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn codes_of_many_devices() {
    for (first, second, exit) in [
        (Reply::Offline, Reply::Status(200, Value::Null), 5),
        (Reply::Offline, Reply::Lost, 4),
        (Reply::Status(500, Value::Null), Reply::Status(200, Value::Null), 4),
    ] {
        let world = world(["a", "b"]);
        replies(&world, "a", [first]);
        replies(&world, "b", [second]);
        assert_eq!(run(&world, CALL).await.result.exit, exit);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_refuses_ends_the_run() {
    let world = world(["a", "b", "c"]);
    replies(&world, "a", [Reply::HubGone]);
    let ran = run_with(&world, CALL, &options_with_one_fork()).await;
    assert_eq!(ran.result.exit, 7);
    assert_eq!(world.borrow().order, ["a"], "nobody else is called");
    assert_eq!(ran.events.ends()["c"], "skipped");
    assert!(ran.result.reason.unwrap().contains("refuses the key"));
}

fn options_with_one_fork() -> iotplay_runner::RunOptions {
    iotplay_runner::RunOptions { forks: Some(1), ..options() }
}

#[tokio::test(start_paused = true)]
async fn offline_decides_what_a_missing_device_means() {
    for (offline, replies_of, outcome, exit, calls) in [
        ("fail", vec![Reply::Offline], "unreachable", 5, 1),
        ("skip", vec![Reply::Offline], "skipped", 0, 1),
        ("skip_step", vec![Reply::Offline], "ok", 0, 2),
        ("{ wait: 1h }", vec![Reply::Offline, Reply::Offline], "ok", 0, 4),
        ("skip", vec![Reply::Dropped], "unreachable", 5, 1),
    ] {
        let world = world(["d"]);
        replies(&world, "d", replies_of);
        let text =
            format!("steps:\n  - offline: {offline}\n    invoke_method: {{ name: m }}\n  - ping: {{ name: p }}\n");
        let ran = run(&world, &text).await;
        assert_eq!((ran.events.ends()["d"], ran.result.exit), (outcome, exit), "{offline}");
        assert_eq!(world.borrow().devices["d"].calls, calls, "{offline}");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_device_ends_at_last() {
    let world = world(["d"]);
    replies(&world, "d", std::iter::repeat_n(Reply::Offline, 500));
    let started = tokio::time::Instant::now();
    let ran =
        run(&world, "steps:\n  - offline: { wait: 1h }\n    timeout: 30s\n    invoke_method: { name: m }\n").await;
    assert_eq!(ran.result.exit, 5, "{:?}", ran.events.failures());
    assert_eq!(started.elapsed().as_secs(), 3_600, "the step's own deadline does not count the wait");
    let calls = world.borrow().devices["d"].calls;
    assert!((60..200).contains(&calls), "{calls}: with a growing pause, at most a minute");
}

#[tokio::test(start_paused = true)]
async fn those_waited_for_hold_neither_fork_nor_wave() {
    let world = world(["a", "b", "c"]);
    replies(&world, "a", std::iter::repeat_n(Reply::Offline, 30));
    let text = "serial: [1, rest]\nforks: 1\nabort_if: { failed: 2 }\nbetween_waves: { gate: wave.failed == 0 }\nsteps:\n  - offline: { wait: 24h }\n    invoke_method: { name: m }\n";
    let ran = run(&world, text).await;
    assert_eq!(ran.result.exit, 0, "{:?} {:?}", ran.result.reason, ran.events.failures());
    let order = world.borrow().order.clone();
    let last_of_others = order.iter().rposition(|id| id == "c").unwrap();
    assert!(last_of_others < 5, "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_takes_too_long_is_in_doubt_when_it_may_have_arrived() {
    let world = world(["d"]);
    replies(&world, "d", [Reply::Never]);
    let ran = run(&world, "steps:\n  - timeout: 5s\n    retries: 3\n    invoke_method: { name: m }\n").await;
    assert_eq!((ran.events.ends()["d"], ran.result.exit), ("timeout", 4));
    assert_eq!(world.borrow().devices["d"].calls, 1);
    assert!(ran.events.failures()[0].contains("do not send it again blindly"), "{:?}", ran.events.failures());
}

#[tokio::test(start_paused = true)]
async fn unknown_replies_are_never_repeated_unless_harmless() {
    for (verb, calls, exit) in [("invoke_method", 1, 4), ("ping", 2, 0)] {
        let world = world(["d"]);
        replies(&world, "d", [Reply::Lost]);
        let ran = run(&world, &format!("steps:\n  - retries: 2\n    delay: 1s\n    {verb}: {{ name: m }}\n")).await;
        assert_eq!((world.borrow().devices["d"].calls, ran.result.exit), (calls, exit), "{verb}");
    }
    // Inside a block that is repeated the same holds.
    let world = world(["d"]);
    replies(&world, "d", [Reply::Lost]);
    run(&world, "steps:\n  - retries: 2\n    block:\n      - invoke_method: { name: m }\n").await;
    assert_eq!(world.borrow().devices["d"].calls, 1);
}

#[tokio::test(start_paused = true)]
async fn an_interruption_drops_what_does_not_end() {
    let world = world(["a", "b", "c"]);
    replies(&world, "a", [Reply::Never]);
    replies(&world, "b", [Reply::After(Duration::from_secs(11), Value::Null)]);
    let mut options = options_with_one_fork();
    options.forks = Some(2);
    let cancel = options.cancel.clone();
    let started = tokio::time::Instant::now();
    let stop = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        cancel.cancel();
    };
    let (ran, ()) = tokio::join!(run_with(&world, CALL, &options), stop);
    assert_eq!(ran.result.exit, 130);
    assert!(ran.result.interrupted);
    assert_eq!(started.elapsed().as_secs(), 12, "two seconds of grace");
    assert!(ran.result.reason.unwrap().contains("1 device was in a call whose reply is not known"));
    let ends = ran.events.ends();
    assert_eq!((ends["a"], ends["b"], ends["c"]), ("skipped", "ok", "skipped"));
}

#[tokio::test(start_paused = true)]
async fn a_play_has_a_deadline_too() {
    let world = world(["a"]);
    replies(&world, "a", [Reply::Never]);
    let ran = run(
        &world,
        "timeout: 1m\nafter:\n  - log: ${{ devices[0].outcome }}\nsteps:\n  - invoke_method: { name: m }\n",
    )
    .await;
    assert_eq!(ran.result.exit, 4);
    assert_eq!(ran.events.said(), ["timeout"], "`after` still runs");
    assert_eq!(ran.events.ends()["a"], "timeout");
}

#[tokio::test(start_paused = true)]
async fn success_if_decides_the_whole_run() {
    for (condition, exit) in [("run.ok >= 1", 0), ("run.ok == run.size", 4)] {
        let world = world(["a", "b"]);
        replies(&world, "a", [Reply::Offline]);
        let ran = run(&world, &format!("success_if: {condition}\n{CALL}")).await;
        assert_eq!(ran.result.exit, exit, "{condition}");
    }
}

#[tokio::test(start_paused = true)]
async fn check_sends_nothing_that_changes() {
    let world = world(["a"]);
    let text = "steps:\n  - invoke_method: { name: m }\n    register: reply\n  - wait_until: false\n  - ping: { name: p }\n  - log: ${{ reply.status }}\n";
    for (fail_on_change, exit) in [(false, 0), (true, 4)] {
        let options = iotplay_runner::RunOptions { check: true, fail_on_change, ..options() };
        let ran = run_with(&world, text, &options).await;
        assert_eq!(ran.result.exit, exit, "{:?}", ran.events.failures());
        assert!(ran.events.said().is_empty(), "a line about a reply that does not exist is not said");
    }
    assert_eq!(world.borrow().devices["a"].calls, 2, "only the readers");
}

#[tokio::test(start_paused = true)]
async fn later_plays_leave_failed_devices_out() {
    let world = world(["a", "b"]);
    replies(&world, "a", [Reply::Status(500, json!("no"))]);
    let ran = run(&world, "- steps:\n  - invoke_method: { name: m }\n- steps:\n  - ping: { name: p }\n").await;
    assert_eq!(ran.result.exit, 4);
    assert_eq!(world.borrow().order, ["a", "b", "b"]);
}
