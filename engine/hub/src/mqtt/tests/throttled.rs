//! A hub with a quota: late acknowledgements, then the end of the connection; 429 for twins; code 3 for one connection too many.

use std::time::{Duration, UNIX_EPOCH};

use base::{Clock, Seed};
use net::mqtt::{ConnectReturnCode, Packet, Publish, QoS};
use tokio::time::Instant;

use super::stage::{EVENTS, METHODS, Stage, TWIN_RESPONSES, connect, settle};
use crate::quota::{Kind, Latency, Quota, Quotas, Tier};

const SECOND: Duration = Duration::from_secs(1);

/// One unit of S1 with a queue of a second.
fn stage(change: impl FnOnce(&mut Quota)) -> Stage {
    let mut quota = Quota::new(Tier::S1, 1).unwrap();
    quota.queue = SECOND;
    change(&mut quota);
    let (clock, _hand) = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    Stage::with_quotas(Quotas::new(Some(quota), Latency::default(), &clock, Seed(1)))
}

/// Uses up what may go at once, and so much of the queue.
fn crowd(stage: &Stage, kind: Kind, count: usize) {
    stage.hub.quotas.take(kind, count, 0).unwrap();
}

fn message(id: u16) -> Packet {
    let mut publish = Publish::new(EVENTS, QoS::AtLeastOnce, "1");
    publish.pkid = id;
    Packet::Publish(publish)
}

#[tokio::test(start_paused = true)]
async fn telemetry_is_acknowledged_late_then_the_connection_ends() {
    let stage = stage(|_| {});
    let mut device = stage.device("d").await;
    crowd(&stage, Kind::Telemetry, 150);
    let start = Instant::now();
    device.publish_acknowledged(EVENTS, b"1").await;
    let waited = start.elapsed();
    assert!(waited.abs_diff(SECOND * 51 / 100) < Duration::from_millis(5), "50 before it: {waited:?}");
    crowd(&stage, Kind::Telemetry, 500);
    device.send(&message(9)).await;
    device.until_closed().await;
    assert_eq!(stage.telemetry().len(), 1);
    assert_eq!(
        stage.endings(),
        ["it was throttled: More device-to-cloud messages than this hub (1 x S1) takes: 100 a second."]
    );
}

#[tokio::test(start_paused = true)]
async fn a_device_that_has_to_wait_is_still_sent_to() {
    let stage = stage(|_| {});
    let mut device = stage.device("d").await;
    device.subscribe(&[METHODS]).await;
    crowd(&stage, Kind::Telemetry, 190);
    device.send(&message(9)).await;
    settle().await;
    let call = stage.call("d", "{}", 0);
    let start = Instant::now();
    assert!(device.receive_publish().await.topic.starts_with("$iothub/methods/POST/reboot/"));
    assert!(start.elapsed() < SECOND / 2, "it does not wait for the turn");
    assert!(matches!(device.receive().await, Packet::PubAck(answer) if answer.pkid == 9));
    call.abort();
}

#[tokio::test(start_paused = true)]
async fn a_device_that_has_to_wait_can_be_told_to_go() {
    let stage = stage(|quota| quota.queue = 100 * SECOND);
    let mut device = stage.device("d").await;
    crowd(&stage, Kind::Telemetry, 9_000);
    device.send(&message(9)).await;
    settle().await;
    stage.exchange().stop();
    assert!(device.until_closed().await < SECOND);
    assert_eq!(stage.endings(), ["the hub stops"]);
}

#[tokio::test(start_paused = true)]
async fn the_wait_is_not_held_against_the_device() {
    let stage = stage(|quota| quota.queue = 100 * SECOND);
    let mut device = stage.dial();
    let mut hello = connect("d");
    hello.keep_alive = 10;
    assert_eq!(device.hello(&hello).await.code, ConnectReturnCode::Success);
    crowd(&stage, Kind::Telemetry, 2_100);
    device.publish_acknowledged(EVENTS, b"1").await;
    device.ping().await;
}

#[tokio::test(start_paused = true)]
async fn one_twin_request_too_many_is_answered_429() {
    let stage = stage(|_| {});
    let mut device = stage.device("d").await;
    device.subscribe(&[TWIN_RESPONSES]).await;
    for (kind, topic, good) in [
        (Kind::TwinReads, "$iothub/twin/GET/?$rid=1", "$iothub/twin/res/200/?$rid=1"),
        (Kind::TwinWrites, "$iothub/twin/PATCH/properties/reported/?$rid=1", "$iothub/twin/res/204/?$rid=1&$version=2"),
    ] {
        // Half a second's worth over what may go at once.
        let limit = if kind == Kind::TwinReads { 100 } else { 50 };
        crowd(&stage, kind, limit * 3 / 2);
        let start = Instant::now();
        device.publish_acknowledged(topic, b"{}").await;
        assert!(start.elapsed() >= SECOND / 2, "{topic}");
        assert_eq!(device.receive_publish().await.topic, good);
        crowd(&stage, kind, 3 * limit);
        let start = Instant::now();
        device.publish_acknowledged(topic, b"{}").await;
        let refusal = device.receive_publish().await;
        assert!(start.elapsed() < SECOND / 10, "{topic}");
        assert_eq!(refusal.topic, "$iothub/twin/res/429/?$rid=1");
        let body: serde_json::Value = serde_json::from_slice(&refusal.payload).unwrap();
        assert_eq!(body["errorCode"], 429_001);
    }
    assert_eq!(stage.hub.backing.patches.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_connection_too_many_gets_code_3() {
    let stage = stage(|_| {});
    crowd(&stage, Kind::Connections, 150);
    let start = Instant::now();
    let _late = stage.device("d").await;
    assert!(start.elapsed() >= SECOND / 2);
    crowd(&stage, Kind::Connections, 300);
    let mut refused = stage.dial();
    assert_eq!(refused.hello(&connect("e")).await.code, ConnectReturnCode::ServiceUnavailable);
    refused.until_closed().await;
    assert_eq!(
        stage.refusals(),
        ["it was throttled: More new connections than this hub (1 x S1) takes: 100 a second."]
    );
    assert_eq!(stage.exchange().connected(), 1);
}

#[tokio::test(start_paused = true)]
async fn strangers_use_up_nothing() {
    let stage = stage(|quota| quota.queue = Duration::ZERO);
    for _ in 0..200 {
        let mut stranger = stage.dial();
        let mut hello = connect("e");
        hello.login.as_mut().unwrap().password = "wrong".to_owned();
        assert_eq!(stranger.hello(&hello).await.code, ConnectReturnCode::NotAuthorized);
    }
    stage.device("d").await;
}

#[tokio::test(start_paused = true)]
async fn when_the_messages_of_the_day_are_used_up_devices_are_let_in_and_dropped_at_the_first() {
    let stage = stage(|quota| quota.messages = Some(2));
    let mut device = stage.device("d").await;
    device.subscribe(&[TWIN_RESPONSES]).await;
    device.publish_acknowledged(EVENTS, b"1").await;
    device.publish_acknowledged(EVENTS, b"2").await;
    device.publish_acknowledged("$iothub/twin/GET/?$rid=1", b"").await;
    assert_eq!(device.receive_publish().await.topic, "$iothub/twin/res/403/?$rid=1");
    device.send(&message(9)).await;
    device.until_closed().await;
    assert_eq!(stage.telemetry().len(), 2);
    assert_eq!(stage.endings(), ["it was throttled: The 2 messages that this hub (1 x S1) has a day are used up."]);
}
