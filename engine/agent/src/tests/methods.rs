//! Method calls: answers, errors, modes, deadlines.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::rig::{Rig, habits, load, on_lane};
use crate::config::ErrorDetail;
use crate::event::{HandlerName, HandlerOutcome};
use crate::link::Inbound;
use crate::link::fake::Did;

/// One handler's body, called with this payload: what the caller gets.
async fn answer(body: &str, payload: &str) -> (i32, Value) {
    let mut rig = Rig::up(&format!("on_method(\"go\", |device, request| {{ {body} }});"), json!({})).await;
    rig.ask("go", payload).await
}

#[tokio::test(start_paused = true)]
async fn answers_and_errors() {
    on_lane(async {
        for (body, payload, status, expected) in [
            ("", "", 200, json!(null)),
            ("42", "", 200, json!(42)),
            ("#{ a: [1, \"x\", ()] }", "", 200, json!({"a": [1, "x", null]})),
            ("reply(201, #{ ok: true });", "", 201, json!({"ok": true})),
            ("reply(204); 7", "", 204, json!(null)),
            ("reply(-3, 'x');", "", -3, json!("x")),
            ("request.payload", "{\"x\":1}", 200, json!({"x": 1})),
            ("request.payload", "\"text\"", 200, json!("text")),
            ("request.payload", "null", 200, json!(null)),
            ("request.payload", "", 200, json!(null)),
            (
                "request.payload",
                "{\"x\":",
                400,
                json!({"error": "the payload is not JSON: EOF while parsing a value at line 1 column 5"}),
            ),
            ("request.name + request.id", "", 200, json!("go1")),
            ("request.param(\"n\", 5)", "{\"n\":7}", 200, json!(7)),
            ("request.param(\"n\", 5)", "\"{\\\"n\\\":\\\"42\\\"}\"", 200, json!("42")),
            ("request.param(\"n\", 5)", "{\"n\":null}", 200, json!(5)),
            ("request.param(\"n\", 5)", "", 200, json!(5)),
            ("request.param(\"n\")", "[]", 200, json!(null)),
            ("device.id", "", 200, json!("sim-1")),
            ("now()", "", 200, json!("2026-11-23T13:27:42.118Z")),
            ("throw #{ status: 409, payload: #{ busy: true } };", "", 409, json!({"busy": true})),
            ("throw #{ status: 410 };", "", 410, json!(null)),
            ("throw #{ payload: 1 };", "", 500, json!(1)),
            ("throw 'no';", "", 500, json!({"error": "no", "at": "test.rhai:1:37"})),
            ("throw #{ code: 1 };", "", 500, json!({"error": {"code": 1}, "at": "test.rhai:1:37"})),
            ("throw #{ status: 'x' };", "", 500, json!({"error": {"status": "x"}, "at": "test.rhai:1:37"})),
            (
                "reply(9999999999);",
                "",
                500,
                json!({"error": "a status is a 32-bit number, 9999999999 is not", "at": "test.rhai:1:37"}),
            ),
        ] {
            assert_eq!(answer(body, payload).await, (status, expected), "{body} with {payload}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn other_errors_carry_message_and_place_unless_terse() {
    on_lane(async {
        let text = "on_method(\"go\", |device, request| {\n    let x = 1;\n    x.nothing()\n});";
        let mut rig = Rig::up(text, json!({})).await;
        let (status, payload) = rig.ask("go", "").await;
        assert_eq!((status, &payload["at"]), (500, &json!("test.rhai:3:7")), "{payload}");
        assert!(payload["error"].as_str().unwrap().contains("nothing"), "{payload}");
        rig.settle().await;
        let outcomes = rig.outcomes();
        let [(HandlerName::Method(name), HandlerOutcome::Failed { status: Some(500), finding })] = outcomes.as_slice()
        else {
            panic!("{outcomes:?}")
        };
        assert!(&**name == "go" && finding.to_string().contains("3 |     x.nothing()"), "{finding}");

        let mut rig = Rig::with(text, super::super::lane::Habits { errors: ErrorDetail::Terse, ..habits() });
        rig.connect(1, json!({})).await;
        let (_, payload) = rig.ask("go", "").await;
        assert_eq!(payload.as_object().unwrap().keys().collect::<Vec<_>>(), ["error"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_method_names_the_known_ones() {
    on_lane(async {
        let mut rig = Rig::up(
            "on_method(\"rebootDevice\", |device, request| 1); on_method(\"ping\", |device, request| 1);",
            json!({}),
        )
        .await;
        let (status, payload) = rig.ask("rebootDevic", "").await;
        assert_eq!((status, &payload["methods"]), (404, &json!(["ping", "rebootDevice"])));
        assert_eq!(payload["error"], "no handler for rebootDevic; did you mean rebootDevice?");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_leaves_at_once_and_the_work_goes_on() {
    on_lane(async {
        let text = "on_method(\"go\", |device, request| { reply(200, 'now'); sleep(60); print('done'); reply(500); });";
        let mut rig = Rig::up(text, json!({})).await;
        let started = Instant::now();
        assert_eq!(rig.ask("go", "").await, (200, json!("now")));
        assert_eq!((started.elapsed(), rig.said().len()), (Duration::ZERO, 0));
        sleep(Duration::from_secs(61)).await;
        assert_eq!(rig.said(), ["done"]);
        assert_eq!(rig.faults(), ["go: this call was answered already, with 200 (test.rhai:1:82)"]);
        assert_eq!(rig.outcomes()[0].1, HandlerOutcome::Answered(200));
        assert_eq!(rig.lane.counters.snapshot(false).replies_twice, 1);
        rig.silent().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_error_after_the_reply_is_told_and_counted() {
    on_lane(async {
        let mut rig = Rig::up("on_method(\"go\", |device, request| { reply(202); throw 'late'; });", json!({})).await;
        assert_eq!(rig.ask("go", "").await.0, 202);
        rig.settle().await;
        let outcomes = rig.outcomes();
        assert!(matches!(&outcomes[0].1, HandlerOutcome::FailedLate { status: 202, finding } if finding.message.contains("late")), "{outcomes:?}");
        assert_eq!(rig.lane.counters.snapshot(false).late_failures, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn both_deadlines_hold_and_can_be_set() {
    on_lane(async {
        // Options, sleep; then: seconds until the reply, its status, and what the error names.
        for (options, body, seconds, status, word) in [
            ("", "sleep(600); 1", 300, 504, "no answer within 5m"),
            ("#{ answer: '90s' },", "sleep(600); 1", 90, 504, "no answer within 1m30s"),
            ("#{ answer: '1h', work: 60 },", "sleep(600); 1", 60, 504, "deadline"),
        ] {
            let mut rig =
                Rig::up(&format!("on_method(\"go\", {options} |device, request| {{ {body} }});"), json!({})).await;
            let started = Instant::now();
            let (got, payload) = rig.ask("go", "").await;
            assert_eq!((got, started.elapsed()), (status, Duration::from_secs(seconds)), "{options}");
            assert!(payload["error"].as_str().unwrap().contains(word), "{payload}");
        }
        let mut rig = Rig::up(
            "on_method(\"go\", #{ work: '2m' }, |device, request| { reply(200); sleep(600); print('never'); });",
            json!({}),
        )
        .await;
        rig.ask("go", "").await;
        sleep(Duration::from_secs(1000)).await;
        assert!(rig.said().is_empty());
        assert!(matches!(rig.outcomes()[0].1, HandlerOutcome::FailedLate { status: 200, .. }));
    })
    .await;
}

const SLOW: &str =
    "|device, request| { let n = request.payload; print(`begin ${n}`); sleep(10); print(`end ${n}`); n });";

async fn rig_of_mode(mode: &str) -> Rig {
    Rig::up(&format!("on_method(\"go\", #{{ mode: '{mode}' }}, {SLOW}"), json!({})).await
}

#[tokio::test(start_paused = true)]
async fn parallel_runs_both() {
    on_lane(async {
        let mut rig = rig_of_mode("parallel").await;
        let started = Instant::now();
        rig.call("go", "1");
        rig.call("go", "2");
        assert_eq!((rig.reply().await.2, rig.reply().await.2), (json!(1), json!(2)));
        assert_eq!(started.elapsed(), Duration::from_secs(10));
        assert_eq!(rig.said(), ["begin 1", "begin 2", "end 1", "end 2"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn queued_runs_one_after_the_other_and_bounds_its_queue() {
    on_lane(async {
        let mut rig = rig_of_mode("queued").await;
        for number in 0..18 {
            rig.call("go", &number.to_string());
        }
        let (rid, status, payload) = rig.reply().await;
        assert_eq!((rid.as_str(), status), ("12", 429), "{payload}");
        for number in 0..17 {
            assert_eq!(rig.reply().await.2, json!(number));
        }
        assert_eq!(rig.said()[..4], ["begin 0", "end 0", "begin 1", "end 1"]);
        assert_eq!(rig.ask("go", "99").await.1, json!(99), "and is free again");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn queued_calls_die_with_their_connection() {
    on_lane(async {
        let mut rig = rig_of_mode("queued").await;
        rig.call("go", "1");
        rig.call("go", "2");
        rig.settle().await;
        rig.cut();
        rig.connect(1, json!({})).await;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(rig.said(), ["begin 1", "end 1"]);
        rig.silent().await;
        assert_eq!(rig.lane.counters.snapshot(false).replies_dropped, 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn single_refuses_while_busy() {
    on_lane(async {
        let mut rig = rig_of_mode("single").await;
        rig.call("go", "1");
        rig.call("go", "2");
        let (rid, status, payload) = rig.reply().await;
        assert_eq!((rid.as_str(), status, payload), ("2", 409, json!({"error": "go is busy with another call"})));
        assert_eq!(rig.reply().await.2, json!(1));
        assert_eq!(rig.ask("go", "3").await, (200, json!(3)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn restart_ends_the_older_one() {
    on_lane(async {
        let mut rig = rig_of_mode("restart").await;
        rig.call("go", "1");
        sleep(Duration::from_secs(5)).await;
        rig.call("go", "2");
        assert_eq!(rig.reply().await, ("1".into(), 409, json!({"error": "a newer call took its place"})));
        assert_eq!(rig.reply().await.2, json!(2));
        assert_eq!(rig.said(), ["begin 1", "begin 2", "end 2"]);
        rig.settle().await;
        assert_eq!(rig.outcomes()[0].1, HandlerOutcome::Cancelled);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_device_bounds_its_handlers() {
    on_lane(async {
        let mut rig = Rig::up("on_method(\"go\", |device, request| sleep(10));", json!({})).await;
        for _ in 0..65 {
            rig.call("go", "");
        }
        assert_eq!(rig.reply().await.1, 429);
        for _ in 0..64 {
            assert_eq!(rig.reply().await.1, 200);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_of_a_lost_connection_is_dropped() {
    on_lane(async {
        let mut rig = Rig::up("on_method(\"go\", |device, request| { sleep(10); 1 });", json!({})).await;
        rig.call("go", "");
        rig.settle().await;
        rig.cut();
        rig.connect(1, json!({})).await;
        sleep(Duration::from_secs(20)).await;
        rig.silent().await;
        assert_eq!(rig.lane.counters.snapshot(false).replies_dropped, 1);
        assert_eq!(rig.ask("go", "").await.0, 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn payloads_are_bounded() {
    on_lane(async {
        let (status, payload) = answer("let t = 'x'; t.pad(200000, 'x'); t", "").await;
        assert_eq!(
            (status, payload["error"].as_str().unwrap()),
            (500, "a reply has at most 128 KiB, this one has 200002 bytes")
        );
        let (status, payload) =
            answer("let t = 'x'; t.pad(200000, 'x'); throw #{ status: 400, payload: t };", "").await;
        assert_eq!(
            (status, payload["error"].as_str().unwrap()),
            (500, "a reply has at most 128 KiB, this one has 200002 bytes")
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_handlers_answer_and_refuses_new_ones() {
    on_lane(async {
        let mut rig = Rig::up("on_method(\"go\", |device, request| { sleep(request.payload); 1 });", json!({})).await;
        rig.call("go", "5");
        rig.call("go", "500");
        rig.settle().await;
        rig.grace.send_replace(Duration::from_secs(30));
        rig.lane.stop.cancel();
        assert_eq!(rig.did().await, Did::Hush);
        rig.call("go", "0");
        assert_eq!(rig.reply().await, ("3".into(), 503, json!({"error": "the agent is about to end"})));
        rig.say(Inbound::Hushed);
        assert_eq!(rig.reply().await, ("1".into(), 200, json!(1)));
        let before = Instant::now();
        assert_eq!(rig.reply().await, ("2".into(), 503, json!({"error": "the agent ended"})));
        assert_eq!(before.elapsed(), Duration::from_secs(25));
        assert_eq!(rig.did().await, Did::Closed);
    })
    .await;
}

#[test]
fn registrations_are_checked_at_load() {
    for (text, message, help) in [
        (
            "on_method('a', |d, r| 1); on_method('a', |d, r| 2);",
            "`a` has a handler already",
            "the first one is at test.rhai:1:1",
        ),
        ("on_method('a');", "on_method takes a name", "on_method(\"name\""),
        ("on_method(1, |d, r| 1);", "the name of a method is a text", ""),
        ("on_method('a', |d| 1);", "takes 2 parameters, this one takes 1", "|device, request|"),
        ("on_method('a', 5);", "the last argument of on_method is a closure", ""),
        ("on_method('a', 5, |d, r| 1);", "the options of on_method are a map", ""),
        (
            "on_method('a', #{ mod: 'single' }, |d, r| 1);",
            "`mod` is not an option of on_method",
            "did you mean `mode`?",
        ),
        (
            "on_method('a', #{ mode: 'sngle' }, |d, r| 1);",
            "`sngle` is not a mode of on_method",
            "did you mean `single`?",
        ),
        ("on_method('a', #{ work: 'soon' }, |d, r| 1);", "`work`: `soon` is not a duration", ""),
        ("on_method('a', #{ work: 0 }, |d, r| 1);", "`work` must be longer than nothing", ""),
        ("on_desired('a..b', |d, v, n| 1);", "`a..b` is not a path", ""),
        ("on_desired('a', |d, v| 1);", "takes 3 parameters, this one takes 2", ""),
        ("on_desired('a', 'b', |d, v, n| 1);", "on_desired takes 2 arguments", ""),
        ("on_boot(|d, x| 1);", "the closure of on_boot takes 1 parameter, this one takes 2", "|device|"),
        ("on_start();", "on_start", ""),
    ] {
        let shown = load(text).map(|_| ()).expect_err(text).to_string();
        assert!(shown.contains(message) && shown.contains(help), "{text}: {shown}");
        assert!(shown.contains("test.rhai:1:"), "{shown}");
    }
}
