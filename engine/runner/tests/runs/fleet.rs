//! Ten thousand devices on one lane.

use std::rc::Rc;

use iotplay_runner::{Reporter, RunOptions};

use super::fake::{Events, Reply, book, options, replies, run_with, runner, world};

#[tokio::test(start_paused = true)]
async fn ten_thousand_devices_take_turns() {
    let world = world((0..10_000).map(|n| format!("d{n:05}")));
    let text = "steps:\n  - ping: { name: p }\n    register: pong\n  - when: pong.status == 200\n    noop:\n";
    let nobody: [Rc<dyn Reporter>; 0] = [];
    let result = runner(&world).run_book(&book(&world, text), &options(), &nobody).await;
    assert_eq!((result.exit, result.counts.ok), (0, 10_000));
    assert!(world.borrow().most_in_flight <= 100);
}

#[tokio::test(start_paused = true)]
async fn nine_thousand_wait_at_once_without_a_fork() {
    let world = world((0..9_000).map(|n| format!("d{n:04}")));
    let started = tokio::time::Instant::now();
    let options = RunOptions { forks: Some(10), ..options() };
    let ran = run_with(&world, "steps:\n  - sleep: 20s\n", &options).await;
    assert_eq!(ran.result.counts.ok, 9_000);
    assert_eq!(started.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_fork_is_what_a_call_in_flight_holds() {
    let world = world((0..40).map(|n| format!("d{n:02}")));
    for n in 0..40 {
        replies(
            &world,
            &format!("d{n:02}"),
            [Reply::After(std::time::Duration::from_secs(1), serde_json::Value::Null)],
        );
    }
    let options = RunOptions { forks: Some(8), ..options() };
    let started = tokio::time::Instant::now();
    run_with(&world, "forks: 3\nsteps:\n  - ping: { name: p }\n", &options).await;
    assert_eq!(world.borrow().most_in_flight, 8, "-f wins over the play");
    assert_eq!(started.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn events_come_in_order_for_each_device() {
    let world = world(["a", "b"]);
    let ran = run_with(&world, "steps:\n  - noop:\n  - noop:\n", &options()).await;
    let events: &Events = &ran.events;
    assert_eq!(events.ends().len(), 2);
}
