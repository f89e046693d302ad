//! SDK clients keep working when their connection drops, when their tokens are renewed, and when the hub is killed: none of them
//! subscribes again afterwards, so the hub must remember for them.

use std::net::SocketAddr;
use std::time::Duration;

use stage::{HubOptions, Line, LocalHub, Program, Sdk, own_address};

use crate::stage_set::{Set, empty};

/// The Python SDK waits 10 s between tries to connect; a busy machine adds its own.
const PATIENCE: Duration = Duration::from_secs(90);

/// Two lives of a token fit easily: the SDKs below renew every three to six seconds.
const RENEWALS: usize = 3;

fn invoke(set: &Set, device: &str) {
    // The device may be between two connections: the call waits for it.
    let called = set.iotplay.run(&["invoke", device, "rebootDevice", "{}", "--connect-timeout", "40s"]);
    assert_eq!(called.code, Some(0), "{}", called.err);
    assert!(called.out.contains("back again"), "{}", called.out);
}

/// A device of an SDK behind a line that can be cut, and a hub.
struct Cuttable {
    set: Set,
    _hub: LocalHub,
    line: Line,
    device: Program,
}

/// The device dials the fixed port 8883 of an own address, where the line listens; the hub itself is elsewhere.
fn cuttable(sdk: fn(&std::path::Path) -> Option<Sdk>, file: &str, id: &str) -> Option<Cuttable> {
    let set = empty();
    let sdk = sdk(set.iotplay.binary())?;
    let Some(front) = own_address() else {
        assert!(std::env::var_os("CI").is_none(), "no loopback address of one's own");
        return None;
    };
    let hub = LocalHub::start(&set.iotplay, HubOptions::FreePortsNamed(front));
    let line = Line::new(SocketAddr::new(front, 8883), hub.endpoint().mqtt);
    let connection = hub.device(id);
    let host = connection.split(';').next().expect("a connection string has a first part");
    let connection = connection.replace(host, &format!("HostName={front}"));
    let mut device = sdk.program(file, hub.ca(), &[("DEVICE", &connection), ("REBOOT_SECONDS", "0.1")]);
    device.line("listening");
    Some(Cuttable { set, _hub: hub, line, device })
}

fn survives_cuts(mut scene: Cuttable, id: &str) {
    invoke(&scene.set, id);
    for round in 2..=3 {
        assert!(scene.line.cut() > 0, "there was a connection to cut");
        invoke(&scene.set, id);
        scene.device.nth_line("answered", round);
    }
}

#[test]
fn a_python_device_comes_back_after_its_line_was_cut() {
    let Some(scene) = cuttable(stage::python, "device.py", "cut-py") else { return };
    survives_cuts(scene, "cut-py");
}

#[test]
fn a_node_device_comes_back_after_its_line_was_cut() {
    let Some(scene) = cuttable(stage::node, "device.js", "cut-js") else { return };
    survives_cuts(scene, "cut-js");
}

fn survives_renewals(set: &Set, hub: &mut LocalHub, mut device: Program, id: &str) {
    device.line("listening");
    for round in 1..=RENEWALS {
        // One connection at the start, one more after each renewal.
        hub.program().nth_line(&format!("{id}  connected"), round);
        invoke(set, id);
        device.nth_line("answered", round);
    }
}

#[test]
fn a_python_device_renews_its_token_and_is_still_called() {
    let set = empty();
    let Some(python) = stage::python(set.iotplay.binary()) else { return };
    let Some(mut hub) = LocalHub::for_sdks(&set.iotplay) else { return };
    let connection = hub.device("renew-py");
    // This SDK renews 120 s before the end: every 6 s.
    let variables = [("DEVICE", connection.as_str()), ("REBOOT_SECONDS", "0.1"), ("TOKEN_SECONDS", "126")];
    let device = python.program("device.py", hub.ca(), &variables);
    survives_renewals(&set, &mut hub, device, "renew-py");
}

#[test]
fn a_node_device_renews_its_token_and_is_still_called() {
    let set = empty();
    let Some(node) = stage::node(set.iotplay.binary()) else { return };
    let Some(mut hub) = LocalHub::for_sdks(&set.iotplay) else { return };
    let connection = hub.device("renew-js");
    let variables =
        [("DEVICE", connection.as_str()), ("REBOOT_SECONDS", "0.1"), ("TOKEN_SECONDS", "9"), ("TOKEN_MARGIN", "5")];
    let device = node.program("device.js", hub.ca(), &variables);
    survives_renewals(&set, &mut hub, device, "renew-js");
}

fn survives_a_killed_hub(sdk: fn(&std::path::Path) -> Option<Sdk>, file: &str, id: &str) {
    let set = empty();
    let Some(sdk) = sdk(set.iotplay.binary()) else { return };
    let Some(mut hub) = LocalHub::for_sdks(&set.iotplay) else { return };
    let connection = hub.device(id);
    let mut device = sdk.program(file, hub.ca(), &[("DEVICE", &connection), ("REBOOT_SECONDS", "0.1")]);
    device.line("listening");
    invoke(&set, id);
    hub.kill_and_restart();
    // No new subscription comes: the hub has kept the old one through the kill.
    let called = stage::eventually(PATIENCE, "the device is back and can be called", || {
        let called = set.iotplay.run(&["invoke", id, "rebootDevice", "{}", "--connect-timeout", "30s"]);
        (called.code == Some(0)).then_some(called)
    });
    assert!(called.out.contains("back again"), "{}", called.out);
    device.nth_line("answered", 2);
}

#[test]
fn a_python_device_is_called_again_after_the_hub_was_killed() {
    survives_a_killed_hub(stage::python, "device.py", "kill-py");
}

#[test]
fn a_node_device_is_called_again_after_the_hub_was_killed() {
    survives_a_killed_hub(stage::node, "device.js", "kill-js");
}
