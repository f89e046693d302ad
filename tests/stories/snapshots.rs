//! The whole state of a hub to one file and back, and devices from a YAML file.

use stage::{HubOptions, LocalHub};

use crate::stage_set::{empty, key};

#[test]
fn a_snapshot_of_a_running_hub_makes_the_same_hub_elsewhere() {
    let set = empty();
    let hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let device = hub.device("press-7");
    let taken = set.iotplay.run(&["hub", "snapshot", "state.json"]);
    assert_eq!(taken.code, Some(0), "{}", taken.err);
    let again = set.iotplay.run(&["hub", "snapshot", "state.json"]);
    assert_eq!(again.code, Some(2), "{}", again.err);
    assert!(again.err.contains("--force"), "{}", again.err);
    let running = set.iotplay.run(&["hub", "restore", "state.json", "--force"]);
    assert_eq!(running.code, Some(8), "{}", running.err);
    let (ca, service) = (std::fs::read_to_string(hub.ca()).unwrap(), key(&hub.service()).to_owned());
    assert_eq!(hub.stop("TERM").code, Some(0));

    let refused = set.iotplay.run(&["hub", "restore", "state.json"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("hub.redb") && refused.err.contains("--force"), "{}", refused.err);
    let text = std::fs::read_to_string(set.path().join("state.json")).unwrap();
    let other = empty().file("state.json", &text);
    let restored = other.iotplay.run(&["hub", "restore", "state.json"]);
    assert_eq!(restored.code, Some(0), "{}", restored.err);
    let hub = LocalHub::start(&other.iotplay, HubOptions::FreePorts);
    assert_eq!((std::fs::read_to_string(hub.ca()).unwrap(), key(&hub.service())), (ca, service.as_str()));
    let shown = other.iotplay.run(&["devices", "show", "press-7"]);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    let mut agent = other.iotplay.with("IOTHUB_DEVICE_CONNECTION_STRING", &moved(&device, &hub)).start(&["agent"]);
    agent.line("connected");
}

/// The same key at another hub's port.
fn moved(device: &str, hub: &LocalHub) -> String {
    format!("HostName=localhost:{};DeviceId=press-7;SharedAccessKey={}", hub.endpoint().mqtt.port(), key(device.trim()))
}

#[test]
fn a_hub_begins_with_a_snapshot_and_with_seeds() {
    let seeds = "devices:\n  - { id: press-7, tags: { line: B } }\n  - { prefix: sim-, count: 20 }\n";
    let set = empty().file("fleet.yaml", seeds).file("wrong.yaml", "devices:\n  - id: a\n    tgs: {}\n");
    let wrong = set.iotplay.run(&["hub", "--seed", "wrong.yaml"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.err);
    assert!(wrong.err.contains("wrong.yaml:3:5"), "{}", wrong.err);
    let ports = ["--mqtt-port", "0", "--https-port", "0"];
    let mut hub = set.iotplay.start(&[&["hub", "--seed", "fleet.yaml"][..], &ports].concat());
    assert!(hub.line("seed ").contains("made 21, changed 0, as they were 0"));
    hub.line("use ");
    assert_eq!(set.iotplay.run(&["hub", "snapshot", "state.json"]).code, Some(0));
    assert_eq!(hub.signal("TERM").code, Some(0));

    let with_both = ["hub", "--memory", "--restore", "state.json", "--seed", "fleet.yaml"];
    let mut hub = set.iotplay.start(&[&with_both[..], &ports].concat());
    assert!(hub.line("seed ").contains("made 0, changed 0, as they were 21"));
    assert_eq!(hub.signal("TERM").code, Some(0));
    let lost = set.iotplay.run(&[&["hub", "--restore", "state.json"][..], &ports].concat());
    assert_eq!(lost.code, Some(2), "{}", lost.err);
}
