//! The screen when there are more devices than lines: bounded, whatever the fleet and however long it takes.

use std::rc::Rc;
use std::time::Duration;

use iotplay_runner::{Console, ConsoleOptions, HubInfo, Reporter, RunEvent};
use serde_json::Value;

use super::fake::{Paper, Reply, Shared, book, options, replies, runner, world};

async fn screen(world: &Shared, text: &str, console: ConsoleOptions) -> String {
    let err = Paper::default();
    let console = Console::new(console, Box::new(Paper::default()), Box::new(err.clone()));
    let reporters: Vec<Rc<dyn Reporter>> = vec![Rc::new(console)];
    runner(world).run_book(&book(world, text), &options(), &reporters).await;
    err.text()
}

fn crowd(count: usize) -> Shared {
    world((0..count).map(|n| format!("dev-{n:05}")))
}

#[tokio::test(start_paused = true)]
async fn a_thousand_devices_that_take_an_hour_are_a_few_lines() {
    let world = crowd(1_000);
    for n in 0..1_000 {
        let reply = if n % 10 == 3 {
            Reply::Status(500, Value::Null)
        } else {
            Reply::After(Duration::from_secs(300 + n % 100), Value::Null)
        };
        replies(&world, &format!("dev-{n:05}"), [reply]);
    }
    let text = "steps:\n  - { name: Ask, ping: { name: ping } }\n  - { name: Rest, sleep: 10m }\n";
    let err = screen(&world, text, ConsoleOptions::default()).await;
    let progress: Vec<&str> = err.lines().filter(|line| line.starts_with("  ...")).collect();
    assert!((20..60).contains(&progress.len()), "{err}");
    assert!(err.lines().count() < 100, "{}", err.lines().count());
    let shown = progress.iter().find(|line| line.contains("/s") || line.contains("/min")).expect("a line with a rate");
    for words in ["of 1000   ok ", "failed ", "running ", "about ", " left   "] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
    assert!(err.contains("ok 900   rejected 100 (97 not shown)\n        97 x answered 500\n"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn failures_of_every_wave_are_bounded_and_counted() {
    let world = crowd(600);
    for n in 0..600 {
        replies(&world, &format!("dev-{n:05}"), [Reply::Status(500, Value::Null)]);
    }
    let text = "serial: 10\nabort_if: { failed: 1000, action: continue }\nbetween_waves: { gate: 'true' }\nsteps:\n  - ping: { name: p }\n";
    let err = screen(&world, text, ConsoleOptions::default()).await;
    assert!(err.contains("wave    60 of 60"), "{err}");
    assert_eq!(err.matches("rejected: dev-").count(), 30, "{err}");
    assert!(err.lines().count() < 60 * 6 + 30 * 8, "{}", err.lines().count());
}

#[tokio::test(start_paused = true)]
async fn what_stops_every_device_is_said_some_times_and_counted() {
    let world = crowd(500);
    let text = "vars: { line: '${{ device.nothing.at.all + 1 }}' }\nsteps:\n  - noop:\n";
    let err = screen(&world, text, ConsoleOptions::default()).await;
    assert!(err.contains("\n480 more errors like those above\n"), "{err}");
    assert!(err.lines().count() < 20 * 8, "{}", err.lines().count());
}

#[tokio::test(start_paused = true)]
async fn a_terminal_has_a_block_that_counts() {
    let world = crowd(200);
    for n in 0..200 {
        let reply =
            if n == 7 { Reply::Status(500, Value::Null) } else { Reply::After(Duration::from_secs(4), Value::Null) };
        replies(&world, &format!("dev-{n:05}"), [reply]);
    }
    let text = "serial: [50%]\nbetween_waves: { gate: 'true' }\nforks: 25\nsteps:\n  - { name: Ask, ping: { name: p } }\n  - { name: Rest, sleep: 5s }\n";
    let err = screen(&world, text, ConsoleOptions { terminal: true, width: 100, ..ConsoleOptions::default() }).await;
    let block = "  ...      Ask    ok 25   rejected 1   running 25   of 100\n  ...      Rest   ok 0   running 25   of 100\n  ...      wave 1 of 2   1 of 200   ok 0   failed 1   running 50   4 s";
    assert!(err.contains(block), "{err}");
    assert!(err.contains("\r\u{1b}[2K\u{1b}[1A\r\u{1b}[2K\u{1b}[1A\r\u{1b}[2K"), "a block is taken away whole: {err}");
    assert!(!err.contains("\u{1b}[2K\u{1b}[2K"), "{err}");
    let wide = err.split(['\n', '\r']).filter(|line| line.starts_with("  ...")).map(|line| line.chars().count()).max();
    assert!(wide.is_some_and(|wide| wide < 100), "{wide:?}");
    let recap = err.rsplit('\r').next().unwrap();
    assert!(!recap.contains("  ..."), "nothing is left behind: {recap}");
    assert!(recap.contains("\n\nok 199   failed 1   unreachable 0"), "{recap}");
}

#[tokio::test(start_paused = true)]
async fn a_long_wait_of_one_device_says_that_it_goes_on() {
    let world = world(["a"]);
    let err = screen(&world, "steps:\n  - { name: Rest, sleep: 100s }\n", ConsoleOptions::default()).await;
    assert_eq!(err.matches("  ...      Rest").count(), 3, "{err}");
    assert!(err.contains("  ...      Rest   30 s"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_rescued_step_says_so() {
    let world = world(["a"]);
    let text = "steps:\n  - block:\n      - { name: Try, fail: no luck }\n    rescue:\n      - { name: Mend, noop: }\n";
    let err = screen(&world, text, ConsoleOptions::default()).await;
    assert!(err.contains("\n  rescued  Try    0.0 s   no luck\n  ok       Mend   0.0 s"), "{err}");
    let world = crowd(20);
    let err = screen(&world, text, ConsoleOptions::default()).await;
    assert!(err.contains("\n  ok       Try    0.0 s   ok 0   rescued 20\n"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_came_back_is_not_waited_for_any_more() {
    let world = crowd(20);
    replies(&world, "dev-00003", [Reply::Offline, Reply::Offline]);
    let text = "steps:\n  - ping: { name: p }\n    offline: { wait: 1h }\n  - sleep: 2m\n";
    let err = screen(&world, text, ConsoleOptions::default()).await;
    let progress: Vec<&str> = err.lines().filter(|line| line.starts_with("  ...")).collect();
    assert!(!progress.is_empty() && progress.iter().all(|line| !line.contains("waiting")), "{err}");
}

#[tokio::test(start_paused = true)]
async fn the_estimate_is_said_at_the_start_and_bounds_the_guess() {
    let err = Paper::default();
    let console = Console::new(ConsoleOptions::default(), Box::new(Paper::default()), Box::new(err.clone()));
    console.on(&RunEvent::RunStarted { run: "r".into(), hub: HubInfo { title: "fake".into(), local: true } });
    console.on(&RunEvent::PlayStarted {
        play: 0,
        name: "Ping".into(),
        file: "ping.yaml".into(),
        devices: 1_000,
        first: Vec::new(),
        steps: std::iter::once("Ping".into()).collect(),
        waves: 1,
        estimate: Some(iotplay_runner::Estimate {
            least: Duration::from_secs(400),
            by: "40 methods/s, the hub's quota (S1, 1 unit)".into(),
        }),
    });
    tokio::time::advance(Duration::from_secs(30)).await;
    console.tick();
    let expected = "play    Ping  (ping.yaml, 1000 devices, about 400 s at 40 methods/s, the hub's quota (S1, 1 unit))\n\n  ...      0 of 1000   ok 0   about 370 s left   30 s\n";
    assert_eq!(err.text(), expected);
}
