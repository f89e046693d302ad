//! The agent: a fleet, a board's string, reload, and what becomes of a handler that throws.

use stage::{HubOptions, LocalHub};

use crate::stage_set::empty;

const ECHO: &str = r#"
on_method("echo", |device, request| {
    print("echo called");
    reply(200, #{ device: device.id, got: request.payload });
});
on_method("broken", |device, request| {
    throw #{ status: 409, payload: #{ why: "not now" } };
});
"#;

#[test]
fn a_fleet_of_simulated_devices_joins_and_answers() {
    let set = empty().file("scripts/echo.rhai", ECHO);
    let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent", "--count", "40", "--prefix", "line-b-"]);
    agent.line("40 devices");
    let listed = set.iotplay.run(&["devices", "list"]);
    assert_eq!(listed.out.lines().filter(|line| line.starts_with("line-b-")).count(), 40, "{}", listed.out);
    let called = set.iotplay.run(&["invoke", "line-b-40", "echo", r#"{"n":1}"#, "--connect-timeout", "30s"]);
    assert_eq!(called.code, Some(0), "{}", called.err);
    assert!(called.out.contains("line-b-40") && called.out.contains(r#""n""#), "{}", called.out);
    let again = set.iotplay.start(&["agent", "--count", "2", "--prefix", "line-b-"]);
    drop(again);
}

#[test]
fn a_device_string_from_the_environment_is_enough() {
    let set = empty().file("scripts/echo.rhai", ECHO);
    let hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let connection = hub.device("board-1");
    let mut agent = set.iotplay.with("IOTHUB_DEVICE_CONNECTION_STRING", &connection).start(&["agent"]);
    agent.line("connected");
    let called = set.iotplay.run(&["invoke", "board-1", "echo", "[1,2]"]);
    assert_eq!(called.code, Some(0), "{}", called.err);
    agent.line("echo called");
    let ended = agent.signal("TERM");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}

#[test]
fn what_a_handler_throws_is_the_reply() {
    let set = empty().file("scripts/echo.rhai", ECHO);
    let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent"]);
    agent.line("connected");
    let refused = set.iotplay.run(&["invoke", "sim-1", "broken"]);
    assert_eq!(refused.code, Some(4), "{}", refused.err);
    assert!(refused.out.contains("not now") && refused.err.contains("409"), "{} {}", refused.out, refused.err);
    agent.line("sim-1  broken answered 409");
    assert_eq!(agent.count("failed"), 0, "a deliberate answer is no failure");
    let unknown = set.iotplay.run(&["invoke", "sim-1", "ecko"]);
    assert_eq!(unknown.code, Some(4), "{}", unknown.err);
    assert!(unknown.out.contains("echo"), "the known names are told: {}", unknown.out);
}

#[test]
fn handlers_are_reloaded_and_a_broken_file_keeps_the_last_good_ones() {
    let set = empty().file("scripts/echo.rhai", ECHO);
    let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent", "--watch"]);
    agent.line("connected");
    let script = set.path().join("scripts/echo.rhai");
    std::fs::write(&script, ECHO.replace("got:", "new:")).unwrap();
    agent.line("reloaded");
    assert!(set.iotplay.run(&["invoke", "sim-1", "echo", "1"]).out.contains("new"));
    std::fs::write(&script, "on_method(\"echo\", |device| {").unwrap();
    agent.line("echo.rhai:1:");
    assert!(set.iotplay.run(&["invoke", "sim-1", "echo", "1"]).out.contains("new"), "the last good one answers");
}

#[test]
fn handlers_in_flight_are_given_time_to_answer() {
    let set = empty().file(
        "scripts/slow.rhai",
        "on_method(\"slow\", |device, request| { print(\"at work\"); sleep(2); reply(200, \"done\"); });",
    );
    let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent"]);
    agent.line("connected");
    let call = set.iotplay.start(&["invoke", "sim-1", "slow"]);
    agent.line("at work");
    let stopped = agent.signal("TERM");
    assert_eq!(stopped.code, Some(0), "{}", stopped.err);
    let called = call.end(std::time::Duration::from_secs(40));
    assert_eq!(called.code, Some(0), "{}", called.err);
    assert!(called.out.contains("done"), "{}", called.out);
}

#[test]
fn a_script_that_does_not_load_is_shown_and_nothing_is_started() {
    let set = empty().file("scripts/bad.rhai", "on_method(\"x\", |d, r| {\n    let a = ;\n});");
    let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let ended = set.iotplay.run(&["agent"]);
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    assert!(ended.err.contains("scripts/bad.rhai:2:") && ended.err.contains('^'), "{}", ended.err);
}

#[test]
fn telemetry_is_shown_by_the_hub() {
    let set = empty().file(
        "scripts/talk.rhai",
        "on_method(\"talk\", |device, request| { device.send(#{ temperature: 21.5 }); reply(200); });",
    );
    let mut hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent"]);
    agent.line("connected");
    let called = set.iotplay.run(&["invoke", "sim-1", "talk"]);
    assert_eq!(called.code, Some(0), "{}", called.err);
    let line = hub.program().line("telemetry");
    assert!(line.contains("sim-1") && line.contains("21.5"), "{line}");
}

#[test]
fn desired_properties_reach_a_handler() {
    let set = empty().file(
        "scripts/interval.rhai",
        "on_desired(\"interval\", |device, value, version| { device.report(#{ interval: value }); print(`interval ${value}`); });",
    );
    let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent"]);
    agent.line("connected");
    let patched = set.iotplay.run(&["twin", "patch", "sim-1", r#"{"desired":{"interval":30}}"#]);
    assert_eq!(patched.code, Some(0), "{}", patched.err);
    agent.line("interval 30");
    let reported = "name: W\nsteps:\n  - wait_until: twin.reported.interval == 30\n    timeout: 30s\n";
    std::fs::write(set.path().join("wait.yaml"), reported).unwrap();
    let run = set.iotplay.run(&["run", "wait.yaml"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
}

const COUNTER: &str = r#"
on_method("count", |device, request| {
    device.state.n = (device.state.n ?? 0) + 1;
    device.state.n
});
on_boot(|device| print("booted"));
"#;

#[test]
fn a_single_device_remembers_its_state_over_a_restart_of_the_agent() {
    let set = empty().file("scripts/counter.rhai", COUNTER);
    let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    for expected in ["1", "2"] {
        let mut agent = set.iotplay.start(&["agent"]);
        agent.line("connected");
        let counted = set.iotplay.run(&["invoke", "sim-1", "count", "--connect-timeout", "30s"]);
        assert_eq!(counted.out.trim(), expected, "{}", counted.err);
        let ended = agent.signal("TERM");
        assert!(!ended.out.contains("booted"), "a restart of the agent is no boot: {}", ended.out);
    }
}

#[test]
fn a_handler_that_never_ends_is_named_with_its_place() {
    let set = empty().file("scripts/endless.rhai", "// busy\non_method(\"spin\", |device, request| { loop { } });\n");
    let ended = set.iotplay.run(&["invoke", "sim-1", "spin"]);
    assert_eq!(ended.code, Some(4), "{}", ended.err);
    assert!(ended.err.contains("--> scripts/endless.rhai:2:1"), "{}", ended.err);
    assert!(ended.out.contains("scripts/endless.rhai:2:1"), "{}", ended.out);
}
