//! The official Python SDKs, device and service, against the local hub: each with the other and with our own counterpart.

use std::time::Duration;

use stage::{LocalHub, Program, Sdk};

use crate::stage_set::{Set, empty};

/// A device program's start, a 20 s reboot, five seconds between looks, and a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

struct Scene {
    set: Set,
    hub: LocalHub,
    python: Sdk,
}

/// A hub on an address of its own, and Python with its SDKs; none where either cannot be had.
fn scene() -> Option<Scene> {
    let set = empty();
    let python = stage::python(set.iotplay.binary())?;
    let hub = LocalHub::for_sdks(&set.iotplay)?;
    Some(Scene { set, hub, python })
}

impl Scene {
    fn device(&self, id: &str, seconds: &str) -> Program {
        let connection = self.hub.device(id);
        let mut device =
            self.python.program("device.py", self.hub.ca(), &[("DEVICE", &connection), ("REBOOT_SECONDS", seconds)]);
        device.line("listening");
        device
    }

    fn service(&self, id: &str) -> Program {
        self.python.program("service.py", self.hub.ca(), &[("SERVICE", &self.hub.service()), ("DEVICE_ID", id)])
    }

    fn jobs(&self, id: &str) -> Program {
        self.python.program("jobs.py", self.hub.ca(), &[("SERVICE", &self.hub.service()), ("DEVICE_ID", id)])
    }
}

#[test]
fn the_pair_talks_through_our_hub_at_full_length() {
    let Some(scene) = scene() else { return };
    let mut device = scene.device("press-1", "20");
    let service = scene.service("press-1").end(PATIENCE);
    assert_eq!(service.code, Some(0), "{} {}", service.out, service.err);
    assert!(service.out.contains("reply 200") && service.out.contains("back again"), "{}", service.out);
    // The payload was a text that holds JSON, and arrives as one.
    assert!(device.line("called").contains(r#""{\"method_number\": \"42\"}""#), "{}", device.line("called"));
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
    assert!(device.line("called").contains(r#"{"method_number": "42"}"#), "{}", device.line("called"));
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
        "again HttpOperationError Operation returned an invalid status code 'Conflict'",
        "unknown HttpOperationError Operation returned an invalid status code 'Not Found'",
        // As it does against IoT Hub.
        "list DeserializationError",
    ] {
        assert!(jobs.out.contains(line), "{line}: {}", jobs.out);
    }
    assert!(device.line("called").contains(r#"{"why": "job"}"#), "{}", device.line("called"));
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
    let device = scene.python.program("device.py", &ca, &[("DEVICE", &connection)]);
    scene.hub.program().line("press-3");
    assert_eq!(device.count("listening"), 0);
    device.kill();
}
