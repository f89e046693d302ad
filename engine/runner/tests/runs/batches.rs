//! `serial` on a block: devices go through in batches, the next one when the last one is out.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::fake::{Reply, Shared, replies, run, world};
use super::journal::{Kept, run as run_kept};

fn devices(count: usize) -> Shared {
    world((0..count).map(|n| format!("d{n}")))
}

/// How many calls of `in` were under way at once, and in which order devices called it.
fn inside(world: &Shared) -> Vec<String> {
    let world = world.borrow();
    world.sent.iter().filter(|(_, method, _)| method == "in").map(|(device, ..)| device.clone()).collect()
}

const BLOCK: &str = "steps:\n  - invoke_method: { name: before }\n  - name: Restart\n    serial: SIZES\n    block:\n      \
                     - invoke_method: { name: in }\n      - sleep: 10s\n  - invoke_method: { name: behind }\n";

#[tokio::test(start_paused = true)]
async fn a_batch_begins_when_the_one_before_is_out() {
    for (sizes, seconds) in [("1", 100), ("[1, 50%, rest]", 30), ("4", 30), ("rest", 10), ("[2, 100]", 20)] {
        let world = devices(10);
        let started = tokio::time::Instant::now();
        let ran = run(&world, &BLOCK.replace("SIZES", sizes)).await;
        assert_eq!((ran.result.exit, ran.result.counts.ok), (0, 10), "{:?}", ran.events.failures());
        assert_eq!(started.elapsed(), Duration::from_secs(seconds), "{sizes}");
    }
}

#[tokio::test(start_paused = true)]
async fn shares_are_of_the_wave_and_whoever_is_skipped_takes_no_place() {
    let text = format!("serial: 4\n{}", BLOCK.replace("SIZES", "50%"));
    let world = devices(8);
    let started = tokio::time::Instant::now();
    assert_eq!(run(&world, &text).await.result.exit, 0);
    assert_eq!(started.elapsed(), Duration::from_secs(40), "two batches of two in each of two waves");
    let text = BLOCK.replace("SIZES", "2").replace("    block:", "    when: device.id >= 'd6'\n    block:");
    let world = devices(10);
    let started = tokio::time::Instant::now();
    assert_eq!(run(&world, &text).await.result.exit, 0);
    assert_eq!(started.elapsed(), Duration::from_secs(20));
    assert_eq!(inside(&world).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_failure_keeps_the_next_batch_out_unless_a_budget_or_a_gate_decides() {
    let failing = BLOCK.replace("      - sleep: 10s\n", "      - fail: no\n        when: device.id == 'd1'\n");
    let plain = failing.replace("SIZES", "2");
    let world_ = devices(6);
    let ran = run(&world_, &plain).await;
    assert_eq!((ran.result.exit, inside(&world_).len()), (6, 2), "{:?}", ran.result);
    let reason = ran.result.reason.expect("a reason");
    assert!(reason.contains("batch 1 of `Restart` had 1 failed"), "{reason}");
    let mut ends = BTreeMap::new();
    ran.events.ends().values().for_each(|end| *ends.entry(*end).or_insert(0) += 1);
    assert_eq!(ends, BTreeMap::from([("failed", 1), ("ok", 1), ("skipped", 4)]));
    for (more, exit) in [("abort_if: { failed: 2 }\n", 4), ("between_waves: { gate: 'true' }\n", 4)] {
        let world = devices(6);
        let ran = run(&world, &format!("{more}{plain}")).await;
        assert_eq!((ran.result.exit, inside(&world).len()), (exit, 6), "{more}");
    }
    let caught = plain.replace("  - invoke_method: { name: behind }", "    rescue: [ { log: rescued } ]");
    let world = devices(6);
    assert_eq!(run(&world, &caught).await.result.exit, 0);
    assert_eq!(inside(&world).len(), 6);
}

#[tokio::test(start_paused = true)]
async fn who_waits_to_come_online_holds_no_batch_up() {
    let text = BLOCK.replace("SIZES", "1").replace("    block:", "    offline: { wait: 1h }\n    block:");
    let world = devices(4);
    // Gone for about ten minutes.
    replies(&world, "d0", std::iter::once(Reply::Status(200, Value::Null)).chain(vec![Reply::Offline; 12]));
    let ran = run(&world, &text).await;
    assert_eq!((ran.result.exit, ran.result.counts.ok), (0, 4));
    let order = inside(&world);
    let last = order.last().expect("calls");
    assert_eq!((order[0].as_str(), last.as_str()), ("d0", "d0"));
    let others: Vec<_> = order.iter().filter(|id| *id != "d0").collect();
    assert_eq!(others.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_served_together_and_one_result_for_all_is_waited_for() {
    let text = "steps:\n  - serial: [1, rest]\n    block:\n      - together: { name: in }\n      - run_once: true\n        \
                ping: { name: p }\n";
    let world = devices(5);
    let ran = run(&world, text).await;
    assert_eq!(ran.result.exit, 0, "{:?}", ran.events.failures());
    let sizes: Vec<_> = world.borrow().batches.iter().map(|(_, devices)| devices.len()).collect();
    assert_eq!(sizes, [1, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_resumed_run_goes_on_with_its_batch_wherever_it_was_cut() {
    let text = BLOCK.replace("SIZES", "[1, 2, rest]");
    let kept = Kept::new();
    run_kept(&devices(6), &text, &kept.fresh()).await;
    let whole = kept.text();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    for cut in 8..lines.len() - 1 {
        kept.write(&lines[..cut].concat());
        let called = |text: &str| text.matches("\"kind\":\"call\"").count();
        let world = devices(6);
        let started = tokio::time::Instant::now();
        let ran = run_kept(&world, &text, &kept.resumed(false)).await;
        let doubts = 6 - ran.result.counts.ok;
        let sent = world.borrow().devices.values().map(|fake| fake.calls).sum::<usize>();
        assert!(started.elapsed() <= Duration::from_secs(40), "cut at {cut}: {:?}", started.elapsed());
        if doubts == 0 {
            assert_eq!(ran.result.exit, 0, "cut at {cut}: {:?}", ran.result);
            assert_eq!(called(&kept.text()), 18, "cut at {cut}, {sent} sent");
        }
        // At most two were in the block at once until the last batch.
        assert!(inside(&world).len() <= 6);
    }
}
