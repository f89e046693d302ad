//! Cloud-to-device messages: what handlers see of them, what becomes of them, and those that no handler gets along with.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::time::{Instant, sleep};
use wire::{PropertyBag, property};

use super::rig::{Rig, habits, load, on_lane};
use crate::event::{HandlerName, HandlerOutcome};
use crate::lane::Habits;
use crate::link::Inbound;
use crate::link::fake::Did;
use crate::memory::MemoryFolder;

const FAILS: &str = "on_message(#{ tries: 3 }, |device, message| { print(`try ${message.delivery}`); throw \"no\"; });";

fn message(id: u16, again: bool, key: &str, body: &[u8]) -> Inbound {
    let mut properties = PropertyBag::default();
    properties.push(property::MESSAGE_ID, key);
    Inbound::Message { id: Some(id), again, properties, body: Bytes::copy_from_slice(body) }
}

async fn listening(text: &str) -> Rig {
    listening_with(text, habits()).await
}

async fn listening_with(text: &str, habits: Habits) -> Rig {
    let mut rig = Rig::with(text, habits);
    rig.connect(1, json!({})).await;
    assert_eq!(rig.did().await, Did::Listen(true));
    rig
}

#[tokio::test(start_paused = true)]
async fn a_handler_sees_all_of_a_message_and_it_is_acknowledged_after_it() {
    on_lane(async {
        let text = r#"on_message(|device, message| {
            sleep(3);
            print(`${message.id} ${message.correlation_id} ${message.to} ${message.expiry} ${message.user_id == ()} ${message.ack}`);
            print(`${message.payload.a} ${message.json.a} ${message.text} ${message.bytes.len()} ${message.content_type}`);
            print(message.properties.to_json());
        });"#;
        let mut rig = listening(text).await;
        let mut properties = PropertyBag::default();
        for (key, value) in [
            (property::MESSAGE_ID, "m1"),
            (property::CORRELATION_ID, "c1"),
            (property::TO, "/devices/d"),
            (property::EXPIRY, "2030-01-01T00:00:00Z"),
            (property::CONTENT_TYPE, "application/json; charset=utf-8"),
            (property::ACK, "full"),
            ("line", "B"),
        ] {
            properties.push(key, value);
        }
        properties.0.push(("bare".into(), None));
        let started = Instant::now();
        rig.say(Inbound::Message { id: Some(7), again: false, properties, body: Bytes::from_static(br#"{"a":1}"#) });
        assert_eq!(rig.did().await, Did::Acknowledge(7));
        assert_eq!(started.elapsed(), Duration::from_secs(3));
        assert_eq!(
            rig.said(),
            [
                "m1 c1 /devices/d 2030-01-01T00:00:00Z true full",
                "1 1 {\"a\":1} 7 application/json; charset=utf-8",
                "{\"bare\":\"\",\"line\":\"B\"}"
            ]
        );
        assert_eq!(rig.outcomes(), [(HandlerName::Message, HandlerOutcome::Done)]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_payload_is_what_its_sender_calls_it() {
    on_lane(async {
        let mut rig = listening("on_message(|device, message| print(`${type_of(message.payload)}`));").await;
        for (kind, body, shown) in [
            ("application/json", &b"[1]"[..], "array"),
            ("application/vnd.x+json", b"{}", "map"),
            ("text/plain", b"[1]", "string"),
            ("", b"[1]", "string"),
            ("", b"\xff\x00", "blob"),
            ("application/octet-stream", b"", "string"),
        ] {
            let mut properties = PropertyBag::default();
            properties.push(property::CONTENT_TYPE, kind);
            rig.say(Inbound::Message { id: Some(1), again: false, properties, body: Bytes::copy_from_slice(body) });
            assert_eq!(rig.did().await, Did::Acknowledge(1));
            assert_eq!(rig.said(), [shown], "{kind} {body:?}");
        }
        // What is called JSON and is none is the handler's to judge, or its failure.
        let text =
            "on_message(#{ tries: 1 }, |device, message| { try { message.payload } catch (e) { print(`${e}`) } });";
        let mut rig = listening(text).await;
        let mut properties = PropertyBag::default();
        properties.push(property::CONTENT_TYPE, "application/json");
        rig.say(Inbound::Message { id: Some(1), again: false, properties, body: Bytes::from_static(b"{") });
        assert_eq!(rig.did().await, Did::Acknowledge(1));
        assert!(rig.said()[0].contains("not JSON"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn messages_come_one_after_the_other_and_one_that_is_abandoned_comes_again_first() {
    on_lane(async {
        let text = r#"on_message(|device, message| {
            print(`${message.text} ${message.delivery}`);
            if message.text == "a" && message.delivery < 3 { abandon(); }
            if message.text == "b" { reject("too late"); }
        });"#;
        let mut rig = listening(text).await;
        let started = Instant::now();
        rig.say(message(1, false, "m1", b"a"));
        rig.say(message(2, false, "m2", b"b"));
        rig.say(message(3, false, "m3", b"c"));
        rig.silent().await;
        // The hub becomes impatient: the same message, no second turn.
        rig.say(message(1, true, "m1", b"a"));
        rig.say(message(9, true, "m1", b"a"));
        for id in [1, 9, 2, 3] {
            assert_eq!(rig.did().await, Did::Acknowledge(id));
        }
        assert_eq!(started.elapsed(), Duration::from_secs(15), "5 s, then 10 s");
        assert_eq!(rig.said(), ["a 1", "a 2", "a 3", "b 1", "c 1"]);
        let faults = rig.faults();
        assert!(faults[0].contains("id m2 was rejected (too late)") && faults.len() == 1, "{faults:?}");
        assert_eq!(rig.device().memory().tries("id m1"), 0, "nothing is counted for ever");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_may_have_been_here_before_says_so() {
    on_lane(async {
        let mut rig = listening("on_message(|device, message| print(`${message.id} ${message.again}`));").await;
        rig.say(message(1, false, "a", b""));
        assert_eq!(rig.did().await, Did::Acknowledge(1));
        rig.say(message(2, true, "b", b""));
        assert_eq!(rig.did().await, Did::Acknowledge(2));
        assert_eq!(rig.said(), ["a false", "b true"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_fails_again_and_again_is_given_up() {
    on_lane(async {
        let mut rig = listening(FAILS).await;
        rig.say(message(1, false, "bad", b"x"));
        assert_eq!(rig.did().await, Did::Acknowledge(1));
        assert_eq!(rig.said(), ["try 1", "try 2", "try 3"]);
        assert!(rig.faults()[0].contains("id bad is given up: on_message was tried 3 times"));
        let status = rig.lane.counters.snapshot(false);
        assert_eq!((status.messages_in, status.messages_given_up), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn tries_are_counted_over_restarts_and_before_the_handler_runs() {
    let temp = tempfile::tempdir().unwrap();
    let kept = || Habits { memory: Some(MemoryFolder::new(temp.path())), ..habits() };
    // Each agent dies while its handler has the message.
    for expected in ["try 1", "try 2", "try 3"] {
        on_lane(async {
            let text = FAILS.replace("throw \"no\"", "sleep(1000)");
            let mut rig = listening_with(&text, kept()).await;
            rig.say(message(1, true, "bad", b"x"));
            let deadline = std::time::Instant::now() + Duration::from_secs(20);
            let mut said = Vec::new();
            while said.is_empty() {
                assert!(std::time::Instant::now() < deadline);
                sleep(Duration::from_millis(5)).await;
                said = rig.said();
            }
            assert_eq!(said, [expected]);
            rig.session.abort();
        })
        .await;
    }
    on_lane(async {
        let mut rig = listening_with(FAILS, kept()).await;
        rig.say(message(4, true, "bad", b"x"));
        assert_eq!(rig.did().await, Did::Acknowledge(4));
        assert!(rig.said().is_empty(), "it is not tried any more");
        assert!(rig.faults()[0].contains("tried 3 times"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_cut_forgets_what_waits_and_not_what_a_handler_has() {
    on_lane(async {
        let mut rig = listening("on_message(|device, message| { print(message.text); sleep(10); });").await;
        rig.say(message(1, false, "m1", b"a"));
        rig.say(message(2, false, "m2", b"b"));
        rig.settle().await;
        rig.cut();
        rig.say(Inbound::Up);
        assert!(matches!(rig.did().await, Did::Sent(_)));
        assert_eq!(rig.did().await, Did::Listen(true));
        // Under other packet ids, as a hub may.
        rig.say(message(2, true, "m1", b"a"));
        rig.say(message(1, true, "m2", b"b"));
        assert_eq!(rig.did().await, Did::Acknowledge(2));
        assert_eq!(rig.did().await, Did::Acknowledge(1));
        assert_eq!(rig.said(), ["a", "b"], "each once");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_a_handler_messages_stay_with_the_hub_until_there_is_one() {
    on_lane(async {
        let mut rig = Rig::up("on_method('x', |device, request| 1);", json!({})).await;
        rig.silent().await;
        // A session of earlier days asked for them.
        rig.say(message(1, false, "m1", b"a"));
        assert_eq!(rig.did().await, Did::Listen(false));
        rig.say(message(2, false, "m2", b"b"));
        rig.silent().await;
        rig.lane.scripts.swap(load("on_message(|device, message| print(message.text));").unwrap());
        crate::fleet::renew_all(&rig.lane).await;
        assert_eq!(rig.did().await, Did::Listen(true));
        rig.say(message(1, true, "m1", b"a"));
        assert_eq!(rig.did().await, Did::Acknowledge(1));
        rig.lane.scripts.swap(load("").unwrap());
        crate::fleet::renew_all(&rig.lane).await;
        assert_eq!(rig.did().await, Did::Listen(false));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_agent_leaves_an_unfinished_message_to_the_hub_and_counts_no_try() {
    on_lane(async {
        let mut rig = listening("on_message(|device, message| { print(message.text); sleep(100); });").await;
        rig.say(message(1, false, "m1", b"a"));
        rig.say(message(2, false, "m2", b"b"));
        rig.settle().await;
        rig.grace.send_replace(Duration::from_secs(5));
        rig.lane.stop.cancel();
        assert_eq!(rig.did().await, Did::Hush);
        assert_eq!(rig.did().await, Did::Closed);
        rig.settle().await;
        assert_eq!(rig.said(), ["a"]);
        assert_eq!(rig.outcomes(), [(HandlerName::Message, HandlerOutcome::Cancelled)]);
    })
    .await;
}

#[test]
fn slips_in_on_message_are_found_at_load() {
    for (text, said) in [
        ("on_message(|device| 1);", "takes 2 parameters"),
        ("on_message(#{ tries: 0 }, |device, message| 1);", "`tries` is a whole number, 1 or more"),
        ("on_message(#{ triess: 1 }, |device, message| 1);", "did you mean `tries`?"),
        ("on_message(|d, m| 1); on_message(|d, m| 2);", "there is an on_message already"),
        ("on_message(1, 2, 3);", "on_message takes"),
    ] {
        let found = load(text).unwrap_err().to_string();
        assert!(found.contains(said), "{text}: {found}");
    }
}
