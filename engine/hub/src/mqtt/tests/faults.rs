//! Each fault on each operation of a device: what should be done is done once and answered once, or the device learns that it was
//! not. And the faults that devices ask for themselves. Time is paused.

use std::time::Duration;

use net::mqtt::{ConnectReturnCode, Packet, PubAck, Publish, QoS};
use tokio::time::Instant;
use wire::ErrorCode;

use super::stage::{Device, EVENTS, METHODS, Stage, TWIN_RESPONSES, connect, identity, settle};
use crate::seam::Delivery;

const SECOND: Duration = Duration::from_secs(1);
const BOUND: &str = "devices/d/messages/devicebound/#";

fn message(topic: &str, id: u16) -> Packet {
    let mut publish = Publish::new(topic, QoS::AtLeastOnce, "1");
    publish.pkid = id;
    Packet::Publish(publish)
}

/// A device with all subscriptions, at a hub with these faults.
async fn broken(profile: &str) -> (Stage, Device) {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    device.subscribe(&[METHODS, TWIN_RESPONSES, BOUND]).await;
    stage.break_with(profile);
    (stage, device)
}

/// What a device sees of an operation that it began.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// Answered once, at once.
    Once,
    /// Answered once, so many seconds later.
    Late(u64),
    /// Answered with this status.
    Status(u16),
    /// Not within a minute.
    Never,
    /// The connection ended.
    Ended,
}

/// Hears one answer, and no second one.
async fn seen(device: &mut Device, start: Instant) -> Seen {
    let first = tokio::time::timeout(50 * SECOND, device.connection.read()).await;
    let Ok(read) = first else { return Seen::Never };
    let Ok(Some(first)) = read else { return Seen::Ended };
    let late = start.elapsed().as_secs();
    device.hears_nothing().await;
    match first.packet {
        Packet::Publish(answer) if !answer.topic.contains("/res/20") => {
            Seen::Status(answer.topic.split('/').nth(3).unwrap().parse().unwrap())
        }
        _ if late > 0 => Seen::Late(late),
        _ => Seen::Once,
    }
}

#[tokio::test(start_paused = true)]
async fn messages_with_each_fault() {
    for (fault, wanted, taken) in [
        ("{}", Seen::Once, 1),
        ("answers_late: { on: telemetry, by: 5s }", Seen::Late(5), 1),
        ("cuts: { on: telemetry, how: reset }", Seen::Ended, 0),
        ("cuts: { on: telemetry, how: close }", Seen::Ended, 0),
        ("cuts: { on: telemetry, how: silence }", Seen::Never, 0),
        ("drops_reply: { on: telemetry }", Seen::Never, 1),
        ("rejects: { on: telemetry, status: 429 }", Seen::Ended, 0),
        ("stalls: { on: telemetry, takes: 20s }", Seen::Late(20), 1),
        ("slow: { rate: 1000 }", Seen::Once, 1),
        ("slices: {}", Seen::Once, 1),
        ("drops_reply: { on: twin }", Seen::Once, 1),
        ("drops_reply: { on: telemetry, devices: e }", Seen::Once, 1),
    ] {
        let (stage, mut device) = broken(fault).await;
        let start = Instant::now();
        device.send(&message(EVENTS, 9)).await;
        assert_eq!(seen(&mut device, start).await, wanted, "{fault}");
        assert_eq!(stage.telemetry().len(), taken, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn twin_requests_with_each_fault() {
    let patch = "$iothub/twin/PATCH/properties/reported/?$rid=1";
    for (fault, wanted, patched) in [
        ("{}", Seen::Once, 1),
        ("answers_late: { on: twin, by: 5s }", Seen::Late(5), 1),
        ("cuts: { on: twin }", Seen::Ended, 0),
        ("cuts: { on: twin, how: silence }", Seen::Never, 0),
        ("drops_reply: { on: twin }", Seen::Never, 1),
        ("rejects: { on: twin, status: 503 }", Seen::Status(503), 0),
        ("stalls: { on: twin, takes: 20s }", Seen::Late(20), 1),
        ("slices: {}", Seen::Once, 1),
        ("rejects: { on: telemetry, status: 429 }", Seen::Once, 1),
    ] {
        let (stage, mut device) = broken(fault).await;
        let start = Instant::now();
        device.publish(patch, b"{}").await;
        assert_eq!(seen(&mut device, start).await, wanted, "{fault}");
        assert_eq!(stage.hub.backing.patches.lock().unwrap().len(), patched, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn methods_with_each_fault() {
    let (gone, late) = (Err(ErrorCode::CONNECTION_CLOSED_REMOTELY), Err(ErrorCode::GATEWAY_TIMEOUT));
    for (fault, wanted, seconds) in [
        ("{}", Ok(200), 0),
        ("answers_late: { on: methods, by: 2s }", Ok(200), 2),
        ("answers_late: { on: methods, by: 7s }", late, 5),
        ("cuts: { on: methods, how: reset }", gone, 0),
        ("cuts: { on: methods, how: silence }", late, 5),
        ("drops_reply: { on: methods }", late, 5),
        ("stalls: { on: methods, takes: 20s }", Ok(200), 0),
        ("slices: {}", Ok(200), 0),
        ("slow: { rate: 100 }", Ok(200), 0),
    ] {
        let (stage, mut device) = broken(fault).await;
        let start = Instant::now();
        let call = stage.call("d", "{}", 0);
        let asked = device.receive_publish().await;
        let rid = asked.topic.split("rid=").nth(1).unwrap().to_owned();
        device.publish(&format!("$iothub/methods/res/200/?$rid={rid}"), b"1").await;
        let outcome = call.await.unwrap().map(|reply| reply.status).map_err(|error| error.code);
        assert_eq!(outcome, wanted, "{fault}");
        assert_eq!(start.elapsed().as_secs(), seconds, "{fault}: {:?}", start.elapsed());
        assert_eq!(stage.exchange().waiting(&identity("d")), 0, "{fault}");
    }
}

fn message_waits(stage: &Stage) {
    let topic = "devices/d/messages/devicebound/a=b";
    let delivery = Delivery { sequence: 7, topic: topic.into(), body: vec![7; 3].into(), again: false };
    stage.hub.backing.messages.lock().unwrap().push(delivery);
    stage.exchange().message_waits(&identity("d"));
}

#[tokio::test(start_paused = true)]
async fn messages_for_the_device_with_each_fault() {
    for (fault, times, seconds) in [
        ("{}", 1, 0),
        ("answers_late: { on: c2d, by: 5s }", 1, 5),
        ("duplicates: {}", 2, 0),
        ("stalls: { on: c2d, takes: 20s }", 1, 20),
        ("cuts: { on: c2d }", 0, 0),
        ("cuts: { on: c2d, how: silence }", 0, 0),
        ("slices: {}", 1, 0),
    ] {
        let (stage, mut device) = broken(fault).await;
        let start = Instant::now();
        message_waits(&stage);
        let mut heard: Vec<Publish> = Vec::new();
        while let Ok(Ok(Some(incoming))) = tokio::time::timeout(30 * SECOND, device.connection.read()).await {
            let Packet::Publish(publish) = incoming.packet else { panic!("{:?}", incoming.packet) };
            assert!(
                heard.is_empty() || publish.dup && publish.pkid == heard[0].pkid,
                "{fault}: a second one is marked"
            );
            assert_eq!(start.elapsed().as_secs(), seconds, "{fault}");
            heard.push(publish);
        }
        assert_eq!(heard.len(), times, "{fault}");
        if let Some(first) = heard.first() {
            for _ in 0..2 {
                device.send(&Packet::PubAck(PubAck { pkid: first.pkid })).await;
            }
            device.ping().await;
        }
        // What was not acknowledged is the state's to give to the next connection.
        assert_eq!(stage.hub.backing.held.lock().unwrap().len(), usize::from(times == 0), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_acknowledgement_brings_the_message_again_and_marked() {
    let (stage, mut device) = broken("drops_reply: { on: c2d, times: 1 }").await;
    message_waits(&stage);
    let first = device.receive_publish().await;
    device.send(&Packet::PubAck(PubAck { pkid: first.pkid })).await;
    // Pings keep the connection alive until the message's lock is over.
    let again = loop {
        device.send(&Packet::PingReq).await;
        match device.receive().await {
            Packet::Publish(again) => break again,
            _ => tokio::time::sleep(10 * SECOND).await,
        }
    };
    assert!(again.dup && again.pkid == first.pkid);
    device.send(&Packet::PubAck(PubAck { pkid: again.pkid })).await;
    settle().await;
    assert_eq!(stage.hub.backing.held.lock().unwrap().len(), 0);
    assert_eq!(stage.shown(), ["drops_reply: its acknowledgement of a message is answered, and the answer gets lost"]);
}

#[tokio::test(start_paused = true)]
async fn logins_with_each_fault() {
    for (fault, code, seconds) in [
        ("{}", Some(ConnectReturnCode::Success), 0),
        ("answers_late: { on: connect, by: 5s }", Some(ConnectReturnCode::Success), 5),
        ("stalls: { on: connect, takes: 20s }", Some(ConnectReturnCode::Success), 20),
        ("slices: {}", Some(ConnectReturnCode::Success), 0),
        ("rejects: { on: connect, code: 3 }", Some(ConnectReturnCode::ServiceUnavailable), 0),
        ("rejects: { on: connect, code: 5 }", Some(ConnectReturnCode::NotAuthorized), 0),
        ("cuts: { on: connect, how: reset }", None, 0),
        ("cuts: { on: connect, how: close }", None, 0),
        ("cuts: { on: connect, how: silence }", None, 60),
        ("cuts: { for: 1m }", None, 0),
    ] {
        let stage = Stage::new();
        stage.break_with(fault);
        let (mut device, start) = (stage.dial(), Instant::now());
        device.send(&Packet::Connect(connect("d"))).await;
        let answer = tokio::time::timeout(70 * SECOND, device.connection.read()).await.expect("an end");
        let answer = answer.ok().flatten().map(|incoming| match incoming.packet {
            Packet::ConnAck(answer) => answer.code,
            other => panic!("{other:?}"),
        });
        assert_eq!((answer, start.elapsed().as_secs()), (code, seconds), "{fault}");
        settle().await;
        let inside = usize::from(code == Some(ConnectReturnCode::Success));
        assert_eq!(stage.exchange().connected(), inside, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_begins_and_ends_when_it_should() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    let mut other = stage.device("e").await;
    stage.keep_time();
    let start = Instant::now();
    stage.break_with("cuts: { devices: d, after: 10s, for: 20s }");
    device.until_closed().await;
    assert_eq!(start.elapsed().as_secs(), 10);
    let mut early = stage.dial();
    early.send(&Packet::Connect(connect("d"))).await;
    early.until_closed().await;
    other.ping().await;
    tokio::time::sleep(20 * SECOND).await;
    stage.device("d").await.ping().await;
    assert!(stage.hub.faults.none(), "it is over");
    assert_eq!(stage.shown(), ["cuts: its connection ends with a reset", "cuts: its connection ends with a reset"]);
}

#[tokio::test(start_paused = true)]
async fn a_silence_ends_with_the_keep_alive_or_when_it_is_cleared() {
    let (stage, mut device) = broken("cuts: { how: silence }").await;
    assert!(stage.hub.faults.none(), "one blow");
    assert_eq!(device.until_closed().await.as_secs(), 90, "one and a half times its keep-alive");
    let (stage, mut device) = broken("cuts: { how: silence }").await;
    device.send(&Packet::PingReq).await;
    device.hears_nothing().await;
    stage.hub.faults.clear(None, stage.exchange());
    assert_eq!(device.receive().await, Packet::PingResp);
}

#[tokio::test(start_paused = true)]
async fn a_slow_line_is_slow_and_recovers() {
    let (stage, mut device) = broken("slow: { rate: 100 }").await;
    let start = Instant::now();
    device.publish_acknowledged(EVENTS, &[7; 2_000]).await;
    assert!((19..22).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    stage.hub.faults.clear(Some(1), stage.exchange());
    let start = Instant::now();
    device.publish_acknowledged(EVENTS, &[7; 2_000]).await;
    assert!(start.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_token_can_end_early() {
    let stage = Stage::new();
    stage.break_with("early_expiry: { takes: 30s, times: 1 }");
    let mut device = stage.device("d").await;
    // The wall clock stands still by itself here.
    let wall = stage.hand.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(SECOND).await;
            wall.advance(SECOND);
        }
    });
    let lived = device.until_closed().await.as_secs();
    assert!((29..=32).contains(&lived), "{lived}");
    assert_eq!(stage.endings(), ["its token expired"]);
    stage.device("d").await.ping().await;
}

const FAULT: &str = "AzIoTHub_FaultOperationType";

fn wish(name: &str, delay: u32, lasts: u32) -> String {
    format!(
        "{EVENTS}{FAULT}={name}&AzIoTHub_FaultOperationCloseReason=boom\
         &AzIoTHub_FaultOperationDelayInSecs={delay}&AzIoTHub_FaultOperationDurationInSecs={lasts}"
    )
}

#[tokio::test(start_paused = true)]
async fn a_device_asks_for_its_own_end() {
    for (name, refused) in
        [("KillTcp", None), ("ShutDownMqtt", None), ("InvokeAuthError", Some(ConnectReturnCode::NotAuthorized))]
    {
        let stage = Stage::new();
        stage.keep_time();
        let (mut device, mut other) = (stage.device("d").await, stage.device("e").await);
        let start = Instant::now();
        device.send(&message(&wish(name, 2, 10), 9)).await;
        // No acknowledgement comes before the end, as at the service.
        assert_eq!(device.until_closed().await.as_secs(), 2, "{name}");
        other.ping().await;
        let mut early = stage.dial();
        early.send(&Packet::Connect(connect("d"))).await;
        let answer = early.connection.read().await.ok().flatten();
        let code = answer.map(|incoming| match incoming.packet {
            Packet::ConnAck(answer) => answer.code,
            other => panic!("{other:?}"),
        });
        assert_eq!(code, refused, "{name}");
        tokio::time::sleep_until(start + 13 * SECOND).await;
        let mut back = stage.device("d").await;
        // What was not acknowledged is sent again, and does not do it again.
        back.send(&message(&wish(name, 2, 10), 9)).await;
        assert_eq!(back.receive().await, Packet::PubAck(PubAck { pkid: 9 }));
        tokio::time::sleep(5 * SECOND).await;
        back.ping().await;
        assert_eq!(stage.telemetry().len(), 0);
        // Asked for anew, it happens anew.
        back.send(&message(&wish(name, 2, 10), 10)).await;
        assert_eq!(back.until_closed().await.as_secs(), 2, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_asks_to_be_throttled() {
    for (name, status, code) in
        [("InvokeThrottling", 429, Some(ConnectReturnCode::ServiceUnavailable)), ("InvokeMaxMessageQuota", 403, None)]
    {
        let stage = Stage::new();
        stage.keep_time();
        let mut device = stage.device("d").await;
        device.subscribe(&[TWIN_RESPONSES]).await;
        device.send(&message(&wish(name, 2, 10), 9)).await;
        assert_eq!(device.receive().await, Packet::PubAck(PubAck { pkid: 9 }), "nothing ends by it");
        device.publish_acknowledged(EVENTS, b"1").await;
        tokio::time::sleep(3 * SECOND).await;
        device.publish("$iothub/twin/GET/?$rid=1", b"").await;
        assert_eq!(device.receive_publish().await.topic, format!("$iothub/twin/res/{status}/?$rid=1"));
        device.send(&message(EVENTS, 10)).await;
        device.until_closed().await;
        let mut early = stage.dial();
        let wanted = code.unwrap_or(ConnectReturnCode::Success);
        assert_eq!(early.hello(&connect("d")).await.code, wanted, "{name}");
        tokio::time::sleep(10 * SECOND).await;
        stage.device("d").await.publish_acknowledged(EVENTS, b"2").await;
        assert_eq!(stage.telemetry().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn wishes_that_cannot_be_are_messages_like_others() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    for (bag, said) in [
        (
            format!("{FAULT}=KillAmqpSession"),
            "it asks for a fault that cannot be: `KillAmqpSession` is a fault of AMQP",
        ),
        (format!("{FAULT}=Boom"), "`Boom` is no fault"),
        (format!("{FAULT}=KillTcp&AzIoTHub_FaultOperationDelayInSecs=soon"), "whole seconds"),
    ] {
        device.publish_acknowledged(&format!("{EVENTS}{bag}"), b"1").await;
        assert!(stage.shown().last().unwrap().contains(said), "{:?}", stage.shown());
    }
    assert_eq!(stage.telemetry().len(), 3);
    assert!(stage.hub.faults.none());
}
