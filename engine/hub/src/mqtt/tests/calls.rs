//! Method calls from the exchange to the device and back, and every way they can fail.

use std::time::Duration;

use net::mqtt::Packet;
use tokio::time::Instant;

use super::stage::{METHODS, Stage, connect, identity, settle};
use crate::link::{DropReason, MAIL_BYTES};

#[tokio::test(start_paused = true)]
async fn request_ids_are_hex_and_answers_may_come_in_any_order() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    device.subscribe(&[METHODS]).await;
    let mut calls = Vec::new();
    let mut topics = Vec::new();
    for number in 1..=20 {
        calls.push(stage.call("d", &number.to_string(), 0));
        let request = device.receive_publish().await;
        assert_eq!(request.payload.as_ref(), number.to_string().as_bytes());
        topics.push(request.topic);
    }
    let rids: Vec<&str> = topics.iter().map(|topic| topic.rsplit('=').next().unwrap()).collect();
    assert_eq!(rids[8..17], ["9", "a", "b", "c", "d", "e", "f", "10", "11"]);
    for (number, rid) in rids.iter().enumerate().rev() {
        // Clients that turn the id into upper case have been seen; the service does not mind.
        let topic = format!("$iothub/methods/res/{}/?$rid={}", 200 + number, rid.to_uppercase());
        device.publish_acknowledged(&topic, br#"{"done":true}"#).await;
    }
    for (number, call) in calls.into_iter().enumerate() {
        let reply = call.await.unwrap().unwrap();
        assert_eq!(reply.status, 200 + i32::try_from(number).unwrap());
        assert_eq!(reply.payload.unwrap().get(), r#"{"done":true}"#);
    }
}

#[tokio::test(start_paused = true)]
async fn payloads_pass_unchanged_both_ways() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    device.subscribe(&[METHODS]).await;
    for (sent, answer, wanted) in [
        ("", &b""[..], None),
        (r#"{"x":1}"#, b"null", Some("null")),
        (r#""text""#, br#""""#, Some(r#""""#)),
        ("0", b"[1, 2]", Some("[1, 2]")),
    ] {
        let call = stage.call("d", sent, 0);
        let request = device.receive_publish().await;
        assert_eq!(request.payload.as_ref(), sent.as_bytes());
        let rid = request.topic.rsplit('=').next().unwrap().to_owned();
        device.publish(&format!("$iothub/methods/res/-1/?$rid={rid}"), answer).await;
        let reply = call.await.unwrap().unwrap();
        assert_eq!((reply.status, reply.payload.as_ref().map(|text| text.get())), (-1, wanted));
    }
}

#[tokio::test(start_paused = true)]
async fn failures_have_their_codes_and_words() {
    let stage = Stage::new();
    let offline = stage.call("d", "", 0).await.unwrap().unwrap_err();
    assert_eq!((offline.code.0, offline.message.as_str()), (404_103, "Timed out waiting for device to connect."));
    assert_eq!(offline.info.unwrap()["timeout"], "00:00:00");

    let mut device = stage.device("d").await;
    let start = Instant::now();
    let unsubscribed = stage.call("d", "", 75).await.unwrap().unwrap_err();
    assert_eq!((unsubscribed.code.0, start.elapsed().as_secs()), (404_103, 75));
    assert_eq!(unsubscribed.info.unwrap()["timeout"], "00:01:15");

    let mut device = {
        drop(device.connection.close().await);
        stage.device("d").await
    };
    device.subscribe(&[METHODS]).await;
    let start = Instant::now();
    let silent = stage.call("d", "", 0).await.unwrap().unwrap_err();
    assert_eq!((silent.code.0, start.elapsed().as_secs()), (504_101, 5));
    assert_eq!(silent.message, "Timed out waiting for the response from device.");
    device.receive_publish().await;

    for (topic, payload, code) in [
        ("$iothub/methods/res/200/?$rid=2", &b"not json"[..], 502_000),
        ("$iothub/methods/res/ok/?$rid=3", b"", 502_000),
        ("$iothub/methods/res/200/?$rid=4", &vec![b'1'; 128 * 1024 + 1], 502_000),
    ] {
        let call = stage.call("d", "", 0);
        device.receive_publish().await;
        device.publish(topic, payload).await;
        assert_eq!(call.await.unwrap().unwrap_err().code.0, code, "{topic}");
    }
    let lost = stage.call("d", "", 0);
    device.receive_publish().await;
    drop(device);
    assert_eq!(lost.await.unwrap().unwrap_err().code.0, 404_104);
}

#[tokio::test(start_paused = true)]
async fn unknown_and_late_answers_are_nobodys() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    device.subscribe(&[METHODS]).await;
    assert!(stage.call("d", "", 0).await.unwrap().is_err(), "no answer in 5 s");
    device.receive_publish().await;
    for topic in ["res/200/?$rid=1", "res/200/?$rid=ffff", "res/200/?$rid=not-hex", "res/ok/?$rid=9"] {
        device.publish_acknowledged(&format!("$iothub/methods/{topic}"), b"{}").await;
    }
    device.ping().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_the_device_and_its_subscription() {
    let stage = Stage::new();
    let first = stage.call("d", "1", 60);
    let second = stage.call("d", "2", 60);
    settle().await;
    assert_eq!(stage.exchange().parked(), 1);
    let mut device = stage.device("d").await;
    device.hears_nothing().await;
    device.subscribe(&[METHODS]).await;
    for _ in 0..2 {
        let request = device.receive_publish().await;
        let rid = request.topic.rsplit('=').next().unwrap().to_owned();
        device.publish(&format!("$iothub/methods/res/200/?$rid={rid}"), &request.payload).await;
    }
    for (call, wanted) in [(first, "1"), (second, "2")] {
        assert_eq!(call.await.unwrap().unwrap().payload.unwrap().get(), wanted);
    }
    assert_eq!(stage.exchange().parked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_nothing_behind() {
    let stage = Stage::new();
    let parked = stage.call("nobody", "", 300);
    let mut device = stage.device("d").await;
    device.subscribe(&[METHODS]).await;
    let under_way = stage.call("d", "", 0);
    device.receive_publish().await;
    assert_eq!((stage.exchange().parked(), stage.exchange().waiting(&identity("d"))), (1, 1));
    parked.abort();
    under_way.abort();
    settle().await;
    assert_eq!((stage.exchange().parked(), stage.exchange().waiting(&identity("d"))), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_registry_can_drop_a_connection_with_its_calls() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    device.subscribe(&[METHODS]).await;
    let call = stage.call("d", "", 0);
    device.receive_publish().await;
    stage.exchange().drop_connection(&identity("nobody"), DropReason::Deleted);
    stage.exchange().drop_connection(&identity("d"), DropReason::Disabled);
    assert_eq!(call.await.unwrap().unwrap_err().code.0, 404_104);
    device.until_closed().await;
    settle().await;
    assert_eq!(stage.endings(), ["it was disabled"]);
    assert!(!stage.exchange().is_connected(&identity("d")));
}

#[tokio::test(start_paused = true)]
async fn a_device_that_takes_nothing_is_dropped_and_not_waited_for() {
    let stage = Stage::new();
    let mut device = stage.dial_through(1024);
    device.hello(&connect("d")).await;
    device.subscribe(&[METHODS]).await;
    let payload = format!("\"{}\"", "x".repeat(100_000));
    let calls: Vec<_> = (0..2 * MAIL_BYTES / 100_000).map(|_| stage.call("d", &payload, 0)).collect();
    settle().await;
    let mut lost = 0;
    for call in calls {
        lost += usize::from(call.await.unwrap().unwrap_err().code.0 == 404_104);
    }
    assert!(lost > 0);
    settle().await;
    assert_eq!(stage.endings(), ["it does not take what is sent to it"]);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_causes_more_than_it_takes_is_stalled_then_dropped() {
    let stage = Stage::new();
    let mut device = stage.dial_through(1024);
    device.hello(&connect("d")).await;
    device.subscribe(&[super::stage::TWIN_RESPONSES]).await;
    // Never reads again, and asks until nothing more is taken from it.
    for _ in 0..20_000 {
        device.connection.queue(&Packet::PingReq).unwrap();
        device.connection.queue_publish("$iothub/twin/GET/?$rid=1", b"").unwrap();
    }
    let flushed = tokio::time::timeout(Duration::from_secs(600), device.connection.flush()).await;
    assert!(flushed.is_ok_and(|sent| sent.is_err()), "the hub must hang up");
    settle().await;
    assert_eq!(stage.endings(), ["it does not take what is sent to it"]);
}
