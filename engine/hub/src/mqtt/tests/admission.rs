//! Who is let in, and with which code the others are turned away.

use std::time::Duration;

use net::mqtt::{ConnectReturnCode, LastWill, Login, Packet, QoS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::stage::{EVENTS, Stage, connect, settle};
use crate::seam::Backing;

#[tokio::test(start_paused = true)]
async fn everything_permanent_is_refused_with_5() {
    let stage = Stage::new();
    let mut cases = Vec::new();
    let mut case = |name: &'static str, change: &dyn Fn(&mut net::mqtt::Connect)| {
        let mut hello = connect("d");
        change(&mut hello);
        cases.push((name, hello));
    };
    let user = |user: &str| Some(Login::new(user, super::fake::PASSWORD));
    case("a wrong password", &|hello| hello.login.as_mut().unwrap().password = "guess".to_owned());
    case("no password", &|hello| hello.login.as_mut().unwrap().password.clear());
    case("no user name", &|hello| hello.login = None);
    case("a user name that is none", &|hello| hello.login = user("admin"));
    case("a user name with a raw slash too many", &|hello| hello.login = user("h/d/?api-version=1&x=a/b"));
    case("another's clientId", &|hello| hello.client_id = "other".to_owned());
    case("a clientId in other letters", &|hello| hello.client_id = "D".to_owned());
    case("an empty clientId", &|hello| hello.client_id.clear());
    case("a module's clientId for a device", &|hello| hello.client_id = "d/m".to_owned());
    let will = |topic: &str, qos| Some(LastWill { topic: topic.to_owned(), message: "x".into(), qos, retain: false });
    case("a will for another", &|hello| hello.last_will = will("devices/e/messages/events/", QoS::AtMostOnce));
    case("a will that is no telemetry", &|hello| hello.last_will = will("$iothub/twin/GET/?$rid=1", QoS::AtMostOnce));
    case("a will of quality 2", &|hello| hello.last_will = will(EVENTS, QoS::ExactlyOnce));
    let count = cases.len();
    for (name, hello) in cases {
        let mut device = stage.dial();
        let answer = device.hello(&hello).await;
        assert_eq!((answer.code, answer.session_present), (ConnectReturnCode::NotAuthorized, false), "{name}");
        assert!(device.until_closed().await < Duration::from_secs(3), "{name}");
    }
    assert_eq!(stage.refusals().len(), count);
    assert_eq!(stage.exchange().connected(), 0);
    assert!(stage.refusals().iter().all(|reason| !reason.contains(super::fake::PASSWORD)));
}

#[tokio::test(start_paused = true)]
async fn another_version_of_mqtt_is_told_so() {
    for hello in [&b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01d"[..], b"\x10\x0f\0\x06MQIsdp\x03\x02\0\x3c\0\x01d"] {
        let stage = Stage::new();
        let (mut near, far) = tokio::io::duplex(1024);
        let hub = std::sync::Arc::clone(&stage.hub);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        let refused = tokio::spawn(async move {
            super::super::door::greet(&hub, far, std::sync::Arc::default(), None, None, deadline).await.is_none()
        });
        near.write_all(hello).await.unwrap();
        let mut answer = Vec::new();
        near.read_to_end(&mut answer).await.unwrap();
        drop(near);
        assert_eq!(answer, b"\x20\x02\0\x01");
        assert!(refused.await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_begin_with_connect_gets_silence() {
    let stage = Stage::new();
    let mut device = stage.dial();
    device.send(&Packet::PingReq).await;
    assert!(device.connection.read().await.unwrap().is_none());
    let mut garbage = stage.dial();
    garbage.connection.queue_written(b"GET / HTTP/1.1\r\n\r\n");
    assert!(garbage.connection.read().await.unwrap().is_none());
    settle().await;
    assert_eq!(stage.refusals().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn connect_must_come_within_a_minute() {
    let stage = Stage::new();
    let waited = stage.dial().until_closed().await;
    assert_eq!(waited.as_secs(), 60);
    assert_eq!(stage.refusals(), ["it sent no CONNECT in time"]);
}

#[tokio::test(start_paused = true)]
async fn a_second_connect_ends_the_connection() {
    let stage = Stage::new();
    let mut device = stage.device("d").await;
    device.send(&Packet::Connect(connect("d"))).await;
    device.until_closed().await;
    assert_eq!(stage.endings(), ["it was dropped: a second CONNECT"]);
}

#[tokio::test(start_paused = true)]
async fn coming_and_going_is_noted_for_devices_and_modules() {
    let stage = Stage::new();
    let (mut device, mut module) = (stage.device("d").await, stage.device("d/m").await);
    assert_eq!(stage.exchange().connected(), 2);
    device.send(&Packet::Disconnect).await;
    device.until_closed().await;
    drop(module.connection.close().await);
    module.until_closed().await;
    settle().await;
    let noted = [("d", true), ("d/m", true), ("d", false), ("d/m", false)].map(|(id, on)| (id.to_owned(), on));
    assert_eq!(stage.hub.backing.comings_and_goings(), noted);
    assert_eq!(stage.exchange().connected(), 0);
    assert!(stage.hub.backing.load_session(&super::stage::identity("d")).is_some());
}
