//! Devices that know only an ID scope: enrolled with our commands or the official service SDK, registered with the official
//! provisioning SDKs, and at work at the hub they were assigned to.

use std::path::Path;
use std::time::Duration;

use stage::{LocalHub, Program, Sdk};

use crate::stage_set::{Set, empty};

const PATIENCE: Duration = Duration::from_secs(90);

fn good(set: &Set, words: &[&str]) -> String {
    let ended = set.iotplay.run(words);
    assert_eq!(ended.code, Some(0), "{words:?}: {}", ended.err);
    ended.out
}

/// A hub on its own address, and an SDK's program that registers there.
struct Scene {
    set: Set,
    hub: LocalHub,
    sdk: Sdk,
    scope: String,
    file: &'static str,
}

impl Scene {
    fn new(sdk: fn(&Path) -> Option<Sdk>, file: &'static str) -> Option<Self> {
        let set = empty();
        let sdk = sdk(set.iotplay.binary())?;
        let hub = LocalHub::for_sdks(&set.iotplay)?;
        let scope = good(&set, &["hub", "enroll", "scope"]);
        Some(Self { set, hub, sdk, scope, file })
    }

    fn device(&self, registration: &str, more: &[(&str, &str)]) -> Program {
        let host = self.hub.endpoint().mqtt.ip().to_string();
        let mut variables = vec![("HOST", host.as_str()), ("SCOPE", &self.scope), ("REGISTRATION", registration)];
        variables.extend(more);
        self.sdk.program(self.file, self.hub.ca(), &variables)
    }

    /// Registers, is called at its hub, and goes.
    fn registers(&self, registration: &str, device: &str, more: &[(&str, &str)]) {
        let mut program = self.device(registration, more);
        let host = self.hub.endpoint().mqtt.ip().to_string();
        let said = program.line("assigned");
        assert!(said.contains(&format!("assigned {host} {device} initialAssignment")), "{said}");
        assert!(said.contains("press"), "the payload comes back: {said}");
        program.line("connected");
        let answer = good(&self.set, &["invoke", device, "hello", "\"you\"", "--connect-timeout", "30s"]);
        assert!(answer.contains("heard"), "{answer}");
        program.line("done");
    }
}

fn an_sdk_finds_its_hub(sdk: fn(&Path) -> Option<Sdk>, file: &'static str) {
    let Some(scene) = Scene::new(sdk, file) else { return };
    let set = &scene.set;
    let single = good(set, &["hub", "enroll", "device", "reg-1", "--device-id", "press-1"]);
    scene.registers("reg-1", "press-1", &[("KEY", &single)]);
    let group = good(set, &["hub", "enroll", "group", "line-b"]);
    assert_ne!(group, single);
    let derived = good(set, &["hub", "enroll", "key", "line-b", "sim-7"]);
    scene.registers("sim-7", "sim-7", &[("KEY", &derived)]);
    good(set, &["hub", "ca", "new", "plant"]);
    good(set, &["hub", "enroll", "group", "plant", "--ca", "plant.pem"]);
    good(set, &["hub", "cert", "sim-8", "--sign-cert", "plant.pem", "--sign-key", "plant-key.pem"]);
    let path = |name: &str| set.iotplay.folder().join(name).display().to_string();
    let (certificate, key) = (path("sim-8.pem"), path("sim-8-key.pem"));
    let by_certificate = [("CERT", certificate.as_str()), ("CERT_KEY", key.as_str())];
    scene.registers("sim-8", "sim-8", &by_certificate);
    if scene.hub.endpoint().https.port() == 443 {
        scene.registers("sim-7", "sim-7", &[("KEY", &derived), ("WEBSOCKET", "1")]);
    }
    let stranger = scene.device("sim-9", &[("KEY", &derived)]).end(PATIENCE);
    assert_eq!(stranger.code, Some(3), "{} {}", stranger.out, stranger.err);
    assert!(stranger.out.contains("problem"), "{}", stranger.out);
    let listed = good(set, &["hub", "enroll", "list"]);
    assert!(listed.contains("device  reg-1  enabled  by key") && listed.contains("group   plant"), "{listed}");
    good(set, &["hub", "enroll", "remove", "line-b", "--group"]);
    let gone = scene.device("sim-7", &[("KEY", &derived)]).end(PATIENCE);
    assert_eq!(gone.code, Some(3), "{} {}", gone.out, gone.err);
}

#[test]
fn a_python_device_finds_its_hub() {
    an_sdk_finds_its_hub(stage::python, "provision.py");
}

#[test]
fn a_node_device_finds_its_hub() {
    an_sdk_finds_its_hub(stage::node, "provision.js");
}

#[test]
fn our_agent_finds_its_hub_by_key_and_by_certificate() {
    let set = empty();
    let hub = LocalHub::start(&set.iotplay, stage::HubOptions::FreePorts);
    let scope = good(&set, &["hub", "enroll", "scope"]);
    good(&set, &["hub", "enroll", "group", "line-b"]);
    let key = good(&set, &["hub", "enroll", "key", "line-b", "press-1"]);
    good(&set, &["hub", "cert", "press-2"]);
    good(&set, &["hub", "enroll", "device", "press-2", "--cert", "press-2.pem"]);
    let by_key = ["--dps-key", &key];
    let by_certificate = ["--cert-file", "press-2.pem", "--key-file", "press-2-key.pem"];
    let by_websocket = ["--dps-key", &key, "--websocket"];
    for (id, how) in [("press-1", &by_key[..]), ("press-2", &by_certificate), ("press-1", &by_websocket)] {
        let words = ["agent", "--dps-scope", &scope, "--dps-registration", id, "--sim-reboot", "200ms"];
        let mut agent = set.iotplay.start(&[&words[..], how].concat());
        agent.line("connected");
        good(&set, &["invoke", id, "rebootDevice", "{}"]);
        assert_eq!(agent.signal("TERM").code, Some(0));
    }
    let wrong = ["agent", "--dps-scope", &scope, "--dps-registration", "press-3", "--dps-key", &key];
    let ended = set.iotplay.run(&wrong);
    assert_eq!(ended.code, Some(4), "{}", ended.err);
    assert!(ended.err.contains("is press-3 enrolled there") && !ended.err.contains(&key), "{}", ended.err);
    drop(hub);
}

#[test]
fn the_official_service_sdk_keeps_enrolments() {
    let Some(scene) = Scene::new(stage::node, "enrollments.js") else { return };
    let service = scene.hub.service();
    let ended = scene.sdk.program("enrollments.js", scene.hub.ca(), &[("SERVICE", &service)]).end(PATIENCE);
    assert_eq!(ended.code, Some(0), "{} {}", ended.out, ended.err);
    for line in [
        "made node-1 enabled 44",
        "again 409",
        "changed s true",
        "old 412",
        "keys true",
        "group line 44",
        "bulk true",
        "listed node-1,node-2",
        "unregistered 404",
        "gone 404",
    ] {
        assert!(ended.out.contains(line), "{line}: {}", ended.out);
    }
}
