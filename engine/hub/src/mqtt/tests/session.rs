//! Kept sessions, subscriptions, takeover, telemetry and the will.

use std::time::Duration;

use net::mqtt::{LastWill, Packet, Publish, QoS, SubscribeReasonCode};
use proptest::prelude::*;
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
            "replaced" => drop(second.hello(&connect("d")).await),
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

/// What two clients may do with one identity, or each with its own.
#[derive(Clone, Debug)]
enum Deed {
    Connect { clean: bool },
    Subscribe(usize),
    Unsubscribe(usize),
    Telemetry,
    Desired,
    Drop,
    Goodbye,
}

fn deeds() -> impl Strategy<Value = Vec<(usize, Deed)>> {
    let deed = prop_oneof![
        3 => any::<bool>().prop_map(|clean| Deed::Connect { clean }),
        3 => (0usize..3).prop_map(Deed::Subscribe),
        1 => (0usize..3).prop_map(Deed::Unsubscribe),
        2 => Just(Deed::Telemetry),
        2 => Just(Deed::Desired),
        1 => Just(Deed::Drop),
        1 => Just(Deed::Goodbye),
    ];
    proptest::collection::vec((0usize..2, deed), 1..40)
}

/// What a session should be, kept beside the hub.
#[derive(Default)]
struct Model {
    device: Option<super::stage::Device>,
    kept: Option<Vec<usize>>,
    clean: bool,
    subscribed: Vec<usize>,
    version: u64,
}

const FILTERS: [&str; 3] = [DESIRED, METHODS, TWIN_RESPONSES];

async fn act(stage: &Stage, id: &str, model: &mut Model, deed: &Deed) -> usize {
    match (deed, &mut model.device) {
        (Deed::Connect { clean }, _) => {
            let mut device = stage.dial();
            let mut hello = connect(id);
            hello.clean_session = *clean;
            let present = device.hello(&hello).await.session_present;
            assert_eq!(present, !clean && model.kept.is_some());
            model.subscribed = if *clean { Vec::new() } else { model.kept.clone().unwrap_or_default() };
            model.kept = (!clean).then(|| model.subscribed.clone());
            (model.clean, model.device) = (*clean, Some(device));
        }
        (Deed::Subscribe(filter), Some(device)) => {
            assert_eq!(device.subscribe(&[FILTERS[*filter]]).await, [GRANTED]);
            if !model.subscribed.contains(filter) {
                model.subscribed.push(*filter);
            }
        }
        (Deed::Unsubscribe(filter), Some(device)) => {
            device.unsubscribe(&[FILTERS[*filter]]).await;
            model.subscribed.retain(|one| one != filter);
        }
        (Deed::Telemetry, Some(device)) => {
            device.publish_acknowledged(&format!("devices/{id}/messages/events/"), b"x").await;
            return 1;
        }
        (Deed::Desired, device) => {
            model.version += 1;
            stage.exchange().desired(&identity(id), model.version, &"{}".into());
            if let Some(device) = device {
                if model.subscribed.contains(&0) {
                    let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={}", model.version);
                    assert_eq!(device.receive_publish().await.topic, topic);
                } else {
                    device.hears_nothing().await;
                }
            }
        }
        (Deed::Goodbye, Some(device)) => {
            device.send(&Packet::Disconnect).await;
            model.device = None;
            settle().await;
        }
        (Deed::Drop, _) => {
            model.device = None;
            settle().await;
        }
        (_, None) => {}
    }
    if !model.clean && model.kept.is_some() {
        model.kept = Some(model.subscribed.clone());
    }
    0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn two_clients_do_what_they_like_and_sessions_stay_right(deeds in deeds(), one_identity: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let stage = Stage::new();
            let mut models = [Model::default(), Model::default()];
            let mut sent = 0;
            for (client, deed) in &deeds {
                // With one identity both clients act through the same session: the later connection is the one that counts.
                let client = if one_identity { 0 } else { *client };
                sent += act(&stage, ["d", "e"][client], &mut models[client], deed).await;
            }
            assert_eq!(stage.telemetry().len(), sent);
            let open = models.iter().filter(|model| model.device.is_some()).count();
            assert_eq!(stage.exchange().connected(), open);
        });
    }
}
