//! Cloud-to-device messages over one connection: room, acknowledgements, repetition.

use std::time::Duration;

use net::mqtt::{Packet, PubAck, QoS, Subscribe};
use tokio::time::{Instant, timeout};
use wire::limits::C2D_LOCK;

use super::stage::{Device, Stage, connect, identity, settle};
use crate::mqtt::settings::IN_FLIGHT;
use crate::seam::Delivery;

const BOUND: &str = "devices/d/messages/devicebound/#";

/// So many messages wait for `d`.
fn waiting(stage: &Stage, count: u64, again: bool) {
    let topic = "devices/d/messages/devicebound/a=b";
    let delivery = |sequence| Delivery { sequence, topic: topic.into(), body: vec![7; 3].into(), again };
    stage.hub.backing.messages.lock().unwrap().extend((1..=count).map(delivery));
    stage.exchange().message_waits(&identity("d"));
}

fn held(stage: &Stage) -> usize {
    stage.hub.backing.held.lock().unwrap().len()
}

async fn acknowledge(device: &mut Device, id: u16) {
    device.send(&Packet::PubAck(PubAck { pkid: id })).await;
}

#[tokio::test(start_paused = true)]
async fn they_come_with_the_subscription_and_wait_for_room() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    waiting(&stage, 20, false);
    device.hears_nothing().await;
    device.subscribe(&[BOUND]).await;
    let mut ids = Vec::new();
    for _ in 0..IN_FLIGHT {
        let publish = device.receive_publish().await;
        assert_eq!((publish.qos, publish.dup, &publish.payload[..]), (QoS::AtLeastOnce, false, &[7; 3][..]));
        ids.push(publish.pkid);
    }
    device.hears_nothing().await;
    assert_eq!(held(&stage), IN_FLIGHT);
    acknowledge(&mut device, ids[3]).await;
    ids.push(device.receive_publish().await.pkid);
    device.hears_nothing().await;
    // One that was never sent, and one twice.
    acknowledge(&mut device, 999).await;
    acknowledge(&mut device, ids[3]).await;
    device.hears_nothing().await;
    ids.remove(3);
    for id in ids {
        acknowledge(&mut device, id).await;
    }
    for _ in 0..3 {
        let publish = device.receive_publish().await;
        acknowledge(&mut device, publish.pkid).await;
    }
    settle().await;
    assert_eq!(held(&stage), 0);
    waiting(&stage, 1, true);
    assert!(device.receive_publish().await.dup, "the state says that it was sent before");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_acknowledged_within_a_lock_is_sent_again_under_its_own_identifier() {
    let stage = Stage::new();
    let mut device = stage.dial();
    let mut hello = connect("d");
    hello.keep_alive = 600;
    device.hello(&hello).await;
    device.subscribe(&[BOUND]).await;
    waiting(&stage, 2, false);
    let first = device.receive_publish().await;
    let second = device.receive_publish().await;
    acknowledge(&mut device, second.pkid).await;
    let start = Instant::now();
    let read = timeout(C2D_LOCK * 2, device.connection.read()).await.expect("again within two locks");
    let Packet::Publish(again) = read.unwrap().unwrap().packet else { panic!("a publish") };
    assert_eq!((again.pkid, again.dup, &again.topic), (first.pkid, true, &first.topic));
    assert!(start.elapsed().abs_diff(C2D_LOCK) < Duration::from_secs(1), "{:?}", start.elapsed());
    acknowledge(&mut device, again.pkid).await;
    assert!(timeout(C2D_LOCK * 2, device.connection.read()).await.is_err(), "nothing is under way any more");
}

#[tokio::test(start_paused = true)]
async fn with_quality_0_nothing_is_awaited() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    let mut subscribe = Subscribe::new(BOUND, QoS::AtMostOnce);
    subscribe.pkid = 9;
    device.send(&Packet::Subscribe(subscribe)).await;
    assert!(matches!(device.receive().await, Packet::SubAck(_)));
    waiting(&stage, 30, false);
    for _ in 0..30 {
        assert_eq!(device.receive_publish().await.qos, QoS::AtMostOnce);
    }
    assert_eq!(held(&stage), 0);
}

#[tokio::test(start_paused = true)]
async fn a_kept_session_gets_them_without_subscribing_again() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    device.subscribe(&[BOUND]).await;
    drop(device);
    settle().await;
    waiting(&stage, 1, false);
    let mut device = stage.device("d").await;
    device.receive_publish().await;
    device.unsubscribe(&[BOUND]).await;
    waiting(&stage, 1, false);
    device.hears_nothing().await;
}
