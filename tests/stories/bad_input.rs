//! What goes wrong at other people's hands: each a clear message, the right exit code, and no panic.

use stage::{Ended, HubOptions, Iotplay, LocalHub};

use crate::stage_set::{Set, empty, with_wrong_key};

/// What every refusal has in common.
fn refused(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}\n{}", ended.out, ended.err);
    for word in words {
        assert!(ended.err.contains(word), "no {word:?} in\n{}", ended.err);
    }
    for never in ["panicked", "internal error", "RUST_BACKTRACE"] {
        assert!(!ended.err.contains(never), "{}", ended.err);
    }
}

fn with_hub(handler: &str) -> (Set, LocalHub) {
    let set = empty().file("scripts/handler.rhai", handler);
    let hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    (set, hub)
}

const HANDLER: &str = "on_method(\"slow\", |device, request| { sleep(20); reply(200); });\n\
                       on_method(\"ping\", |device, request| { reply(200, \"pong\"); });";

#[test]
fn connection_strings() {
    let (set, hub) = with_hub(HANDLER);
    let service = hub.service();
    let list = |connection: &str| set.iotplay.with("IOTHUB_CONNECTION_STRING", connection).run(&["devices", "list"]);
    refused(&list(&with_wrong_key(&service)), 7, &["key"]);
    refused(&list("HostName=hub.azure-devices.net"), 2, &["quotes", "IOTHUB_CONNECTION_STRING"]);
    refused(&list("nonsense"), 2, &["connection string"]);
    refused(&list(&hub.device("press-7")), 2, &["press-7", "hub's own"]);
    let nobody = service.replace(service.split(';').next().unwrap(), "HostName=127.0.0.1:1");
    refused(&list(&nobody), 7, &["127.0.0.1:1"]);

    let agent = set.iotplay.with("IOTHUB_DEVICE_CONNECTION_STRING", &service).run(&["agent"]);
    refused(&agent, 2, &["device", "iotplay devices add"]);
    refused(&set.iotplay.run(&["--hub", "prod", "devices", "list"]), 2, &["iotplay.yaml"]);
}

#[test]
fn a_device_with_a_wrong_key_is_told_so() {
    let (set, mut hub) = with_hub(HANDLER);
    let wrong = with_wrong_key(&hub.device("press-7"));
    let mut agent = set.iotplay.with("IOTHUB_DEVICE_CONNECTION_STRING", &wrong).start(&["agent"]);
    agent.line("refused");
    hub.program().line("refused");
    drop(agent);
    let expired = "SharedAccessSignature=SharedAccessSignature sr=localhost%2Fdevices%2Fpress-7&sig=c2lnc2lnc2lnc2lnc2lnc2lnc2lnc2lnc2lnc2lnc2k%3D&se=1000000000";
    let connection = hub.device("press-8");
    let host = connection.split(';').next().unwrap();
    let connection = format!("{host};DeviceId=press-8;{expired}");
    let mut late = set.iotplay.with("IOTHUB_DEVICE_CONNECTION_STRING", &connection).start(&["agent"]);
    late.line("out of date");
}

#[test]
fn calls_that_cannot_succeed() {
    let (set, hub) = with_hub(HANDLER);
    hub.device("asleep");
    let mut agent = set.iotplay.start(&["agent"]);
    agent.line("connected");
    let invoke = |arguments: &[&str]| set.iotplay.run(&[&["invoke"], arguments].concat());
    refused(&invoke(&["nobody", "ping"]), 4, &["nobody"]);
    refused(&invoke(&["asleep", "ping"]), 5, &["unreachable", "asleep", "404103"]);
    let unknown = invoke(&["sim-1", "pong"]);
    refused(&unknown, 4, &["404"]);
    assert!(unknown.out.contains("ping"), "{}", unknown.out);
    refused(&invoke(&["sim-1", "slow", "--response-timeout", "5s"]), 4, &["504101", "5"]);
    refused(&invoke(&["sim-1", "ping", "--response-timeout", "1s"]), 2, &["5s"]);
    refused(&invoke(&["sim-1", "ping", "{not json"]), 2, &["JSON"]);
    // A word of the command line has a limit of its own (128 KiB on Linux), below this payload: a file carries it.
    let large = format!("name: L\nsteps:\n  - invoke_method: {{ name: ping, payload: \"{}\" }}\n", "x".repeat(140_000));
    std::fs::write(set.path().join("large.yaml"), large).unwrap();
    let run = set.iotplay.run(&["run", "large.yaml", "-l", "sim-1"]);
    assert!(matches!(run.code, Some(3 | 4)), "{:?} {}", run.code, run.err.chars().take(2000).collect::<String>());
    assert!(run.err.contains("128 KiB"), "{}", run.err.chars().take(2000).collect::<String>());
}

#[test]
fn outcomes_of_a_run_have_their_codes() {
    let ping = "name: P\nsteps:\n  - invoke_method: { name: ping }\n";
    let (set, hub) = with_hub(HANDLER);
    std::fs::write(set.path().join("ping.yaml"), ping).unwrap();
    refused(&set.iotplay.run(&["run", "ping.yaml"]), 2, &["device"]);
    assert_eq!(set.iotplay.run(&["run", "ping.yaml", "--allow-empty"]).code, Some(0));
    hub.device("asleep");
    refused(&set.iotplay.run(&["run", "ping.yaml"]), 5, &["unreachable: asleep", "ping.yaml:3:5", "help: "]);
    refused(&set.iotplay.run(&["run", "ping.yaml", "-l", "asleeb"]), 2, &["asleeb", "asleep"]);
    std::fs::write(set.path().join("wrong.yaml"), ping.replace("ping", "pong")).unwrap();
    let mut agent = set.iotplay.start(&["agent"]);
    agent.line("connected");
    refused(&set.iotplay.run(&["run", "wrong.yaml", "-l", "sim-1"]), 4, &["404", "wrong.yaml:3:5"]);
}

#[test]
fn playbooks_and_scripts() {
    let set = empty()
        .file("malformed.yaml", "name: X\nsteps:\n  - log: \"a\n")
        .file("verb.yaml", "name: X\nsteps:\n  - invoke_metod: { name: a }\n")
        .file("key.yaml", "name: X\nstep:\n  - log: a\n")
        .file("name.yaml", "name: X\nsteps:\n  - log: ${{ befor.x }}\n")
        .file("several.yaml", "name: X\nsteps:\n  - lgo: a\n  - get_twn:\n")
        .file("binary.yaml", "\u{0}\u{1}")
        .file("fix.rhai", "let a = ;");
    let cases: [(&str, &[&str]); 6] = [
        ("malformed.yaml", &["malformed.yaml:"]),
        ("verb.yaml", &["verb.yaml:3:5", "did you mean `invoke_method`?"]),
        ("key.yaml", &["key.yaml:2:1", "did you mean `steps`?"]),
        ("name.yaml", &["name.yaml:3:", "befor"]),
        ("several.yaml", &["several.yaml:3:5", "several.yaml:4:5"]),
        ("fix.rhai", &["fix.rhai:1:"]),
    ];
    for (file, words) in cases {
        refused(&set.iotplay.run(&["check", file]), 3, words);
        refused(&set.iotplay.run(&["run", file]), 3, words);
    }
    refused(&set.iotplay.run(&["run", "binary.yaml"]), 3, &["binary.yaml"]);
    refused(&set.iotplay.run(&["run", "verbs.yaml"]), 3, &["verbs.yaml", "did you mean `verb.yaml`?"]);
    refused(&set.iotplay.run(&["run", "."]), 3, &["folder"]);
    refused(&set.iotplay.run(&["run", "reboot.yaml", "-e", "nonsense"]), 2, &["-e"]);
    refused(&set.iotplay.run(&["run", "reboot.yaml", "--scripts", "nowhere"]), 3, &["nowhere"]);
    refused(&set.iotplay.run(&["run", "reboot.yaml", "--sim-reboot", "soon"]), 2, &["duration"]);
}

#[test]
fn a_hub_that_cannot_start() {
    let (set, hub) = with_hub(HANDLER);
    let taken = hub.endpoint().mqtt.port().to_string();
    let other = empty();
    let in_use = other.iotplay.run(&["hub", "--mqtt-port", &taken, "--https-port", "0"]);
    refused(&in_use, 2, &["port is in use", "--mqtt-port"]);
    refused(&other.iotplay.run(&["hub", "--bind", "0.0.0.0"]), 2, &["--allow-remote"]);
    let other = other.file("a-file", "");
    refused(
        &other.iotplay.run(&["hub", "--data", "a-file/hub", "--mqtt-port", "0", "--https-port", "0"]),
        2,
        &["a-file"],
    );
    let state = other.file("broken/hub.redb", "this is no database");
    let broken = state.iotplay.run(&["hub", "--data", "broken", "--mqtt-port", "0", "--https-port", "0"]);
    refused(&broken, 2, &["hub.redb"]);
    drop(set);
}

#[test]
fn on_a_hub_that_is_not_local_nothing_happens_by_accident() {
    let set = empty().file("ping.yaml", "name: P\nsteps:\n  - invoke_method: { name: ping }\n");
    let cloud = "HostName=nowhere.invalid;SharedAccessKeyName=service;SharedAccessKey=c2VjcmV0LWtleS1zZWNyZXQ=";
    let elsewhere: Iotplay = set.iotplay.with("IOTHUB_CONNECTION_STRING", cloud);
    refused(&elsewhere.run(&["invoke", "press-7", "ping"]), 2, &["--yes"]);
    refused(&elsewhere.run(&["twin", "patch", "press-7", "{\"tags\":{\"a\":1}}"]), 2, &["--yes"]);
    refused(&elsewhere.run(&["devices", "remove", "press-7"]), 2, &["--yes"]);
    refused(&elsewhere.run(&["agent", "--count", "2"]), 2, &["--yes"]);
}
