//! Scripts at work on the real hub.

use std::time::Duration;

use iotplay_agent::{Agent, AgentEvent, ScriptPlace};
use script::WatchMode;
use serde_json::{Value, json};

use crate::stage::{Ear, Stage, eventually, shipped};

#[tokio::test]
async fn the_tutorials_reboot() {
    let (stage, ear) = (Stage::new().await, Ear::default());
    let device = stage.add("sim-1").await;
    let scripts = ScriptPlace::Path(shipped().join("reboot.rhai"));
    let agent = Agent::start(stage.config(vec![device], scripts, &ear)).unwrap();
    agent.ready().await.unwrap();
    assert_eq!(agent.methods(), ["rebootDevice"]);
    assert_eq!(stage.twin("sim-1").await["properties"]["reported"]["rebootTime"], Value::Null);

    let payload = json!("{\"method_number\":\"42\"}");
    let reply = stage.call("sim-1", "rebootDevice", payload).await;
    let expected = json!({"status": 200, "payload": {"Response": "This is the response from the device"}});
    assert_eq!(reply, (200, expected), "{}", ear.all());
    let time = stage.twin("sim-1").await["properties"]["reported"]["rebootTime"].clone();
    assert!(time.as_str().is_some_and(|time| time.ends_with('Z')), "reported before the answer: {time}");
    assert_eq!(ear.said(), ["Rebooting device", "Device rebooted, rebootTime reported"]);
    agent.stop(Duration::from_secs(1)).await;
    stage.hub.stop().await;
}

#[tokio::test]
async fn all_shipped_scripts_load_together_and_work() {
    let (stage, ear) = (Stage::new().await, Ear::default());
    let device = stage.add("sim-1").await;
    let agent = Agent::start(stage.config(vec![device], ScriptPlace::Path(shipped()), &ear)).unwrap();
    agent.ready().await.unwrap();

    let (_, reply) = stage.call("sim-1", "ping", json!({"n": 1})).await;
    assert_eq!((&reply["status"], &reply["payload"]["echo"]), (&json!(200), &json!({"n": 1})), "{reply}");

    stage.desire("sim-1", json!({"config": {"interval": 30}})).await;
    let reported = async || stage.twin("sim-1").await["properties"]["reported"]["config"]["interval"].clone();
    eventually("the interval is acknowledged", async || reported().await["ac"] == 200).await;
    stage.desire("sim-1", json!({"config": {"interval": "often"}})).await;
    eventually("nonsense is refused", async || reported().await["ac"] == 400).await;
    assert_eq!(reported().await["value"], 30, "what is in force is reported, not what was asked for");

    let (_, reply) = stage.call("sim-1", "telemetry", json!({"now": true})).await;
    assert_eq!(reply["status"], 200, "{reply}");
    assert_eq!(agent.status().messages, 1);

    let (_, reply) = stage.call("sim-1", "unheardOf", Value::Null).await;
    assert_eq!(reply["status"], 404, "{reply}");
    agent.stop(Duration::from_secs(1)).await;
    stage.hub.stop().await;
}

#[tokio::test]
async fn an_edit_is_in_force_at_the_next_call_and_a_broken_one_is_not() {
    let (stage, ear) = (Stage::new().await, Ear::default());
    let device = stage.add("d").await;
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("one.rhai");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write("on_method('go', |device, request| 1);");
    let mut config = stage.config(vec![device], ScriptPlace::Path(temp.path().to_owned()), &ear);
    config.watch = Some(WatchMode::Native);
    let agent = Agent::start(config).unwrap();
    agent.ready().await.unwrap();
    let go = async || stage.call("d", "go", Value::Null).await.1["payload"].clone();
    assert_eq!(go().await, json!(1));

    write("on_method('go', |device, request| 2);");
    eventually("the edit is in force", async || go().await == json!(2)).await;

    write("on_method('go', |device, request| { 3");
    eventually("it is told", async || ear.count(|event| matches!(event, AgentEvent::Broken(_))) > 0).await;
    assert_eq!((go().await, agent.status().broken), (json!(2), true));

    std::fs::remove_file(&file).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(go().await, json!(2), "gone, and in force all the same");

    write("on_method('go', |device, request| 4);");
    eventually("mended", async || go().await == json!(4)).await;
    assert!(!agent.status().broken);
    agent.stop(Duration::ZERO).await;
    stage.hub.stop().await;
}
