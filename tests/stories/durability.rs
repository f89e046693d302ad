//! What the hub has acknowledged is still there after a restart and after kill -9.

use stage::{HubOptions, LocalHub};

use crate::stage_set::{empty, key};

#[test]
fn devices_keys_and_twins_outlive_a_restart_and_a_kill() {
    let set = empty();
    let mut hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let press = hub.device("press-7");
    let patched = set.iotplay.run(&["twin", "patch", "press-7", r#"{"tags":{"line":"B"},"desired":{"interval":30}}"#]);
    assert_eq!(patched.code, Some(0), "{}", patched.err);
    let (ca, service) = (std::fs::read_to_string(hub.ca()).unwrap(), hub.service());

    for kill in [false, true] {
        if kill {
            hub.kill_and_restart();
        } else {
            hub.restart();
        }
        assert_eq!(std::fs::read_to_string(hub.ca()).unwrap(), ca, "the CA stays");
        assert_eq!(key(&hub.service()), key(&service), "the policy's key stays");
        let again = set.iotplay.run(&["devices", "add", "press-7"]);
        assert_ne!(again.code, Some(0), "the device is known");
        let twin = set.iotplay.run(&["twin", "get", "press-7"]);
        assert_eq!(twin.code, Some(0), "{}", twin.err);
        assert!(twin.out.contains(r#""line":"B""#) || twin.out.contains(r#""line": "B""#), "{}", twin.out);
        assert!(twin.out.contains(r#""interval": 30"#) || twin.out.contains(r#""interval":30"#), "{}", twin.out);
        let mut agent = set.iotplay.with("IOTHUB_DEVICE_CONNECTION_STRING", &press).start(&["agent"]);
        agent.line("connected");
    }
}

#[test]
fn reported_properties_outlive_a_kill_right_after_the_answer() {
    let set = empty();
    let mut hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent", "--sim-reboot", "200ms"]);
    agent.line("connected");
    let called = set.iotplay.run(&["invoke", "sim-1", "rebootDevice"]);
    assert_eq!(called.code, Some(0), "{}", called.err);
    hub.kill_and_restart();
    let twin = set.iotplay.run(&["twin", "get", "sim-1"]);
    assert!(twin.out.contains("rebootTime"), "{}", twin.out);
    // The agent finds the hub again by itself.
    let again = set.iotplay.run(&["invoke", "sim-1", "rebootDevice", "--connect-timeout", "60s"]);
    assert_eq!(again.code, Some(0), "{}", again.err);
}

#[test]
fn one_hub_per_folder() {
    let set = empty();
    let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let second = set.iotplay.run(&["hub", "--mqtt-port", "0", "--https-port", "0"]);
    assert_eq!(second.code, Some(8), "{}", second.err);
    assert!(second.err.contains("already running"), "{}", second.err);
}
