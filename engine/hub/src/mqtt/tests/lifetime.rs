//! What time does to a connection: keep-alive, the end of a token, the end of the hub.

use std::time::Duration;

use net::mqtt::Packet;
use tokio::time::{Instant, sleep};

use super::stage::{Stage, connect, settle};

#[tokio::test(start_paused = true)]
async fn silence_ends_a_connection_after_half_again_its_keep_alive() {
    for (keep_alive, seconds) in [(60, 90.0), (1, 1.5), (0, 1767.0), (1177, 1765.5), (u16::MAX, 1767.0)] {
        let stage = Stage::new();
        let mut hello = connect("d");
        hello.keep_alive = keep_alive;
        let mut device = stage.dial();
        device.hello(&hello).await;
        let waited = device.until_closed().await.as_secs_f64();
        assert!((waited - seconds).abs() < 0.1, "keep-alive {keep_alive}: {waited} s");
        settle().await;
        assert_eq!(stage.endings(), ["nothing was heard for one and a half times its keep-alive"]);
    }
}

#[tokio::test(start_paused = true)]
async fn every_packet_counts_as_a_sign_of_life() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    for round in 0..10 {
        sleep(Duration::from_secs(80)).await;
        if round % 2 == 0 {
            device.ping().await;
        } else {
            device.publish("devices/d/messages/events/", b"x").await;
        }
    }
    let waited = device.until_closed().await.as_secs();
    assert_eq!(waited, 90);
}

#[tokio::test(start_paused = true)]
async fn half_a_packet_is_not_a_sign_of_life() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    let start = Instant::now();
    // One byte of a long publish every 10 s.
    device.connection.queue_written(&[0x30, 0x7f]);
    while tokio::time::timeout(Duration::from_secs(10), device.connection.read()).await.is_err() {
        device.connection.queue_written(b"\0");
    }
    assert_eq!(start.elapsed().as_secs(), 90);
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_its_connection_after_the_grace() {
    let stage = Stage::new();
    *stage.hub.backing.expires.lock().unwrap() = Some(stage.hub.clock.now() + Duration::from_secs(100));
    let mut device = stage.device("d").await;
    let start = Instant::now();
    loop {
        sleep(Duration::from_secs(50)).await;
        stage.hand.advance(Duration::from_secs(50));
        device.connection.queue(&Packet::PingReq).unwrap();
        match device.connection.read().await {
            Ok(Some(incoming)) => assert_eq!(incoming.packet, Packet::PingResp),
            _ => break,
        }
    }
    let lived = start.elapsed().as_secs();
    assert!((400..=450).contains(&lived), "{lived} s with a grace of 300");
    settle().await;
    assert_eq!(stage.endings(), ["its token expired"]);
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_stops_ends_all_and_takes_no_more() {
    let stage = Stage::new();
    let mut devices = [stage.device("a").await, stage.device("b").await];
    stage.exchange().stop();
    for device in &mut devices {
        device.until_closed().await;
    }
    let mut late = stage.dial();
    late.connection.queue(&Packet::Connect(connect("c"))).unwrap();
    late.until_closed().await;
    settle().await;
    assert_eq!(stage.endings(), ["the hub stops"; 3]);
    assert_eq!(stage.exchange().connected(), 0);
}
