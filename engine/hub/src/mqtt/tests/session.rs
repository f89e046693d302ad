//! Kept sessions, subscriptions, takeover, telemetry and the will, one by one.

use std::time::Duration;

use net::mqtt::{LastWill, Packet, Publish, QoS, SubscribeReasonCode};
use wire::limits::D2C_BYTES;

use super::stage::{DESIRED, EVENTS, METHODS, Stage, TWIN_RESPONSES, connect, identity, settle};

const GRANTED: SubscribeReasonCode = SubscribeReasonCode::Success(QoS::AtLeastOnce);
const REFUSED: SubscribeReasonCode = SubscribeReasonCode::Failure;

#[tokio::test(start_paused = true)]
async fn a_kept_session_needs_no_second_subscribe() {
    let stage = Stage::new();
    let mut device = stage.dial();
    assert!(!device.hello(&connect("d")).await.session_present);
    device.subscribe(&[METHODS, DESIRED]).await;
    drop(device);
    settle().await;

    let mut again = stage.dial();
    assert!(again.hello(&connect("d")).await.session_present);
    stage.exchange().desired(&identity("d"), 4, &r#"{"a":1,"$version":4}"#.into());
    let notified = again.receive_publish().await;
    assert_eq!(notified.topic, "$iothub/twin/PATCH/properties/desired/?$version=4");
    let call = stage.call("d", "", 0);
    assert_eq!(again.receive_publish().await.topic, "$iothub/methods/POST/reboot/?$rid=1");
    again.publish("$iothub/methods/res/200/?$rid=1", b"").await;
    assert_eq!(call.await.unwrap().unwrap().status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_clean_session_forgets_the_kept_one_and_leaves_none() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    device.subscribe(&[DESIRED]).await;
    let mut clean = connect("d");
    clean.clean_session = true;
    let mut second = stage.dial();
    assert!(!second.hello(&clean).await.session_present);
    stage.exchange().desired(&identity("d"), 2, &"{}".into());
    second.hears_nothing().await;
    second.subscribe(&[DESIRED]).await;
    assert!(stage.hub.backing.sessions.lock().unwrap().is_empty());
    let mut third = stage.dial();
    assert!(!third.hello(&connect("d")).await.session_present);
    stage.exchange().desired(&identity("d"), 3, &"{}".into());
    third.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_subscribe_is_answered_filter_by_filter_and_stored_only_when_it_changes_something() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    let all = ["devices/d/messages/devicebound/#", TWIN_RESPONSES, DESIRED, METHODS, "devices/d/modules/m/inputs/#"];
    assert_eq!(device.subscribe(&all).await, [GRANTED, GRANTED, GRANTED, GRANTED, REFUSED]);
    let stored = *stage.hub.backing.stored.lock().unwrap();
    assert_eq!(device.subscribe(&[METHODS, METHODS, "#"]).await, [GRANTED, GRANTED, REFUSED]);
    assert_eq!(*stage.hub.backing.stored.lock().unwrap(), stored);
    device.unsubscribe(&[METHODS, "never/subscribed"]).await;
    assert_eq!(*stage.hub.backing.stored.lock().unwrap(), stored + 1);
    assert_eq!(stage.call("d", "", 0).await.unwrap().unwrap_err().code.0, 404_103);
}

#[tokio::test(start_paused = true)]
async fn the_newer_connection_wins_and_the_older_ones_end_does_not_touch_it() {
    let stage = Stage::new();
    let mut old = stage.device("d").await;
    old.subscribe(&[METHODS]).await;
    let call = stage.call("d", "", 0);
    old.receive_publish().await;
    let mut new = stage.dial();
    assert!(new.hello(&connect("d")).await.session_present);
    assert_eq!(call.await.unwrap().unwrap_err().code.0, 400_027, "a call on the old connection");
    assert_eq!(stage.endings(), ["it connected again"], "the old one ended before the new one was welcomed");
    old.until_closed().await;
    settle().await;
    assert!(stage.exchange().is_connected(&identity("d")));
    let expected = [true, true].map(|on| ("d".to_owned(), on));
    assert_eq!(stage.hub.backing.comings_and_goings(), expected, "never noted as gone");
    let call = stage.call("d", "", 0);
    assert_eq!(new.receive_publish().await.topic, "$iothub/methods/POST/reboot/?$rid=1", "a counter per connection");
    new.publish("$iothub/methods/res/200/?$rid=1", b"1").await;
    assert!(call.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn of_many_connections_at_once_one_remains() {
    let stage = Stage::new();
    let mut devices = Vec::new();
    for _ in 0..10 {
        let mut device = stage.dial();
        device.connection.queue(&Packet::Connect(connect("d"))).unwrap();
        device.connection.flush().await.unwrap();
        devices.push(device);
    }
    settle().await;
    let mut open = 0;
    for device in &mut devices {
        device.connection.queue(&Packet::PingReq).unwrap();
        let mut answered = false;
        while let Ok(Ok(Some(incoming))) =
            tokio::time::timeout(Duration::from_millis(50), device.connection.read()).await
        {
            answered |= incoming.packet == Packet::PingResp;
        }
        open += usize::from(answered);
    }
    assert_eq!((open, stage.exchange().connected()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn telemetry_is_acknowledged_and_carries_its_flags() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    device.publish_acknowledged("devices/d/messages/events/%24.ct=application%2Fjson&a=b", b"{}").await;
    let mut flagged = Publish::new("devices/d/messages/events", QoS::AtLeastOnce, "x");
    (flagged.dup, flagged.retain, flagged.pkid) = (true, true, 7);
    device.send(&Packet::Publish(flagged)).await;
    device.receive().await;
    device.publish(EVENTS, b"quality 0").await;
    device.ping().await;
    let heard = stage.telemetry();
    let bags: Vec<String> = heard.iter().map(|one| one.properties.to_string()).collect();
    assert_eq!(bags, ["%24.ct=application%2Fjson&a=b", "mqtt-retain=true&mqtt-dup=true", ""]);
    assert_eq!(heard[2].body.as_ref(), b"quality 0");
    let stamps: Vec<_> = heard[0].stamps().into_iter().map(|(name, _)| name).collect();
    let names = ["device-id", "auth-generation-id", "auth-method"].map(|name| format!("iothub-connection-{name}"));
    assert_eq!(stamps[..3], names);
}

#[tokio::test(start_paused = true)]
async fn what_iot_hub_does_not_take_closes_the_connection() {
    let big = vec![b'x'; D2C_BYTES + 1];
    for (topic, payload) in [
        ("devices/other/messages/events/", &b"x"[..]),
        ("devices/d/modules/m/messages/events/", b"x"),
        ("devices/d/messages/events/a b=c", b"x"),
        ("devices/d/messages/devicebound/", b"x"),
        ("devices/D/messages/events/", b"x"),
        ("$iothub/twin/PATCH/properties/desired/?$version=1", b"{}"),
        ("$iothub/methods/POST/reboot/?$rid=1", b"{}"),
        ("$iothub/twin/GET/", b""),
        ("$iothub/twin/POST/?$rid=1", b""),
        ("$SYS/broker/uptime", b""),
        ("a/b/c", b""),
        (EVENTS, &big),
    ] {
        let stage = Stage::new();
        let mut device = stage.dial_through(1024 * 1024);
        device.hello(&connect("d")).await;
        device.publish(topic, payload).await;
        device.until_closed().await;
        let endings = stage.endings();
        assert!(endings.len() == 1 && endings[0].starts_with("it was dropped: "), "{topic}: {endings:?}");
        assert!(stage.telemetry().is_empty(), "{topic}");
    }
}

#[tokio::test(start_paused = true)]
async fn quality_2_closes_the_connection() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    let mut publish = Publish::new(EVENTS, QoS::ExactlyOnce, "x");
    publish.pkid = 1;
    device.send(&Packet::Publish(publish)).await;
    device.until_closed().await;
    assert_eq!(stage.endings(), ["it was dropped: it published with quality of service 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_will_speaks_for_the_dead_and_not_for_those_who_said_goodbye() {
    let mut hello = connect("d");
    hello.last_will = Some(LastWill {
        topic: format!("{EVENTS}why=lost"),
        message: "gone".into(),
        qos: QoS::AtLeastOnce,
        retain: false,
    });
    for (name, spoken) in [("goodbye", 0), ("lost", 1), ("silent", 1), ("replaced", 1), ("broke", 1), ("stopped", 1)] {
        let stage = Stage::new();
        let mut device = stage.dial();
        device.hello(&hello).await;
        let mut second = stage.dial();
        match name {
            "goodbye" => device.send(&Packet::Disconnect).await,
            "lost" => drop(device),
            "silent" => tokio::time::sleep(Duration::from_secs(100)).await,
            "replaced" => assert!(second.hello(&connect("d")).await.session_present),
            "broke" => device.publish("a/b/c", b"").await,
            _ => stage.exchange().stop(),
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        let heard = stage.telemetry();
        assert_eq!(heard.len(), spoken, "{name}");
        for will in heard {
            assert_eq!(will.properties.to_string(), "why=lost&iothub-MessageType=Will");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_task_panics_leaves_no_ghost() {
    let stage = Stage::new();
    let mut device = stage.device(super::fake::BOMB).await;
    device.subscribe(&[TWIN_RESPONSES, METHODS]).await;
    let call = stage.call(super::fake::BOMB, "", 0);
    device.receive_publish().await;
    device.publish("$iothub/twin/GET/?$rid=1", b"").await;
    device.until_closed().await;
    assert_eq!(call.await.unwrap().unwrap_err().code.0, 404_104);
    assert_eq!(stage.exchange().connected(), 0);
    stage.device(super::fake::BOMB).await;
}
