//! Whom a run may touch, and who must be asked (section 2 of the language page).

use std::cell::RefCell;
use std::rc::Rc;

use futures_util::FutureExt as _;
use iotplay_runner::{Confirm, RunOptions};

use serde_json::Value;

use super::fake::{Reply, Shared, options, replies, run_with, world};

const CALL: &str = "steps:\n  - invoke_method: { name: m }\n";

fn remote(devices: &[&str]) -> Shared {
    let world = world(devices.iter().copied());
    world.borrow_mut().local = false;
    world
}

fn answering(answer: Option<&'static str>, asked: &Rc<RefCell<Vec<String>>>) -> Option<Confirm> {
    let asked = Rc::clone(asked);
    Some(Rc::new(move |question| {
        asked.borrow_mut().push(question.to_string());
        async move { answer.map(str::to_owned) }.boxed_local()
    }))
}

#[tokio::test(start_paused = true)]
async fn a_remote_hub_wants_to_be_told_whom() {
    let world = remote(&["a", "b"]);
    let ran = run_with(&world, CALL, &RunOptions { yes: true, ..options() }).await;
    assert_eq!(ran.result.exit, 2);
    assert!(ran.events.failures()[0].contains("2 devices"), "{:?}", ran.events.failures());
    assert!(world.borrow().order.is_empty());
    let ran = run_with(&world, CALL, &RunOptions { yes: true, all: true, ..options() }).await;
    assert_eq!(ran.result.exit, 0);
    assert_eq!(world.borrow().order, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn limits_and_queries() {
    for (limit, query, expected, exit) in [
        (vec!["press-*"], None, vec!["press-1", "press-2"], 0),
        (vec!["press-*,!press-1"], None, vec!["press-2"], 0),
        (vec!["drill-1"], None, vec!["drill-1"], 0),
        (vec![], Some("drill"), vec!["drill-1"], 0),
        (vec!["*-1"], Some("press"), vec!["press-1"], 0),
        (vec!["nobody-*"], None, vec![], 2),
        (vec!["press-9"], None, vec![], 2),
        (vec![], Some("bad"), vec![], 2),
        (vec!["press-1"], Some("drill"), vec![], 2),
    ] {
        let world = world(["press-1", "press-2", "drill-1"]);
        let limit = limit.into_iter().map(str::to_owned).collect();
        let options = RunOptions { limit, query: query.map(str::to_owned), ..options() };
        let ran = run_with(&world, CALL, &options).await;
        assert_eq!(ran.result.exit, exit, "{:?}", options.limit);
        assert_eq!(world.borrow().order, expected, "{:?}", options.limit);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_an_error_unless_said() {
    let world = world(["a"]);
    let options = RunOptions { limit: vec!["z*".into()], allow_empty: true, ..options() };
    assert_eq!(run_with(&world, CALL, &options).await.result.exit, 0);
}

#[tokio::test(start_paused = true)]
async fn targets_of_the_play_and_their_order() {
    let world = world(["a", "b", "c"]);
    let text = |order: &str| format!("targets: {{ devices: [c, a, b], order: {order} }}\n{CALL}");
    let one = RunOptions { forks: Some(1), ..options() };
    run_with(&world, &text("given"), &one).await;
    run_with(&world, &text("id"), &one).await;
    assert_eq!(world.borrow().order, ["c", "a", "b", "a", "b", "c"]);
    world.borrow_mut().order.clear();
    run_with(&world, &text("random"), &one).await;
    run_with(&world, &text("random"), &one).await;
    let order = world.borrow().order.clone();
    assert_eq!(order[..3], order[3..], "the same seed, the same order");
    let ran = run_with(&world, &format!("targets: {{ devices: [c, aa] }}\n{CALL}"), &one).await;
    assert_eq!(ran.result.exit, 2);
    assert!(ran.events.failures()[0].contains("aa"));
}

#[tokio::test(start_paused = true)]
async fn the_first_changing_call_is_asked_about() {
    let asked = Rc::default();
    for (answer, exit, calls) in [(Some("2"), 0, 2), (Some("y"), 2, 0), (Some("3"), 2, 0), (None, 2, 0)] {
        let world = remote(&["a", "b"]);
        let options = RunOptions { all: true, confirm: answering(answer, &asked), ..options() };
        let ran = run_with(&world, CALL, &options).await;
        assert_eq!((ran.result.exit, world.borrow().order.len()), (exit, calls), "{answer:?}");
    }
    let expected =
        "invoke_method will be called on 2 devices of fake.example: a, b\nType 2 (the number of devices) to go on:";
    assert_eq!(asked.borrow()[0], expected);
    let world = remote(&["a"]);
    let options = RunOptions { all: true, confirm: answering(Some("y\n"), &asked), ..options() };
    assert_eq!(run_with(&world, CALL, &options).await.result.exit, 0, "one device: y");
}

#[tokio::test(start_paused = true)]
async fn nobody_to_ask_is_a_no_and_readers_need_no_question() {
    let world = remote(&["a"]);
    let all = RunOptions { all: true, ..options() };
    let ran = run_with(&world, CALL, &all).await;
    assert_eq!(ran.result.exit, 2);
    assert!(ran.events.failures()[0].contains("invoke_method would change 1 device of fake.example: a"));
    assert_eq!(run_with(&world, "steps:\n  - ping: { name: p }\n", &all).await.result.exit, 0);
    assert_eq!(run_with(&world, CALL, &RunOptions { check: true, ..all }).await.result.exit, 0);
    assert_eq!(world.borrow().order, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn waves_gates_and_budgets() {
    // Without abort_if and gate, a failed device shuts the gate.
    let world = world((0..6).map(|n| format!("d{n}")));
    replies(&world, "d1", [Reply::Status(500, serde_json::Value::Null)]);
    let ran = run_with(&world, &format!("serial: [2]\n{CALL}"), &options()).await;
    assert_eq!(ran.result.exit, 6, "{:?}", ran.result.reason);
    assert_eq!(world.borrow().order, ["d0", "d1"]);
    assert_eq!(ran.events.ends()["d5"], "skipped");
    // With a budget it goes on until that is spent.
    let world = fleet_with_failures(6, 2);
    let ran = run_with(&world, &format!("serial: [2]\nabort_if: {{ failed: 2 }}\n{CALL}"), &options()).await;
    assert_eq!(ran.result.exit, 6);
    assert_eq!(world.borrow().order, ["d0", "d1"]);
    let world = fleet_with_failures(6, 1);
    let ran = run_with(&world, &format!("serial: [2]\nabort_if: {{ failed: 2 }}\n{CALL}"), &options()).await;
    assert_eq!((ran.result.exit, world.borrow().order.len()), (4, 6));
}

fn fleet_with_failures(devices: usize, failing: usize) -> Shared {
    let world = world((0..devices).map(|n| format!("d{n}")));
    for n in 0..failing {
        replies(&world, &format!("d{n}"), [Reply::Status(500, serde_json::Value::Null)]);
    }
    world
}

#[tokio::test(start_paused = true)]
async fn a_budget_stops_new_devices_inside_a_wave() {
    let world = fleet_with_failures(50, 50);
    let options = RunOptions { forks: Some(1), ..options() };
    let ran = run_with(&world, &format!("abort_if: {{ failed: 3 }}\n{CALL}"), &options).await;
    assert_eq!(ran.result.exit, 6);
    let calls = world.borrow().order.len();
    assert!((3..=4).contains(&calls), "{calls}");
    assert_eq!(ran.result.counts.skipped + ran.result.counts.failed, 50);
}

/// `a` is not connected, the others answer as told; the wave's fate and how often the last device was called.
async fn first_wave(text: &str, b: Reply, c: Reply) -> (u8, Option<String>, usize) {
    let world = world(["a", "b", "c", "d"]);
    replies(&world, "a", std::iter::repeat_n(Reply::Offline, 200));
    replies(&world, "b", [b]);
    replies(&world, "c", [c]);
    let ran = run_with(&world, text, &options()).await;
    let called = world.borrow().devices["d"].calls;
    (ran.result.exit, ran.result.reason, called)
}

#[tokio::test(start_paused = true)]
async fn a_first_wave_in_which_somebody_is_waited_for_has_not_failed_yet() {
    let no = || Reply::Status(500, Value::Null);
    let yes = || Reply::Status(200, Value::Null);
    let play = |between: &str, more: &str| {
        format!(
            "serial: [2, 1, rest]\nabort_if: {{ failed: 50 }}\n{between}steps:\n{more}  - invoke_method: {{ name: m }}\n    \
             offline: {{ wait: 1m }}\n"
        )
    };
    // It holds no wave: the next ones go on, and somebody in them succeeds.
    let (exit, reason, called) = first_wave(&play("", ""), no(), yes()).await;
    assert_eq!((exit, called), (4, 1), "{reason:?}");
    // Its time was over before the wave was judged.
    let soaked = play("between_waves: { soak: 5m }\n", "");
    let (exit, reason, called) = first_wave(&soaked, no(), yes()).await;
    assert_eq!((exit, called), (6, 0));
    assert!(reason.unwrap().contains("nobody in the first wave succeeded"));
    // Its time was over while the second wave went on, and nobody in that succeeded either.
    let slow = play("", "  - sleep: 2m\n    when: device.id == 'c'\n");
    let (exit, reason, called) = first_wave(&slow, no(), no()).await;
    assert_eq!((exit, called), (6, 0));
    assert!(reason.unwrap().contains("nobody in the first 2 waves succeeded"));
    assert_eq!(first_wave(&slow, no(), yes()).await.2, 1);
}

#[tokio::test(start_paused = true)]
async fn between_waves_soaks_verifies_and_judges() {
    let world = world(["a", "b"]);
    let text = "serial: [1, rest]\nbetween_waves: { soak: 15m, verify: [ { ping: { name: p } } ], gate: wave.ok == 1 }\nsteps:\n  - invoke_method: { name: m }\n";
    let started = tokio::time::Instant::now();
    let ran = run_with(&world, text, &options()).await;
    assert_eq!(ran.result.exit, 0, "{:?}", ran.result.reason);
    assert_eq!(started.elapsed().as_secs(), 900);
    assert_eq!(world.borrow().order, ["a", "a", "b"]);
    // A verification that fails shuts the gate.
    replies(&world, "a", [Reply::Status(200, serde_json::Value::Null), Reply::Status(500, serde_json::Value::Null)]);
    let ran = run_with(&world, text, &options()).await;
    assert_eq!(ran.result.exit, 6);
    assert!(ran.result.reason.unwrap().contains("wave.ok == 1"));
}

#[tokio::test(start_paused = true)]
async fn what_verify_finds_spends_the_budget_too() {
    for (budget, exit, called) in
        [("{ failed: 1 }", 6, 2), ("{ failed: 1, per_wave: true }", 6, 2), ("{ failed: 2 }", 4, 4)]
    {
        let world = world(["a", "b", "c", "d"]);
        replies(
            &world,
            "a",
            [Reply::Status(200, serde_json::Value::Null), Reply::Status(500, serde_json::Value::Null)],
        );
        let text = format!(
            "serial: [2, rest]\nabort_if: {budget}\nbetween_waves: {{ verify: [ {{ ping: {{ name: p }} }} ] }}\n{CALL}"
        );
        let ran = run_with(&world, &text, &options()).await;
        let started = ran.events.ends().values().filter(|outcome| **outcome != "skipped").count();
        assert_eq!((ran.result.exit, started), (exit, called), "{budget}: {:?}", ran.result.reason);
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_are_waited_for_last_spend_the_budget_too() {
    let world = world(["a", "b", "c", "d"]);
    for id in ["b", "c", "d"] {
        replies(&world, id, std::iter::repeat_n(Reply::Offline, 100));
    }
    let wait = |id: &str, time: &str| {
        format!("  - invoke_method: {{ name: m }}\n    when: device.id == '{id}'\n    offline: {{ wait: {time} }}\n")
    };
    let steps = format!("{}{}{}", wait("b", "1m"), wait("c", "2m"), wait("d", "1h"));
    let text = format!("abort_if: {{ unreachable: 2 }}\non_abort: [ {{ log: back }} ]\nsteps:\n{steps}");
    let started = tokio::time::Instant::now();
    let ran = run_with(&world, &text, &options()).await;
    assert_eq!(ran.result.exit, 6, "{:?}", ran.result.reason);
    assert_eq!(started.elapsed().as_secs(), 120, "nobody waits for d any more");
    assert_eq!((ran.events.said().len(), ran.events.ends().len()), (1, 4), "a is put back");
}

#[tokio::test(start_paused = true)]
async fn an_abort_still_runs_after_and_on_abort() {
    let world = fleet_with_failures(4, 2);
    let text = "serial: [2]\non_abort:\n  - ping: { name: p }\nafter:\n  - log: ${{ devices.map(|d| d.id + ' ' + d.outcome) }}\nsteps:\n  - invoke_method: { name: m }\n    when: device.id != 'd1'\n";
    let ran = run_with(&world, text, &options()).await;
    assert_eq!(ran.result.exit, 6);
    assert_eq!(world.borrow().order, ["d0", "d1"], "d0 failed: on_abort runs on d1 only");
    assert_eq!(ran.events.said(), [r#"["d0 rejected","d1 ok","d2 skipped","d3 skipped"]"#]);
}

#[tokio::test(start_paused = true)]
async fn an_approval_is_asked_for_and_a_failed_after_is_an_abort() {
    let asked = Rc::default();
    for (answer, exit) in [(Some("y"), 0), (Some("no"), 6), (None, 6)] {
        let world = world(["a", "b"]);
        let options = RunOptions { confirm: answering(answer, &asked), ..options() };
        let text = format!("serial: [1]\nbetween_waves: {{ gate: {{ approve: true }} }}\n{CALL}");
        assert_eq!(run_with(&world, &text, &options).await.result.exit, exit, "{answer:?}");
    }
    let world = world(["a"]);
    let ran = run_with(&world, &format!("after:\n  - fail: too bad\n{CALL}"), &options()).await;
    assert_eq!(ran.result.exit, 6);
}

#[tokio::test(start_paused = true)]
async fn a_rate_spaces_the_starts() {
    let world = world((0..10).map(|n| format!("d{n}")));
    let started = tokio::time::Instant::now();
    run_with(&world, &format!("rollout: {{ rate: 2/s }}\n{CALL}"), &options()).await;
    assert_eq!(started.elapsed().as_millis(), 4_500);
}

#[tokio::test(start_paused = true)]
async fn more_calls_in_flight_than_connections_are_refused_before_anything_is_sent() {
    let world = world(["a", "b", "c"]);
    let few = RunOptions { most_forks: Some(2), ..options() };
    let ran = run_with(&world, &format!("forks: 9\n{CALL}"), &few).await;
    assert_eq!(ran.result.exit, 2);
    assert!(ran.events.failures()[0].contains("3 calls in flight (`forks`)"), "{:?}", ran.events.failures());
    assert!(world.borrow().order.is_empty());
    let ran = run_with(&world, &format!("forks: 9\n{CALL}"), &RunOptions { forks: Some(2), ..few.clone() }).await;
    assert_eq!(ran.result.exit, 0, "-f wins");
    assert_eq!(run_with(&world, CALL, &few).await.result.exit, 0, "the default needs no advice");
}
