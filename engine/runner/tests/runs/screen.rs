//! The default screen, to the letter.

use std::rc::Rc;
use std::time::Duration;

use iotplay_runner::{Console, ConsoleOptions, Form, Json, Reporter};
use serde_json::{Value, json};

use super::fake::{Paper, Reply, Shared, book, options, replies, runner, world};

const REBOOT: &str = r#"
name: Reboot

steps:
  - name: Remember the last reboot
    get_twin:
    register: before

  - name: Ask the device to reboot
    invoke_method:
      name: rebootDevice
      payload: { method_number: "42" }

  - name: Wait until it reports a new reboot
    wait_until: twin.reported.rebootTime != before.reported.rebootTime
    timeout: 2m
    register: after

  - log: "Last reboot time: ${{ after.reported.rebootTime }}"
"#;

fn hint() -> Option<String> {
    Some("iotplay show: what happened, call by call".into())
}

/// Runs and gives one paper that both streams wrote to; stdout's lines are marked.
async fn screen(world: &Shared, text: &str, terminal: bool) -> (String, String) {
    let (out, err) = (Paper::default(), Paper::default());
    let console_options = ConsoleOptions { terminal, hint: hint(), ..ConsoleOptions::default() };
    let console = Rc::new(Console::new(console_options, Box::new(out.clone()), Box::new(err.clone())));
    let lines = console.lines();
    lines.line("hub     local, in this process (no hub configured)");
    let reporters: Vec<Rc<dyn Reporter>> = vec![console];
    let says = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        lines.device("sim-1", "Rebooting device");
        tokio::time::sleep(Duration::from_secs(18)).await;
        let reported = json!({ "rebootTime": "2026-11-23T13:27:42.118Z" });
        if let Some(fake) = world.borrow_mut().devices.get_mut("sim-1") {
            fake.reported = reported;
        }
        std::future::pending::<()>().await;
    };
    let book = book(world, text);
    let runner = runner(world);
    let options = options();
    tokio::select! {
        _ = runner.run_book(&book, &options, &reporters) => {}
        () = says => {}
    }
    (out.text(), err.text())
}

#[tokio::test(start_paused = true)]
async fn the_default_playbook_on_a_pipe() {
    let world = world(["sim-1"]);
    replies(&world, "sim-1", [Reply::After(Duration::from_secs(20), json!({ "Response": "This is the response" }))]);
    let (out, err) = screen(&world, REBOOT, false).await;
    assert_eq!(out, "Last reboot time: 2026-11-23T13:27:42.118Z\n");
    let expected = "\
hub     local, in this process (no hub configured)
play    Reboot  (playbooks/test.yaml, 1 device)

  ok       Remember the last reboot             0.0 s   rebootTime: none
sim-1 |    Rebooting device
  ok       Ask the device to reboot            20.0 s   200 {\"Response\":\"This is the response\"}
  ok       Wait until it reports a new reboot   0.0 s   rebootTime: none -> 2026-11-23T13:27:42.118Z

ok 1   failed 0   unreachable 0   skipped 0    20.0 s    (iotplay show: what happened, call by call)
";
    assert_eq!(err, expected);
}

#[tokio::test(start_paused = true)]
async fn on_a_terminal_one_line_counts() {
    let world = world(["sim-1"]);
    replies(&world, "sim-1", [Reply::After(Duration::from_secs(20), Value::Null)]);
    let (_, err) = screen(&world, REBOOT, true).await;
    let live = "  ...      Ask the device to reboot             8 s of 30 s";
    assert!(err.contains(&format!("\r\u{1b}[2K{live}")), "{err}");
    assert!(err.contains("\r\u{1b}[2Ksim-1 |    Rebooting device\n"), "the live line makes room: {err}");
    assert!(err.ends_with("call by call)\n"), "nothing is left behind: {err}");
    assert_eq!(err.matches("20 s of 30 s").count(), 1, "the line that counted is not drawn again below its end: {err}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_names_outcome_place_and_help() {
    let world = world(["press-7"]);
    replies(&world, "press-7", [Reply::Offline]);
    let (_, err) = screen(&world, REBOOT, false).await;
    let expected = "\
  unreachable Ask the device to reboot          0.0 s
unreachable: press-7 is not connected (404103 DeviceNotOnline). Nothing was sent to it.
  --> playbooks/test.yaml:10:5
10 |     invoke_method:
   |     ^^^^^^^^^^^^^ last seen yesterday
help: put `offline: { wait: 2h }` beside it

ok 0   failed 0   unreachable 1   skipped 0    0.0 s    (iotplay show: what happened, call by call)
";
    assert!(err.ends_with(expected), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_few_devices_have_a_line_each() {
    let world = world(["a", "press-7"]);
    replies(&world, "a", [Reply::Status(409, Value::Null)]);
    let (_, err) =
        screen(&world, "steps:\n  - name: Ping\n    ping: { name: ping }\n    ignore_errors: true\n", false).await;
    assert!(err.contains("\n  ignored  a        Ping   0.0 s   answered 409\n"), "{err}");
    assert!(err.contains("\n  ok       press-7  Ping   0.0 s   200 null\n"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn many_devices_have_a_line_per_step_and_the_first_failures() {
    let world = world((0..50).map(|n| format!("d{n:02}")));
    for n in 0..5 {
        replies(&world, &format!("d{n:02}"), [Reply::Status(500, Value::Null)]);
    }
    let (_, err) = screen(&world, "steps:\n  - name: Ping\n    ping: { name: ping }\n  - noop:\n", false).await;
    assert_eq!(err.matches("rejected: d").count(), 3, "{err}");
    assert!(err.contains("\n  failed   Ping   0.0 s   ok 45   rejected 5 (2 not shown)\n"), "{err}");
    assert!(err.contains("\n  ok       noop   0.0 s   ok 45\n"), "{err}");
    assert!(err.contains("\nok 45   failed 5   unreachable 0   skipped 0    "), "{err}");
}

#[tokio::test(start_paused = true)]
async fn what_is_said_is_its_own_line() {
    let world = world(["a"]);
    let (out, err) = screen(&world, "steps:\n  - noop:\nafter:\n  - name: Report\n    log: done\n", false).await;
    assert_eq!(out, "done\n");
    assert!(!err.contains("Report"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn what_never_began_is_not_counted() {
    let world = world(["a"]);
    let (_, err) = screen(&world, "targets: { devices: [b] }\nsteps:\n  - noop:\n", false).await;
    let expected = "error: no such device: b\nhelp: did you mean `a`?\nhelp: to see them all: iotplay devices list\n";
    assert!(err.ends_with(expected), "{err}");
}

#[tokio::test(start_paused = true)]
async fn json_is_one_document_and_ndjson_one_object_a_line() {
    let world = world(["a"]);
    let (document, lines) = (Paper::default(), Paper::default());
    let reporters: Vec<Rc<dyn Reporter>> = vec![
        Rc::new(Json::new(Form::Document, Box::new(document.clone()))),
        Rc::new(Json::new(Form::Lines, Box::new(lines.clone()))),
    ];
    let book = book(&world, "steps:\n  - ping: { name: ping }\n    register: pong\n  - log: hello\n");
    runner(&world).run_book(&book, &options(), &reporters).await;
    let whole: Value = serde_json::from_str(&document.text()).unwrap();
    assert_eq!(whole["exit"], 0);
    assert_eq!(whole["plays"][0]["devices"][0]["vars"]["pong"]["status"], 200);
    assert_eq!(whole["said"][0]["text"], "hello");
    let events: Vec<Value> = lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    let expected = [
        "run_started",
        "play_started",
        "device_started",
        "step_started",
        "step_progress",
        "step_progress",
        "step_ended",
        "step_started",
        "said",
        "step_ended",
        "device_ended",
        "play_ended",
        "run_ended",
    ];
    assert_eq!(names, expected);
}
