//! The official Node SDKs, device and service, against the local hub: each with the other and with our own counterpart. Their
//! service client speaks to port 443 only, so the hub has an address of its own.

use std::time::Duration;

use stage::{HubOptions, LocalHub, Program, Sdk};

use crate::stage_set::{Set, empty};

/// A device program's start, a 20 s reboot, five seconds between looks, and a busy machine: none of it is 20 s here, the Python pair does that.
const PATIENCE: Duration = Duration::from_secs(90);

struct Scene {
    set: Set,
    hub: LocalHub,
    node: Sdk,
}

/// A hub on an address of its own, and Node with its SDKs; none where either cannot be had.
fn scene() -> Option<Scene> {
    let set = empty();
    let node = stage::node(set.iotplay.binary())?;
    let hub = LocalHub::for_sdks(&set.iotplay)?;
    Some(Scene { set, hub, node })
}

impl Scene {
    fn device(&self, id: &str, seconds: &str) -> Program {
        let connection = self.hub.device(id);
        let mut device =
            self.node.program("device.js", self.hub.ca(), &[("DEVICE", &connection), ("REBOOT_SECONDS", seconds)]);
        device.line("listening");
        device
    }

    fn service(&self, id: &str) -> Program {
        self.node.program("service.js", self.hub.ca(), &[("SERVICE", &self.hub.service()), ("DEVICE_ID", id)])
    }

    fn jobs(&self, id: &str) -> Program {
        self.node.program("jobs.js", self.hub.ca(), &[("SERVICE", &self.hub.service()), ("DEVICE_ID", id)])
    }
}

#[test]
fn the_pair_talks_through_our_hub() {
    let Some(scene) = scene() else { return };
    let mut device = scene.device("press-1", "2");
    let service = scene.service("press-1").end(PATIENCE);
    assert_eq!(service.code, Some(0), "{} {}", service.out, service.err);
    assert!(service.out.contains("reply 200") && service.out.contains("back again"), "{}", service.out);
    assert!(device.line("called").contains("method_number"), "{}", device.line("called"));
    let reported = device.line("reported").replace("reported ", "");
    assert!(service.out.contains(&format!("rebootTime {reported}")), "{}", service.out);
    device.line("answered");
}

#[test]
fn their_device_with_our_playbook() {
    let Some(scene) = scene() else { return };
    let mut device = scene.device("press-2", "3");
    let run = scene.set.iotplay.run(&["run", "reboot.yaml"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let reported = device.line("reported").replace("reported ", "");
    assert_eq!(run.out, format!("Last reboot time: {reported}"));
    assert!(device.line("called").contains(r#"{"method_number":"42"}"#), "{}", device.line("called"));
}

#[test]
fn our_agent_with_their_service() {
    let Some(scene) = scene() else { return };
    let mut agent = scene.set.iotplay.start(&["agent", "--sim-reboot", "3s"]);
    agent.line("connected");
    let service = scene.service("sim-1").end(PATIENCE);
    assert_eq!(service.code, Some(0), "{} {}", service.out, service.err);
    assert!(service.out.contains("reply 200") && service.out.contains("rebootTime 20"), "{}", service.out);
    agent.line("Rebooting device");
}

#[test]
fn their_jobs_reach_their_device() {
    let Some(scene) = scene() else { return };
    let mut device = scene.device("press-4", "1");
    let jobs = scene.jobs("press-4").end(PATIENCE);
    assert_eq!(jobs.code, Some(0), "{} {}", jobs.out, jobs.err);
    for line in [
        "twins completed 1 of 1, 0 failed",
        "twin 3 7",
        "calls completed 1 of 1, 0 failed",
        "planned scheduled",
        "called off cancelled cancelled",
        "wrong failed SQL query parse failed",
        "all wrong,later,calls,twins",
        "some twins",
        "again DeviceAlreadyExistsError",
        "unknown Error",
    ] {
        assert!(jobs.out.contains(line), "{line}: {}", jobs.out);
    }
    assert!(device.line("called").contains(r#"{"why":"job"}"#), "{}", device.line("called"));
}

#[test]
fn their_service_is_told_when_nobody_listens() {
    let Some(scene) = scene() else { return };
    scene.hub.device("asleep");
    let service = scene.service("asleep").end(PATIENCE);
    assert_eq!(service.code, Some(3), "{}", service.out);
    assert!(service.out.contains("problem"), "{}", service.out);
    let unknown = scene.service("nobody").end(PATIENCE);
    assert_eq!(unknown.code, Some(3), "{}", unknown.out);
}

#[test]
fn their_device_with_a_wrong_key_is_turned_away() {
    let Some(mut scene) = scene() else { return };
    let connection = crate::stage_set::with_wrong_key(&scene.hub.device("press-3"));
    let ca = scene.hub.ca().to_owned();
    let device = scene.node.program("device.js", &ca, &[("DEVICE", &connection)]);
    scene.hub.program().line("press-3");
    assert_eq!(device.count("listening"), 0);
    device.kill();
}

#[test]
fn their_service_reaches_a_hub_on_any_port_with_a_word_to_https() {
    let set = empty();
    let Some(node) = stage::node(set.iotplay.binary()) else { return };
    let hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent", "--sim-reboot", "200ms"]);
    agent.line("connected");
    let variables = [("SERVICE", hub.service()), ("DEVICE_ID", "sim-1".to_owned())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let service = node.program("service.js", hub.ca(), &variables).end(PATIENCE);
    assert_eq!(service.code, Some(0), "{} {}", service.out, service.err);
    assert!(service.out.contains("reply 200"), "{}", service.out);
}
