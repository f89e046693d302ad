//! Every other function of `device`, by table.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::rig::{Rig, on_lane};
use crate::link::fake::Did;
use crate::link::{Inbound, Outbound};

async fn value(body: &str) -> (i32, Value) {
    let text = format!("on_method('go', |device, request| {{ {body} }});");
    let mut rig = Rig::up(&text, json!({"a": {"b": 1}, "list": [1]})).await;
    rig.ask("go", "null").await
}

#[tokio::test(start_paused = true)]
async fn values_of_the_device() {
    on_lane(async {
        for (body, expected) in [
            ("device.id", json!("sim-1")),
            ("`${device}`", json!("sim-1")),
            ("device.boot_id.len", json!(36)),
            ("device.desired()", json!({"a": {"b": 1}, "list": [1]})),
            ("device.desired().a.b", json!(1)),
            ("device.desired().a.none.at.all", json!(null)),
            ("device.reported()", json!({"old": 1})),
            ("device.state.n", json!(null)),
            ("device.state.n = 1; device.state.n += 2; device.state.n", json!(3)),
            ("device.state.m = #{ x: #{ y: 1 } }; device.state.m.x.y += 1; device.state.m", json!({"x": {"y": 2}})),
            ("device.state['odd key'] = [1]; device.state['odd key'].push(2); device.state.to_map()", json!({"odd key": [1, 2]})),
            ("device.state.a = 1; device.state.b = 2; device.state.a = (); device.state.keys()", json!(["b"])),
            ("device.state.a = 1; [device.state.contains('a'), device.state.contains('b'), device.state.remove('a'), device.state.contains('a')]", json!([true, false, 1, false])),
            ("device.state = #{ a: 1 }; `${device.state}`", json!("{\"a\":1}")),
            ("let s = device.state; s.n = 5; device.state.n", json!(5)),
        ] {
            assert_eq!(value(body).await, (200, expected), "{body}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn slips_are_named() {
    on_lane(async {
        for (body, word) in [
            ("ack(1)", "belongs in on_desired"),
            ("device.state = 5", "the state is a map"),
            ("let t = 'x'; t.pad(70000, 'x'); device.state.t = t", "larger than 64 KiB"),
            ("device.report(5)", "report"),
            ("device.every('t', 'soon', |device| 1)", "`soon` is not a duration"),
            ("device.every('t', -1, |device| 1)", "is no duration"),
            ("let t = 'x'; t.pad(300000, 'x'); device.send(t)", "at most 256 KiB"),
            ("on_method('x', |d, r| 1)", "top level"),
        ] {
            let (status, payload) = value(body).await;
            assert_eq!(status, 500, "{body}");
            assert!(payload["error"].as_str().is_some_and(|text| text.contains(word)), "{body}: {payload}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn messages_wait_for_the_hubs_word_and_survive_a_cut() {
    on_lane(async {
        let text = "on_method('go', |device, request| { device.send(#{ t: 21.5 }, #{ level: 'info', n: 3 }); print('sent'); 1 });";
        let mut rig = Rig::up(text, json!({})).await;
        rig.call("go", "");
        let Did::Sent(Outbound::Message { message, ticket }) = rig.did().await else { panic!() };
        let (bag, id) = message.properties.to_string().split_once("&%24.mid=").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        assert_eq!(bag, "%24.ct=application%2Fjson&%24.ce=utf-8&level=info&n=3");
        assert_eq!(message.body, b"{\"t\":21.5}");
        assert!(id.ends_with("-1") && !message.again);
        rig.silent().await;
        rig.say(Inbound::Acknowledged(ticket));
        assert_eq!(rig.reply().await.1, 200);

        rig.call("go", "");
        let Did::Sent(Outbound::Message { message: first, .. }) = rig.did().await else { panic!() };
        rig.cut();
        rig.settle().await;
        assert_eq!(rig.said(), ["sent", "sent"], "nobody waits for a line that is gone");
        rig.connect(1, json!({})).await;
        let Did::Sent(Outbound::Message { message, ticket }) = rig.did().await else { panic!() };
        assert_eq!((message.properties, message.again), (first.properties, true), "marked, and with its id");
        rig.say(Inbound::Acknowledged(ticket));
        rig.settle().await;
        assert_eq!(rig.lane.counters.snapshot(false).messages, 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn bodies_are_text_bytes_or_json() {
    on_lane(async {
        for (body, sent, kind) in
            [("'plain'", &b"plain"[..], ""), ("blob(2, 7)", &[7, 7], ""), ("[1, ()]", b"[1,null]", "application/json")]
        {
            let mut rig = Rig::up(&format!("on_method('go', |device, request| device.send({body}));"), json!({})).await;
            rig.call("go", "");
            let Did::Sent(Outbound::Message { message, .. }) = rig.did().await else { panic!() };
            assert_eq!((message.body.as_slice(), message.properties.get("$.ct").unwrap_or("")), (sent, kind));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_is_asked_of_the_line() {
    on_lane(async {
        let mut rig = Rig::up("on_method('go', |device, request| { device.reconnect(); 1 });", json!({})).await;
        assert_eq!(rig.ask("go", "").await.0, 200);
        assert!(matches!(rig.did().await, Did::Reconnect(_, Duration::ZERO)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn calls_side_by_side_do_not_undo_each_others_state() {
    on_lane(async {
        let text = "on_method('go', |device, request| { device.state[request.payload] = 1; sleep(5); device.state[request.payload] += 1; device.state.to_map() });";
        let mut rig = Rig::up(text, json!({})).await;
        rig.call("go", "\"a\"");
        rig.call("go", "\"b\"");
        rig.reply().await;
        assert_eq!(rig.reply().await.2, json!({"a": 2, "b": 2}));
        sleep(Duration::from_secs(1)).await;
    })
    .await;
}
