//! A hub that goes wrong on purpose: SDK devices come back from every fault and lose nothing that was acknowledged; SDK services see the
//! documented refusals; people ask for faults, see them and take them back.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use stage::{HubOptions, LocalHub, Program, Sdk};

use crate::stage_set::{Set, empty};

/// An SDK's slowest way back: Python's and Node's keep-alive, back-off and a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a device is put through: the fault, and whether the connection is cut afterwards, so that the device logs in again or sends again
/// what nobody has acknowledged.
const TRIALS: [(&[&str], bool); 12] = [
    (&["cuts", "--how", "reset"], false),
    (&["cuts", "--how", "close"], false),
    (&["cuts", "--how", "silence"], false),
    (&["cuts", "--on", "telemetry", "--times", "1"], false),
    (&["rejects", "--on", "telemetry", "--status", "429", "--times", "1"], false),
    (&["answers_late", "--on", "telemetry", "--by", "2s", "--times", "1"], false),
    (&["drops_reply", "--on", "telemetry", "--times", "1"], true),
    (&["stalls", "--takes", "2s"], false),
    (&["rejects", "--on", "connect", "--code", "3", "--times", "1"], true),
    (&["early_expiry", "--takes", "3s", "--times", "1"], true),
    (&["slow", "--rate", "2000", "--for", "3s"], false),
    (&["slices", "--for", "3s"], false),
];

fn fault(set: &Set, arguments: &[&str]) -> String {
    let added = set.iotplay.run(&[&["hub", "fault", "add"], arguments].concat());
    assert_eq!(added.code, Some(0), "{arguments:?}: {}", added.err);
    added.out.trim().to_owned()
}

/// How many messages the device knows to be taken.
fn sent(device: &Program) -> usize {
    device.count("sent ")
}

fn ping(set: &Set, id: &str) {
    let called = set.iotplay.run(&["invoke", id, "ping", "7", "--connect-timeout", "60s"]);
    assert_eq!(called.code, Some(0), "{}", called.err);
    assert!(called.out.contains("pong"), "{}", called.out);
}

/// Each acknowledged message is there, and each one that is there more often says so, by MQTT's mark or by the program's own; but for so
/// many: Node's SDK sends a message whose acknowledgement did not come before the end of the connection anew, without a mark.
fn nothing_is_lost(set: &Set, sent: usize, unmarked: usize) {
    let tail = set.iotplay.run(&["hub", "tail", "--output", "ndjson"]);
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in tail.out.lines() {
        let message: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        let text = message.to_string();
        let body = message["body"].as_str().map_or_else(|| message["body"].to_string(), str::to_owned);
        let attempt = message["properties"]["attempt"].as_str().unwrap_or_default().to_owned();
        if !text.contains("mqtt-dup") {
            *seen.entry((body, attempt)).or_default() += 1;
        } else {
            seen.entry((body, attempt)).or_default();
        }
    }
    let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.len() <= unmarked, "without a mark: {twice:?}");
    let lost: Vec<usize> =
        (1..=sent).filter(|number| !seen.keys().any(|(body, _)| *body == format!("message {number}"))).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?} of {sent}\n{}", tail.out);
}

fn survives(sdk: fn(&Path) -> Option<Sdk>, file: &str, id: &str, marks: bool) {
    let set = empty();
    let Some(sdk) = sdk(set.iotplay.binary()) else { return };
    let Some(mut hub) = LocalHub::for_sdks(&set.iotplay) else { return };
    let connection = hub.device(id);
    let mut device = sdk.program(file, hub.ca(), &[("DEVICE", &connection)]);
    device.nth_line("sent ", 3);
    for (arguments, cut) in TRIALS {
        let number = fault(&set, arguments);
        // A fault of bytes has nothing to show but its time.
        let shows = !matches!(arguments[0], "slow" | "slices" | "early_expiry") && arguments[2] != "connect";
        if shows {
            hub.program().line(&format!("fault {number}:"));
        }
        if cut {
            fault(&set, &["cuts"]);
            if !shows {
                hub.program().line(&format!("fault {number}:"));
            }
        }
        if arguments[0] == "early_expiry" {
            hub.program().line("its token expired");
        }
        let before = sent(&device);
        device.nth_line("sent ", before + 3);
        ping(&set, id);
    }
    let listed = set.iotplay.run(&["hub", "fault", "clear"]);
    assert_eq!(listed.code, Some(0), "{}", listed.err);
    let endings = hub.program().count("disconnected: ");
    nothing_is_lost(&set, sent(&device), if marks { 0 } else { endings });
}

#[test]
fn a_python_device_survives_each_fault() {
    survives(stage::python, "survivor.py", "survivor-py", true);
}

#[test]
fn a_node_device_survives_each_fault() {
    survives(stage::node, "survivor.js", "survivor-js", false);
}

/// A device of an SDK asks for its own fault, meets it, and goes on.
fn asks(sdk: fn(&Path) -> Option<Sdk>, file: &str, id: &str, wish: &str, ended: &str) {
    let set = empty();
    let Some(sdk) = sdk(set.iotplay.binary()) else { return };
    let Some(mut hub) = LocalHub::for_sdks(&set.iotplay) else { return };
    let connection = hub.device(id);
    let mut device = sdk.program(file, hub.ca(), &[("DEVICE", &connection), ("ASK", wish)]);
    hub.program().line(&format!("fault: it asks for {wish} in 1s (boom)"));
    hub.program().line(ended);
    hub.program().nth_line(&format!("{id}  connected"), 2);
    device.line("asked, and");
    let before = sent(&device);
    device.nth_line("sent ", before + 20);
    ping(&set, id);
    assert_eq!(hub.program().count(ended), 1, "once: what is sent again does nothing");
    nothing_is_lost(&set, sent(&device), 1);
}

#[test]
fn a_python_device_asks_for_its_end() {
    let reset = "a fault that this hub was asked for ended it (reset)";
    asks(stage::python, "survivor.py", "asks-py", "KillTcp", reset);
}

#[test]
fn a_node_device_asks_for_its_end() {
    let close = "a fault that this hub was asked for ended it (close)";
    asks(stage::node, "survivor.js", "asks-js", "ShutDownMqtt", close);
}

/// `gives_up`: what an SDK says of a read that it has repeated by itself, until it did not believe in an answer any more.
fn refusals(sdk: fn(&Path) -> Option<Sdk>, file: &str, gives_up: Option<&str>) {
    let set = empty();
    let Some(sdk) = sdk(set.iotplay.binary()) else { return };
    let Some(hub) = LocalHub::for_sdks(&set.iotplay) else { return };
    hub.device("d");
    for (status, name) in [("429", "ThrottlingException"), ("500", "ServerError"), ("503", "ServiceUnavailable")] {
        fault(&set, &["rejects", "--on", "registry,twin,query", "--status", status]);
        let ended = sdk.program(file, hub.ca(), &[("SERVICE", &hub.service()), ("DEVICE_ID", "d")]).end(PATIENCE);
        for what in ["registry", "twin", "query"] {
            let repeated = gives_up.filter(|_| status != "429" && what != "query");
            let line = repeated.map_or_else(|| format!("{what} {status} {name}"), |said| format!("{what} lost {said}"));
            assert!(ended.out.lines().any(|said| said == line), "{line}: {}\n{}", ended.out, ended.err);
        }
        assert_eq!(set.iotplay.run(&["hub", "fault", "clear"]).code, Some(0));
    }
    fault(&set, &["cuts", "--on", "query"]);
    let ended = sdk.program(file, hub.ca(), &[("SERVICE", &hub.service()), ("DEVICE_ID", "d")]).end(PATIENCE);
    for line in ["registry done", "twin done", "query lost ", "methods 404 DeviceNotOnline"] {
        assert!(ended.out.lines().any(|said| said.starts_with(line)), "{line}: {}\n{}", ended.out, ended.err);
    }
}

#[test]
fn a_python_service_sees_the_documented_refusals() {
    refusals(stage::python, "refused.py", Some("ClientRequestError"));
}

#[test]
fn a_node_service_sees_the_documented_refusals() {
    refusals(stage::node, "refused.js", None);
}

#[test]
fn people_ask_for_faults_look_at_them_and_take_them_back() {
    let set = empty();
    let mut hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    hub.device("d");
    let first = fault(&set, &["rejects", "--on", "query", "--status", "503", "--times", "2"]);
    let second = fault(&set, &["cuts", "--share", "5%", "--after", "1h"]);
    assert_eq!((first.as_str(), second.as_str()), ("1", "2"));
    let list = || set.iotplay.run(&["hub", "fault", "list"]).out;
    let listed = list();
    assert!(listed.contains("1  query is refused with 503, 2 times each  shown 0\n"), "{listed}");
    assert!(listed.contains("begins in "), "{listed}");
    // Our own client asks again by itself: twice refused, then answered.
    let asked = set.iotplay.run(&["devices", "list"]);
    assert_eq!(asked.code, Some(0), "{}", asked.err);
    hub.program().nth_line("service  fault 1: the call of a service is refused with 503", 2);
    assert!(list().contains("shown 2"), "{}", list());
    let status = set.iotplay.run(&["hub", "status"]).out;
    assert!(status.lines().any(|line| line.starts_with("faults") && line.contains("active 2, shown 2")), "{status}");
    assert_eq!(set.iotplay.run(&["hub", "fault", "clear", "2"]).code, Some(0));
    assert_eq!(set.iotplay.run(&["hub", "fault", "clear", "2"]).code, Some(2), "it is gone");
    assert_eq!(set.iotplay.run(&["hub", "fault", "clear"]).code, Some(0));
    assert_eq!(list(), "");
}

#[test]
fn faults_that_cannot_be_are_refused_with_place_and_mend() {
    let set =
        empty().file("faults.yaml", "cuts:\n  - { how: rest }\nslow: {}\n").file("p.yaml", "steps: [ { log: x } ]");
    for arguments in [
        &["hub", "--memory", "--faults", "faults.yaml"][..],
        &["hub", "fault", "add", "--file", "faults.yaml"],
        &["run", "p.yaml", "--hub-faults", "faults.yaml"],
    ] {
        let ended = set.iotplay.run(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.err);
        for words in ["faults.yaml:2:12", "reset, close or silence", "faults.yaml:3:7", "needs a `rate`"] {
            assert!(ended.err.contains(words), "{words}: {}", ended.err);
        }
    }
    let slip = set.iotplay.run(&["hub", "fault", "add", "cut"]);
    assert_eq!(slip.code, Some(2), "{}", slip.err);
    assert!(slip.err.contains("did you mean `cuts`?"), "{}", slip.err);
    let none = set.iotplay.run(&["hub", "fault", "add", "cuts"]);
    assert_eq!(none.code, Some(2), "no hub runs here: {}", none.err);
}

#[test]
fn a_run_gets_over_the_faults_of_its_hub() {
    let faults = "rejects: { on: methods, status: 429, times: 1 }\nanswers_late: { on: rest, by: 1ms..20ms }\n";
    let script = "on_method('ping', |device, request| 1);";
    let set = empty()
        .file("scripts/ping.rhai", script)
        .file("faults.yaml", faults)
        .file("ping.yaml", "steps:\n  - invoke_method: { name: ping }\n    retries: 3\n");
    let run = || set.iotplay.run(&["run", "ping.yaml", "--sim", "4", "--hub-faults", "faults.yaml"]);
    let ended = run();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("fault   methods is refused with 429, once each (seed 1)"), "{}", ended.err);
    assert_eq!(ended.err.matches("the call of a service is refused with 429").count(), 4, "{}", ended.err);
}
