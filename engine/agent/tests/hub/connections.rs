//! Losses, tokens, refusals and takeovers.

use std::time::Duration;

use base::{Clock, Secret};
use iotplay_agent::{Agent, AgentEvent};
use serde_json::{Value, json};
use wire::{DeviceCredential, device_resource, sign};

use crate::stage::{Cable, Ear, Stage, built_in, eventually};

const GO: &str = "on_method('go', |device, request| 1);";

fn connects(ear: &Ear) -> usize {
    ear.count(|event| matches!(event, AgentEvent::Connected { .. }))
}

#[tokio::test]
async fn a_cut_line_comes_back_and_reports_survive_it() {
    let (stage, ear) = (Stage::new().await, Ear::default());
    let cable = Cable::to(&stage).await;
    let device = cable.plug(stage.add("d").await);
    let text = "on_method('go', |device, request| { reply(200); sleep(0.5); device.report(#{ a: 1 }); device.send('x'); print('queued'); });";
    let agent = Agent::start(stage.config(vec![device], built_in(text), &ear)).unwrap();
    agent.ready().await.unwrap();
    assert_eq!(stage.call("d", "go", Value::Null).await.0, 200);
    cable.refuse(true);
    cable.cut().await;
    eventually("the handler does not wait for the line", async || !ear.said().is_empty()).await;
    assert_eq!(stage.twin("d").await["properties"]["reported"]["a"], Value::Null);
    cable.refuse(false);
    eventually("the report arrives", async || stage.twin("d").await["properties"]["reported"]["a"] == 1).await;
    eventually("the message arrives", async || agent.status().messages == 1).await;
    assert_eq!(stage.call("d", "go", Value::Null).await.0, 200);
    assert!(connects(&ear) >= 2);
    agent.stop(Duration::from_secs(5)).await;
    stage.hub.stop().await;
}

#[tokio::test]
async fn a_desired_change_during_an_absence_is_told_afterwards() {
    let (stage, ear) = (Stage::new().await, Ear::default());
    let cable = Cable::to(&stage).await;
    let device = cable.plug(stage.add("d").await);
    let text = "on_desired('n', |device, value, version| print(`n ${value}`));";
    let agent = Agent::start(stage.config(vec![device], built_in(text), &ear)).unwrap();
    agent.ready().await.unwrap();
    stage.desire("d", json!({"n": 1})).await;
    eventually("told", async || ear.said() == ["n 1"]).await;
    cable.refuse(true);
    cable.cut().await;
    eventually("down", async || agent.status().connected == 0).await;
    stage.desire("d", json!({"n": 2})).await;
    cable.refuse(false);
    eventually("told afterwards", async || ear.said() == ["n 1", "n 2"]).await;
    agent.stop(Duration::ZERO).await;
    stage.hub.stop().await;
}

#[tokio::test]
async fn tokens_are_renewed_and_calls_go_on() {
    let (stage, ear) = (Stage::new().await, Ear::default());
    let device = stage.add("d").await;
    let mut config = stage.config(vec![device], built_in(GO), &ear);
    // A renewal waits for a moment without a call for 15 % of this, and is then made at any cost.
    config.link.token_lifetime = Duration::from_secs(5);
    let agent = Agent::start(config).unwrap();
    agent.ready().await.unwrap();
    eventually("two renewals", async || {
        let (status, reply) = stage.call("d", "go", Value::Null).await;
        assert_eq!((status, &reply["payload"]), (200, &json!(1)), "{reply}");
        connects(&ear) >= 3
    })
    .await;
    let renewed =
        |event: &AgentEvent| matches!(event, AgentEvent::Disconnected { why, .. } if why == "the token is renewed");
    assert_eq!(ear.count(renewed), connects(&ear) - 1, "for no other reason: {}", ear.all());
    agent.stop(Duration::ZERO).await;
    stage.hub.stop().await;
}

#[tokio::test]
async fn a_ready_made_token_ends_the_agent_with_a_word() {
    let (stage, ear) = (Stage::new().await, Ear::default());
    let mut device = stage.add("d").await;
    let DeviceCredential::Key(key) = &device.credential else { panic!() };
    let resource = device_resource(&device.host.host, &device.identity);
    let token = sign(&resource, key, Clock::system().unix_seconds() + 5, None);
    device.credential = DeviceCredential::Signature(Secret::new(token.expose()));
    let agent = Agent::start(stage.config(vec![device.clone()], built_in(GO), &ear)).unwrap();
    agent.ready().await.unwrap();
    let ended = agent.finished().await.expect("a reason").to_string();
    assert!(ended.contains("out of date") && ended.contains("help:"), "{ended}");
    agent.stop(Duration::ZERO).await;

    let agent = Agent::start(stage.config(vec![device], built_in(GO), &ear)).unwrap();
    assert!(agent.ready().await.unwrap_err().to_string().contains("out of date"));
    agent.stop(Duration::ZERO).await;
    stage.hub.stop().await;
}

#[tokio::test]
async fn a_refused_login_says_what_may_be_wrong_and_is_tried_again() {
    let (stage, ear) = (Stage::new().await, Ear::default());
    let device = stage.add("d").await;
    stage.set_status("d", "disabled").await;
    let agent = Agent::start(stage.config(vec![device], built_in(GO), &ear)).unwrap();
    let refused = |event: &AgentEvent| {
        matches!(event, AgentEvent::Refused { finding, .. }
            if finding.to_string().contains("registered and enabled") && finding.to_string().contains("clock"))
    };
    eventually("refused twice", async || ear.count(refused) >= 2).await;
    stage.set_status("d", "enabled").await;
    agent.ready().await.unwrap();
    assert_eq!(stage.call("d", "go", Value::Null).await.0, 200);
    agent.stop(Duration::ZERO).await;
    stage.hub.stop().await;
}

#[tokio::test]
async fn two_of_one_name_give_way_ever_more_slowly() {
    let (stage, ear, other_ear) = (Stage::new().await, Ear::default(), Ear::default());
    let device = stage.add("d").await;
    let config = |ear| {
        let mut config = stage.config(vec![device.clone()], built_in(GO), ear);
        config.link.back_off = Duration::from_millis(200);
        config.link.back_off_cap = Duration::from_secs(60);
        config
    };
    let one = Agent::start(config(&ear)).unwrap();
    one.ready().await.unwrap();
    let two = Agent::start(config(&other_ear)).unwrap();
    two.ready().await.unwrap();
    eventually("they throw each other out", async || connects(&ear) + connects(&other_ear) >= 6).await;
    // Pauses double from 0.2 s: six connects take seconds; without a pause there would be hundreds a second.
    assert!(connects(&ear) + connects(&other_ear) < 20);
    one.stop(Duration::ZERO).await;
    eventually("the other one has it", async || two.status().connected == 1 || connects(&other_ear) > 3).await;
    two.stop(Duration::ZERO).await;
    stage.hub.stop().await;
}

#[tokio::test]
async fn an_untrusted_hub_is_named() {
    let (stage, ear) = (Stage::new().await, Ear::default());
    let device = stage.add("d").await;
    let mut config = stage.config(vec![device], built_in(GO), &ear);
    let other = net::tls::Authority::generate(&Clock::system()).unwrap();
    config.roots = net::tls::Roots::Pem(other.ca_pem.clone());
    let agent = Agent::start(config).unwrap();
    let named = |event: &AgentEvent| matches!(event, AgentEvent::Unreachable { why, .. } if why.contains("--ca-file"));
    eventually("named", async || ear.count(named) > 0).await;
    agent.stop(Duration::ZERO).await;
    stage.hub.stop().await;
}

#[tokio::test]
async fn a_stop_answers_what_runs_and_says_goodbye() {
    let (stage, ear) = (Stage::new().await, Ear::default());
    let agent = stage.agent("d", "on_method('go', |device, request| { sleep(0.5); 'done' });", &ear).await;
    let stopping = async {
        eventually("it runs", async || agent.status().running > 0).await;
        agent.stop(Duration::from_secs(10)).await;
    };
    let (reply, ()) = tokio::join!(stage.call("d", "go", Value::Null), stopping);
    assert_eq!(reply.1["payload"], "done", "{reply:?}");
    let call = stage.call("d", "go", Value::Null);
    assert!(tokio::time::timeout(Duration::from_millis(300), call).await.is_err(), "waits for a device that is gone");
    stage.hub.stop().await;
}
