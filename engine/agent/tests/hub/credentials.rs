//! Ready-made tokens in a file, modules, gateways, and two that log in with one name.

use std::time::Duration;

use base::{Clock, Secret};
use iotplay_agent::{Agent, AgentEvent};
use serde_json::{Value, json};
use wire::{DeviceConnection, DeviceCredential, device_resource, sign};

use crate::stage::{Ear, Stage, built_in, eventually};

const GO: &str = "on_method('go', |device, request| device.id);";

fn token(device: &DeviceConnection, life: u64) -> String {
    let DeviceCredential::Key(key) = &device.credential else { panic!("it has a key") };
    let resource = device_resource(&device.host.host, &device.identity);
    sign(&resource, key, Clock::system().unix_seconds() + life, None).expose().to_owned()
}

fn disconnected(ear: &Ear, reason: &str) -> usize {
    ear.count(|event| matches!(event, AgentEvent::Disconnected { why, .. } if why == reason))
}

#[tokio::test]
async fn a_token_in_a_file_is_waited_for_and_read_again() {
    let (stage, ear) = (Stage::new().await, Ear::default());
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("token");
    let device = stage.add("d").await;
    std::fs::write(&file, "no token at all").unwrap();
    let mut config = stage.config(vec![device.clone()], built_in(GO), &ear);
    config.devices[0].credential = DeviceCredential::Signature(Secret::new("what the file has counts"));
    config.token_file = Some(file.clone());
    let agent = Agent::start(config).unwrap();
    let refused = |event: &AgentEvent| matches!(event, AgentEvent::Refused { .. });
    eventually("what is wrong is told", async || ear.count(refused) == 1).await;

    // Long enough for a login and a call on a busy machine.
    std::fs::write(&file, token(&device, 10)).unwrap();
    agent.ready().await.unwrap();
    assert_eq!(stage.call("d", "go", Value::Null).await.1["payload"], "d");
    // It runs out, and the agent waits.
    eventually("the end of the token is told", async || disconnected(&ear, "the token is out of date") == 1).await;
    let stale = |event: &AgentEvent| matches!(event, AgentEvent::Refused { finding, .. } if finding.to_string().contains("replace the file"));
    eventually("what to do is told once", async || ear.count(stale) == 1).await;
    std::fs::write(&file, token(&device, 600)).unwrap();
    eventually("back with the new one", async || agent.status().connected == 1).await;

    // A newer one is taken without an end between.
    std::fs::write(&file, format!("{}\n", token(&device, 1200))).unwrap();
    eventually("renewed", async || disconnected(&ear, "the token is renewed") == 1).await;
    eventually("back again", async || agent.status().connected == 1).await;
    assert_eq!(stage.call("d", "go", Value::Null).await.1["payload"], "d");
    assert_eq!(ear.count(stale), 1);
    agent.stop(Duration::ZERO).await;
    stage.hub.stop().await;
}

#[tokio::test]
async fn two_of_one_name_are_told_and_give_way() {
    let (stage, ear, other) = (Stage::new().await, Ear::default(), Ear::default());
    let device = stage.add("d").await;
    let start = |ear| {
        let mut config = stage.config(vec![device.clone()], built_in(GO), ear);
        config.link.back_off = Duration::from_millis(50);
        config.link.back_off_cap = Duration::from_millis(200);
        config.link.crowded_cap = Duration::from_secs(3600);
        Agent::start(config).unwrap()
    };
    let one = start(&ear);
    one.ready().await.unwrap();
    let two = start(&other);
    let told = |ear: &Ear| {
        ear.count(|event| matches!(event, AgentEvent::Fault { finding, .. }
            if finding.to_string().contains("another client seems to log in as d") && finding.to_string().contains("credentials")))
    };
    eventually("both are told", async || told(&ear) > 0 && told(&other) > 0).await;
    let connects = one.status().connects + two.status().connects;
    assert!(connects < 30, "{connects} logins: they fight");
    assert_eq!((told(&ear), told(&other)), (1, 1), "once for each row of them");
    one.stop(Duration::ZERO).await;
    two.stop(Duration::ZERO).await;
    stage.hub.stop().await;
}

#[tokio::test]
async fn a_module_has_its_own_twin_and_methods() {
    let (stage, ear) = (Stage::new().await, Ear::default());
    let module = stage.add_module("d", "camera").await;
    let text = "on_method('go', |device, request| { device.report(#{ by: device.id }); device.send('x'); device.id });";
    let agent = Agent::start(stage.config(vec![module.clone()], built_in(text), &ear)).unwrap();
    agent.ready().await.unwrap();
    let (status, answer) = stage.call_identity(&module.identity, "go", json!(null)).await;
    assert_eq!((status, &answer["payload"]), (200, &json!("d/camera")), "{answer}");
    assert_eq!(stage.twin_identity(&module.identity).await["properties"]["reported"]["by"], "d/camera");
    eventually("its message is taken", async || agent.status().messages == 1).await;
    agent.stop(Duration::ZERO).await;
    stage.hub.stop().await;
}
