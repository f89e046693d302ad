//! `run --watch`: again whenever a file changes, on a local hub.

use crate::stage_set::empty;

const ASKS: &str = "name: Ask\nsteps:\n  - log: \"first ${{ device.id }}\"\n";

#[test]
fn a_run_is_repeated_when_its_playbook_changes() {
    let set = empty().file("ask.yaml", ASKS);
    let playbook = set.path().join("ask.yaml");
    let mut run = set.iotplay.start(&["run", "ask.yaml", "--watch"]);
    run.line("first sim-1");
    run.line("watching");
    std::fs::write(&playbook, ASKS.replace("first", "second")).unwrap();
    run.line("second sim-1");
    std::fs::write(&playbook, "name: Ask\nsteps:\n  - lgo: x\n").unwrap();
    run.line("did you mean `log`?");
    std::fs::write(&playbook, ASKS.replace("first", "third")).unwrap();
    run.line("third sim-1");
    run.nth_line("watching", 4);
    std::fs::remove_file(&playbook).unwrap();
    run.line("cannot read");
    std::fs::write(&playbook, ASKS.replace("first", "fourth")).unwrap();
    run.line("fourth sim-1");
    assert_eq!(run.count("third sim-1"), 1, "a playbook that is gone is not run again");
    let ended = run.signal("INT");
    assert_eq!(ended.code, Some(130), "{}", ended.err);
}

#[test]
fn elsewhere_watching_needs_devices_and_consent() {
    let set = empty().file("ask.yaml", ASKS);
    let cloud = "HostName=nowhere.invalid;SharedAccessKeyName=service;SharedAccessKey=c2VjcmV0LWtleS1zZWNyZXQ=";
    let elsewhere = set.iotplay.with("IOTHUB_CONNECTION_STRING", cloud);
    let refused = elsewhere.run(&["run", "ask.yaml", "--watch"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("-l") && refused.err.contains("--yes"), "{}", refused.err);
}

#[test]
fn a_run_is_repeated_when_its_devices_take_over_new_handlers() {
    let handler = "on_method(\"ping\", |device, request| { reply(200, \"one\"); });";
    let play = "name: P\nsteps:\n  - invoke_method: { name: ping }\n    register: reply\n  - log: \"got ${{ reply.payload }}\"\n";
    let set = empty().file("ping.yaml", play).file("scripts/ping.rhai", handler);
    let mut run = set.iotplay.start(&["run", "ping.yaml", "--watch"]);
    run.line("got one");
    run.line("watching");
    std::fs::write(set.path().join("scripts/ping.rhai"), handler.replace("one", "two")).unwrap();
    run.line("got two");
}
