//! When a play may start work: its `window`, and the lock of its `concurrency` group.

use std::rc::Rc;
use std::time::Duration;

use base::{Clock, ManualClock, parse_time};
use iotplay_runner::{RunEvent, RunOptions};
use tokio::time::Instant;

use super::fake::{Ran, Reply, Shared, options, replies, run_with, world};

const PLAY: &str = "window: { days: [mon-fri], from: 22:00, to: 02:00, tz: Europe/Berlin }\nforks: 1\n\
                    steps:\n  - invoke_method: { name: m }\n";

/// Wall time goes as tokio's paused time does.
async fn flowing(hand: ManualClock) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        hand.advance(Duration::from_secs(1));
    }
}

/// A run that starts at a moment, and how many seconds it took.
async fn starting(at: &str, world: &Shared, text: &str, options: RunOptions) -> (Ran, u64) {
    let (clock, hand) = Clock::manual(parse_time(at).expect("a time"));
    let options = RunOptions { clock, ..options };
    let started = Instant::now();
    let ran = tokio::select! {
        ran = run_with(world, text, &options) => ran,
        () = flowing(hand) => unreachable!("time goes on for ever"),
    };
    (ran, started.elapsed().as_secs())
}

fn shut(ran: &Ran) -> Vec<(String, u64, usize)> {
    let events = ran.events.0.borrow();
    let found = events.iter().filter_map(|event| match event {
        RunEvent::WindowShut { opens, left, waiting } => Some((opens.clone(), left.as_secs(), *waiting)),
        _ => None,
    });
    found.collect()
}

#[tokio::test(start_paused = true)]
async fn devices_wait_until_the_window_opens() {
    let world = world(["a", "b"]);
    // A Monday, 21:30 in Berlin.
    let (ran, took) = starting("2026-11-23T20:30:00Z", &world, PLAY, options()).await;
    assert_eq!(ran.result.exit, 0);
    assert_eq!(shut(&ran), [("2026-11-23 22:00 Europe/Berlin".to_owned(), 1_800, 2)]);
    assert!((1_800..1_860).contains(&took), "{took}");
    assert_eq!(world.borrow().order, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn inside_of_it_nothing_waits_and_a_rehearsal_never_does() {
    let world = world(["a"]);
    let (ran, took) = starting("2026-11-24T00:59:00Z", &world, PLAY, options()).await;
    assert_eq!((ran.result.exit, took, shut(&ran)), (0, 0, vec![]), "Monday's night is still on");
    let check = RunOptions { check: true, ..options() };
    let (ran, took) = starting("2026-11-24T12:00:00Z", &world, PLAY, check).await;
    assert_eq!((ran.result.exit, took, shut(&ran)), (0, 0, vec![]));
}

#[tokio::test(start_paused = true)]
async fn it_closes_under_way_and_those_that_work_go_on() {
    let world = world(["a", "b"]);
    replies(&world, "a", [Reply::After(Duration::from_secs(120), serde_json::json!(1))]);
    // All day but half an hour: one minute before it shuts, a is called and b has to wait.
    let text = PLAY.replace("[mon-fri], from: 22:00, to: 02:00", "[mon-sun], from: 02:30, to: 02:00");
    let (ran, took) = starting("2026-11-28T00:59:00Z", &world, &text, options()).await;
    assert_eq!(ran.result.exit, 0);
    // b is looked at when a has its answer and gives its fork back.
    assert_eq!(shut(&ran), [("2026-11-28 02:30 Europe/Berlin".to_owned(), 30 * 60, 1)]);
    assert!((31 * 60..32 * 60).contains(&took), "{took}");
    assert_eq!(world.borrow().order, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn the_clocks_change_while_it_waits() {
    let world = world(["a"]);
    // Sunday, 2026-03-29 01:30 in Berlin: 03:30 is one hour away, for 02:00 becomes 03:00.
    let text = PLAY.replace("[mon-fri], from: 22:00, to: 02:00", "[sun], from: 03:30, to: 05:00");
    let (ran, took) = starting("2026-03-29T00:30:00Z", &world, &text, options()).await;
    assert_eq!(shut(&ran), [("2026-03-29 03:30 Europe/Berlin".to_owned(), 3_600, 1)]);
    assert!((3_600..3_660).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn waiting_is_not_time_of_the_play_and_can_be_interrupted() {
    let world = world(["a"]);
    let (ran, _) = starting("2026-11-23T20:30:00Z", &world, &format!("timeout: 1m\n{PLAY}"), options()).await;
    assert_eq!(ran.result.exit, 0, "{:?}", ran.result.reason);
    let options = options();
    let cancel = options.cancel.clone();
    let stop = async {
        tokio::time::sleep(Duration::from_secs(600)).await;
        cancel.cancel();
    };
    let calls = world.borrow().order.len();
    let ((ran, took), ()) = tokio::join!(starting("2026-11-23T18:30:00Z", &world, PLAY, options.clone()), stop);
    assert_eq!((ran.result.exit, took), (130, 600));
    assert_eq!(world.borrow().order.len(), calls, "nobody was called");
}

const GROUPED: &str = "concurrency: { group: line-b }\nsteps:\n  - invoke_method: { name: m }\n";

#[tokio::test(start_paused = true)]
async fn runs_of_one_group_never_overlap() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let options = RunOptions { locks: folder.path().join("locks"), ..options() };
    let world = world(["a"]);
    replies(&world, "a", [Reply::After(Duration::from_secs(60), serde_json::json!(1))]);
    let first = run_with(&world, GROUPED, &options);
    let second = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mine = RunOptions { run: "r2".into(), ..options.clone() };
        let other = run_with(&world, &GROUPED.replace("line-b", "line-c"), &mine).await;
        (run_with(&world, GROUPED, &mine).await, other)
    };
    let (first, (second, other)) = tokio::join!(first, second);
    assert_eq!((first.result.exit, second.result.exit, other.result.exit), (0, 8, 0));
    let said = &second.events.failures()[0];
    assert!(said.starts_with("run r1 (playbooks/test.yaml, process "), "{said}");
    assert!(said.contains("holds the group `line-b`: nothing was sent"), "{said}");
    // It is free again, and a text left behind by whoever was killed does not matter.
    std::fs::write(options.locks.join("line-b.lock"), "{ half a").expect("the folder is there");
    assert_eq!(run_with(&world, GROUPED, &options).await.result.exit, 0);
    let calls = Rc::clone(&world).borrow().order.len();
    assert_eq!(calls, 3);
}
