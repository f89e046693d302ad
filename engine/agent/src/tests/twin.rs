//! The twin: reports until they are taken, desired values in order, and what a lost connection changes.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::rig::{Rig, on_lane};
use crate::event::HandlerOutcome;
use crate::link::Inbound;
use crate::link::Outbound;
use crate::link::fake::Did;

const REPORTS: &str =
    "on_method(\"go\", |device, request| { device.report(request.payload); print('taken'); device.reported() });";

#[tokio::test(start_paused = true)]
async fn a_report_comes_back_when_the_hub_has_it() {
    on_lane(async {
        let mut rig = Rig::up(REPORTS, json!({})).await;
        rig.call("go", "{\"a\":{\"b\":1},\"old\":null}");
        let (rid, patch) = rig.report().await;
        assert_eq!(patch, json!({"a": {"b": 1}, "old": null}));
        rig.silent().await;
        assert!(rig.said().is_empty());
        rig.twin(&rid, 204, &Value::Null);
        assert_eq!(rig.reply().await.2, json!({"a": {"b": 1}}));
        assert_eq!((rig.said(), rig.lane.counters.snapshot(false).reports), (vec!["taken".to_owned()], 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_report_is_the_handlers_error_and_the_twin_is_read_again() {
    on_lane(async {
        let mut rig = Rig::up(REPORTS, json!({})).await;
        rig.call("go", "{\"a\":1}");
        let (rid, _) = rig.report().await;
        let body = json!({"errorCode": 400_004, "trackingId": "x", "message": "no such thing", "timestampUtc": "2026-11-23T13:27:42Z"});
        rig.twin(&rid, 400, &body);
        let Did::Sent(Outbound::TwinGet { rid }) = rig.did().await else { panic!() };
        let (_, status, payload) = rig.reply().await;
        assert_eq!(status, 500);
        assert!(payload["error"].as_str().unwrap().contains("the hub refused the report: no such thing"), "{payload}");
        rig.twin(&rid, 200, &json!({"desired": {"$version": 1}, "reported": {"$version": 4}}));
        rig.settle().await;
        assert!(rig.device().twin.borrow().reported().is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_busy_hub_is_asked_again_later() {
    on_lane(async {
        let mut rig = Rig::up(REPORTS, json!({})).await;
        rig.call("go", "{\"a\":1}");
        let started = Instant::now();
        for pause in [0, 2, 6, 14] {
            let (rid, _) = rig.report().await;
            assert_eq!(started.elapsed(), Duration::from_secs(pause));
            rig.twin(&rid, 429, &Value::Null);
        }
        rig.take_report().await;
        assert_eq!(rig.reply().await.1, 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn reports_outlive_connections_and_merge_while_they_wait() {
    on_lane(async {
        let mut rig = Rig::up(REPORTS, json!({})).await;
        rig.call("go", "{\"a\":1,\"b\":1}");
        rig.report().await;
        rig.cut();
        rig.settle().await;
        assert_eq!(rig.said(), ["taken"], "nobody waits for a line that is gone");
        rig.say(Inbound::Up);
        let Did::Sent(Outbound::TwinGet { rid }) = rig.did().await else { panic!() };
        assert_eq!(rig.take_report().await, json!({"a": 1, "b": 1}));
        rig.twin(&rid, 200, &json!({"desired": {"$version": 1}, "reported": {"$version": 4, "a": 0}}));
        rig.settle().await;
        assert_eq!(rig.lane.counters.snapshot(false).replies_dropped, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reading_of_the_twin_does_not_undo_what_was_not_taken_yet() {
    on_lane(async {
        let mut rig = Rig::up(REPORTS, json!({})).await;
        rig.cut();
        rig.settle().await;
        let patch = serde_json::from_value(json!({"new": 1})).unwrap();
        rig.device().outbox.report(patch).unwrap();
        rig.say(Inbound::Up);
        let Did::Sent(Outbound::TwinGet { rid }) = rig.did().await else { panic!() };
        rig.twin(&rid, 200, &json!({"desired": {"$version": 1}, "reported": {"$version": 4, "old": 0}}));
        rig.settle().await;
        assert_eq!(Value::Object(rig.device().twin.borrow().reported().clone()), json!({"old": 0, "new": 1}));
    })
    .await;
}

const DESIRED: &str = r#"
on_desired("config.interval", |device, value, version| { print(`interval ${value} v${version}`); });
on_desired("*", |device, value, version| { print(`all ${value.keys()} v${version}`); });
on_connect(|device| { print(`connected ${device.desired()}`); });
"#;

#[tokio::test(start_paused = true)]
async fn desired_values_are_told_at_connect_and_on_change() {
    on_lane(async {
        let mut rig = Rig::up(DESIRED, json!({"config": {"interval": 5}})).await;
        rig.settle().await;
        let mut said = rig.said();
        said.sort();
        assert_eq!(said, ["all [\"config\"] v1", "connected #{\"config\": #{\"interval\": 5}}", "interval 5 v1"]);
        rig.say(Inbound::Desired { version: 2, patch: r#"{"other":1,"$version":2}"#.into() });
        rig.settle().await;
        assert_eq!(rig.said(), ["all [\"config\", \"other\"] v2"]);
        rig.say(Inbound::Desired { version: 2, patch: r#"{"other":1,"$version":2}"#.into() });
        rig.settle().await;
        assert!(rig.said().is_empty(), "old");
        rig.say(Inbound::Desired { version: 3, patch: r#"{"config":null,"$version":3}"#.into() });
        rig.settle().await;
        assert_eq!(rig.said(), ["interval  v3", "all [\"other\"] v3"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_missed_change_is_fetched() {
    on_lane(async {
        let mut rig = Rig::up(DESIRED, json!({"config": {"interval": 5}})).await;
        rig.settle().await;
        rig.said();
        rig.say(Inbound::Desired { version: 4, patch: r#"{"x":1,"$version":4}"#.into() });
        let Did::Sent(Outbound::TwinGet { rid }) = rig.did().await else { panic!() };
        rig.twin(&rid, 200, &json!({"desired": {"$version": 4, "x": 1}, "reported": {"$version": 4}}));
        rig.settle().await;
        assert_eq!(rig.said(), ["interval  v4", "all [\"x\"] v4"]);
        rig.cut();
        rig.connect(9, json!({"config": {"interval": 6}})).await;
        let mut said = rig.said();
        said.sort();
        assert_eq!(said[2], "interval 6 v9");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_at_a_time_with_the_newest_value() {
    on_lane(async {
        let text =
            "on_desired('n', |device, value, version| { print(`begin ${value}`); sleep(10); print(`end ${value}`); });";
        let mut rig = Rig::up(text, json!({"n": 1})).await;
        rig.settle().await;
        for version in 2..6u64 {
            rig.say(Inbound::Desired { version, patch: format!("{{\"n\":{version},\"$version\":{version}}}").into() });
        }
        sleep(Duration::from_secs(60)).await;
        assert_eq!(rig.said(), ["begin 1", "end 1", "begin 5", "end 5"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_follows_the_convention() {
    on_lane(async {
        let text = r#"
            on_desired("config.interval", |device, value, version| {
                if value > 60 { ack(value, 400, 'too long'); } else { ack(value); }
            });"#;
        let mut rig = Rig::up(text, json!({"config": {"interval": 30}})).await;
        assert_eq!(rig.take_report().await, json!({"config": {"interval": {"value": 30, "ac": 200, "av": 1}}}));
        rig.say(Inbound::Desired { version: 2, patch: r#"{"config":{"interval":90},"$version":2}"#.into() });
        let expected = json!({"config": {"interval": {"value": 90, "ac": 400, "av": 2, "ad": "too long"}}});
        assert_eq!(rig.take_report().await, expected);
        rig.settle().await;
        assert!(rig.outcomes().iter().all(|(_, outcome)| *outcome == HandlerOutcome::Done));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hub_without_twins_still_gets_a_device() {
    on_lane(async {
        let mut rig = Rig::new(DESIRED);
        rig.say(Inbound::Up);
        let Did::Sent(Outbound::TwinGet { rid }) = rig.did().await else { panic!() };
        rig.twin(&rid, 403, &Value::Null);
        rig.settle().await;
        assert_eq!(rig.said(), ["connected #{}"]);
        assert!(rig.faults()[0].starts_with("the hub does not give the twin"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_deaf_hub_is_left() {
    on_lane(async {
        let mut rig = Rig::new(DESIRED);
        rig.say(Inbound::Up);
        let started = Instant::now();
        assert!(matches!(rig.did().await, Did::Sent(Outbound::TwinGet { .. })));
        assert!(matches!(rig.did().await, Did::Sent(Outbound::TwinGet { .. })));
        assert!(matches!(rig.did().await, Did::Reconnect(why, _) if why.contains("twin")));
        assert_eq!(started.elapsed(), Duration::from_secs(120));
    })
    .await;
}
