//! Many devices in one process.

use std::time::Duration;

use iotplay_agent::{Agent, AgentEvent};
use serde_json::{Value, json};

use crate::stage::{Cable, Ear, Stage, built_in, eventually};

const SIZE: usize = 200;

#[tokio::test]
async fn a_fleet_comes_up_answers_and_comes_back() {
    let (stage, ear) = (Stage::new().await, Ear::default());
    let cable = Cable::to(&stage).await;
    let mut devices = Vec::new();
    for number in 0..SIZE {
        devices.push(cable.plug(stage.add(&format!("sim-{number}")).await));
    }
    let text = "on_method('go', |device, request| { device.state.n = (device.state.n ?? 0) + 1; device.id + device.state.n });";
    let mut config = stage.config(devices, built_in(text), &ear);
    config.link.back_off_cap = Duration::from_secs(2);
    let agent = Agent::start(config).unwrap();
    agent.ready().await.unwrap();
    assert_eq!(agent.status().connected, SIZE as u64);
    for number in [0, 7, 199] {
        let id = format!("sim-{number}");
        assert_eq!(stage.call(&id, "go", Value::Null).await.1["payload"], json!(format!("{id}1")), "its own state");
    }
    cable.cut().await;
    eventually("all are back", async || {
        let connects = ear.count(|event| matches!(event, AgentEvent::Connected { .. }));
        connects >= 2 * SIZE && agent.status().connected == SIZE as u64
    })
    .await;
    assert_eq!(stage.call("sim-7", "go", Value::Null).await.1["payload"], json!("sim-72"));
    agent.stop(Duration::ZERO).await;
    stage.hub.stop().await;
}

#[tokio::test]
async fn what_cannot_work_is_refused_at_the_start() {
    let (stage, ear) = (Stage::new().await, Ear::default());
    let device = stage.add("d").await;
    let twice = Agent::start(stage.config(vec![device.clone(), device.clone()], built_in(""), &ear)).unwrap_err();
    assert_eq!(twice.to_string(), "d is given twice");
    let broken =
        Agent::start(stage.config(vec![device.clone()], built_in("on_method('go', |device| 1);"), &ear)).unwrap_err();
    assert!(broken.to_string().contains("test.rhai:1:1"), "{broken}");
    let mut config = stage.config(vec![device], built_in(""), &ear);
    config.board = Some(iotplay_agent::Board::new(vec!["true".into()]));
    assert!(Agent::start(config).unwrap_err().to_string().contains("folder"));
    assert!(Agent::descriptors(9_900) < 20_000);
    stage.hub.stop().await;
}
