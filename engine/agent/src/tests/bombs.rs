//! Handlers that try to take the agent down: in methods, timers, hooks, at the top level, by what they keep and what they
//! answer. Each ends as an error of its own, and the next call is answered. The bare engine has a table of its own
//! (`engine/script/tests/bombs.rs`).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::rig::{Rig, habits, load, on_lane};
use crate::event::{HandlerName, HandlerOutcome};
use crate::lane::Habits;
use crate::link::Inbound;
use crate::link::fake::Did;
use crate::memory::MemoryFolder;

const PING: &str = "on_method('ping', |device, request| 'pong');\n";

/// Bodies of a method, and the words that its caller is told.
const BODIES: [(&str, &str, &str); 38] = [
    ("empty loop", "loop { }", "operations"),
    ("empty while", "while true { }", "operations"),
    ("empty for", "for i in 0..9000000000 { }", "operations"),
    ("catching loop", "loop { try { loop { } } catch { } }", "operations"),
    ("throwing loop", "loop { try { throw 1; } catch { continue; } }", "operations"),
    ("catching recursion", "let f = |f| { try { f.call(f) } catch { f.call(f) } }; f.call(f)", ""),
    ("recursion", "let f = |f| f.call(f) + 1; f.call(f)", ""),
    ("text that doubles", "let s = 'x'; loop { s += s; }", "too large"),
    ("padded text", "let s = 'x'; s.pad(4000000000, 'x'); s", "too large"),
    ("text replaced by itself", "let s = 'a'; s.pad(1000000, 'a'); let t = s; s.replace('a', t); s.len()", "too large"),
    ("list that doubles", "let l = [1]; loop { l += l; }", "too large"),
    ("padded list", "let l = []; l.pad(4000000000, 1); l", "too large"),
    ("list of texts", "let s = 'x'; s.pad(1000000, 'x'); let l = []; loop { l.push(s); }", "too large"),
    (
        "map of texts as an answer",
        "let s = 'x'; s.pad(1000000, 'x'); let m = #{}; for i in 0..9000 { m[`${i}`] = s; } m",
        "too large",
    ),
    (
        "map of texts as a reply",
        "let s = 'x'; s.pad(1000000, 'x'); let m = #{}; for i in 0..9000 { m[`${i}`] = s; } reply(200, m)",
        "too large",
    ),
    (
        "map of texts thrown as it is",
        "let s = 'x'; s.pad(1000000, 'x'); let m = #{}; for i in 0..9000 { m[`${i}`] = s; } throw m;",
        "too large",
    ),
    (
        "map of texts thrown",
        "let s = 'x'; s.pad(1000000, 'x'); let m = #{}; for i in 0..9000 { m[`${i}`] = s; } throw #{ status: 409, payload: m };",
        "too large",
    ),
    (
        "map of texts as a message",
        "let s = 'x'; s.pad(1000000, 'x'); let m = #{}; for i in 0..9000 { m[`${i}`] = s; } device.send(m)",
        "too large",
    ),
    (
        "map of texts kept",
        "let s = 'x'; s.pad(1000000, 'x'); let m = #{}; for i in 0..9000 { m[`${i}`] = s; } device.state.m = m",
        "too large",
    ),
    (
        "map of texts reported",
        "let s = 'x'; s.pad(1000000, 'x'); let m = #{}; for i in 0..9000 { m[`${i}`] = s; } device.report(m)",
        "too large",
    ),
    (
        "map of texts as JSON",
        "let s = 'x'; s.pad(1000000, 'x'); let m = #{}; for i in 0..9000 { m[`${i}`] = s; } to_json(m)",
        "too large",
    ),
    ("nested lists", "let l = []; loop { l = [l]; }", ""),
    ("nested lists as an answer", "let l = []; for i in 0..5000 { l = [l]; } l", "nested"),
    ("nested lists as a reply", "let l = []; for i in 0..5000 { l = [l]; } reply(200, l)", "nested"),
    ("nested lists thrown", "let l = []; for i in 0..5000 { l = [l]; } throw #{ status: 409, payload: l };", "nested"),
    ("nested lists as a message", "let l = []; for i in 0..5000 { l = [l]; } device.send(l)", "nested"),
    ("nested lists reported", "let l = []; for i in 0..5000 { l = [l]; } device.report(#{ l: l })", "nested"),
    ("nested lists kept", "let l = []; for i in 0..5000 { l = [l]; } device.state.l = l;", "nested"),
    ("nested text read", "let s = ''; s.pad(100000, '['); parse_json(s)", ""),
    ("blob", "let b = blob(4000000000, 1); b.len()", "too large"),
    ("parts of a text", "let s = 'x'; s.pad(1000000, 'x'); s.split('')", "too large"),
    ("large state", "let s = 'x'; s.pad(100000, 'x'); device.state.s = s;", "64 KiB"),
    (
        "state that grows",
        "let i = 0; loop { device.state[`k${i}`] = '0123456789012345678901234567890123456789'; i += 1; }",
        "64 KiB",
    ),
    ("state of keys", "let m = #{}; for i in 0..9000 { m[`key${i}`] = 'value'; } device.state = m;", "64 KiB"),
    ("large answer", "let s = 'x'; s.pad(500000, 'x'); s", "128 KiB"),
    ("large message", "let s = 'x'; s.pad(500000, 'x'); device.send(s)", "256 KiB"),
    ("timers without end", "for i in 0..1000 { device.every(`t${i}`, 10, |device| 1); }", "at most 32"),
    ("a timer too fast", "device.every('t', 0, |device| 1)", "at least 100ms"),
];

#[tokio::test(start_paused = true)]
async fn a_bomb_in_a_method_is_an_error_of_its_call() {
    on_lane(async {
        let methods: String = (BODIES.iter().enumerate())
            .map(|(at, (_, body, _))| format!("on_method('bomb{at}', |device, request| {{ {body} }});\n"))
            .collect();
        let mut rig = Rig::up(&format!("{PING}{methods}"), json!({})).await;
        let mut wrong = Vec::new();
        for (at, (name, _, word)) in BODIES.iter().enumerate() {
            let (status, answer) = rig.ask(&format!("bomb{at}"), "").await;
            if status != 500 || !answer["error"].as_str().is_some_and(|text| text.contains(word)) {
                wrong.push(format!("{name}: {status} {:.200}", answer.to_string()));
            }
            assert_eq!(rig.ask("ping", "").await, (200, json!("pong")), "after {name}");
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    })
    .await;
}

/// Times that no clock can count to.
#[tokio::test(start_paused = true)]
async fn a_time_beyond_every_clock_harms_nobody() {
    on_lane(async {
        let text = format!(
            "{PING}on_method('work', #{{ work: 1e18 }}, |device, request| 1);
            on_method('answer', #{{ answer: 1e18 }}, |device, request| {{ sleep(1); 2 }});
            on_method('every', |device, request| {{ device.every('t', 1e18, |device| 1); 3 }});
            on_method('sleep', #{{ work: '10s' }}, |device, request| {{ sleep(1e18); 4 }});"
        );
        let mut rig = Rig::up(&text, json!({})).await;
        for (name, status) in [("work", 200), ("answer", 200), ("every", 200), ("sleep", 504)] {
            assert_eq!(rig.ask(name, "").await.0, status, "{name}");
            assert_eq!(rig.ask("ping", "").await.0, 200, "after {name}");
        }
        sleep(Duration::from_secs(60)).await;
        assert_eq!(rig.ask("ping", "").await.0, 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn bombs_in_timers_hooks_and_desired_handlers_leave_the_device_well() {
    on_lane(async {
        let text = format!(
            "{PING}
            on_start(|device| {{ device.every('loop', 1, |device| {{ loop {{ }} }}); device.every('good', 1, |device| print('tick')); loop {{ }} }});
            on_connect(|device| {{ let l = []; loop {{ l = [l]; }} }});
            on_boot(|device| {{ let s = 'x'; loop {{ s += s; }} }});
            on_desired('a', |device, value, version| {{ loop {{ try {{ loop {{ }} }} catch {{ }} }} }});
            on_desired('b', |device, value, version| {{ print(`b ${{value}}`); }});
            on_method('boot', |device, request| {{ device.reboot(); 1 }});"
        );
        let mut rig = Rig::up(&text, json!({"a": 1, "b": 2})).await;
        assert_eq!(rig.ask("ping", "").await.0, 200);
        sleep(Duration::from_millis(3500)).await;
        assert_eq!(rig.ask("ping", "").await.0, 200);
        rig.say(Inbound::Desired { version: 2, patch: r#"{"a":3,"b":4,"$version":2}"#.into() });
        assert_eq!(rig.ask("boot", "").await.0, 200, "on_boot fails, the restart does not");
        assert_eq!(rig.ask("ping", "").await.0, 200);
        let said = rig.said();
        assert!(said.contains(&"b 2".into()) && said.contains(&"b 4".into()) && said.contains(&"tick".into()), "{said:?}");
        let failed = |name: &HandlerName, outcome: &HandlerOutcome| {
            matches!(outcome, HandlerOutcome::Failed { status: None, .. }).then(|| name.to_string())
        };
        let failed: Vec<String> = rig.outcomes().iter().filter_map(|(name, outcome)| failed(name, outcome)).collect();
        for name in ["on_start", "on_connect", "on_boot", "on_desired", "loop"] {
            assert!(failed.iter().any(|failed| failed.contains(name)), "{name}: {failed:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_bomb_in_a_message_is_given_up_and_the_next_one_arrives() {
    on_lane(async {
        let text = format!("{PING}on_message(#{{ tries: 2 }}, |device, message| {{ if message.text == 'bomb' {{ loop {{ }} }} print(message.text); }});");
        let mut rig = Rig::up(&text, json!({})).await;
        assert_eq!(rig.did().await, Did::Listen(true));
        for (id, body) in [(1, "bomb"), (2, "good")] {
            let properties = wire::PropertyBag::default();
            rig.say(Inbound::Message { id: Some(id), again: false, properties, body: body.into() });
        }
        assert_eq!((rig.did().await, rig.did().await), (Did::Acknowledge(1), Did::Acknowledge(2)));
        assert_eq!(rig.said(), ["good"]);
        assert_eq!(rig.ask("ping", "").await.0, 200);
    })
    .await;
}

/// What is kept can be read again, at the next start too: a state as deep as may be kept, and none deeper.
#[tokio::test]
async fn whatever_state_was_taken_is_there_after_a_restart() {
    on_lane(async {
        let text = format!(
            "{PING}on_method('keep', |device, request| {{ let l = 1; for i in 0..request.payload {{ l = [l]; }} device.state.l = l; }});
            on_method('kept', |device, request| {{ let l = device.state.l; let n = 0; while type_of(l) == 'array' {{ l = l[0]; n += 1; }} n }});"
        );
        let temp = tempfile::tempdir().unwrap();
        let mut kept = 0;
        for depth in [10, 60, 100, 119, 120, 121, 126, 127, 128, 129, 200, 1000] {
            let mut rig = Rig::with(&text, Habits { memory: Some(MemoryFolder::new(temp.path())), ..habits() });
            rig.connect(1, json!({})).await;
            assert_eq!(rig.ask("kept", "").await, (200, json!(kept)), "before {depth}");
            let (status, answer) = rig.ask("keep", &depth.to_string()).await;
            if status == 200 {
                kept = depth;
            } else {
                assert!(answer["error"].as_str().is_some_and(|text| text.contains("nested")), "{depth}: {answer}");
            }
            assert_eq!(rig.ask("ping", "").await.0, 200);
            rig.lane.stop.cancel();
            (&mut rig.session).await.unwrap();
        }
        assert_eq!(kept, 120, "the deepest that JSON can be read from");
    })
    .await;
}

#[test]
fn bombs_and_escapes_at_the_top_level_are_findings() {
    for text in [
        "loop { }",
        "loop { try { loop { } } catch { } }",
        "fn f(n) { f(n) + 1 } f(0)",
        "let s = 'x'; loop { s += s; }",
        "let l = []; loop { l = [l]; }",
        "let s = 'a'; s.pad(1000000, 'a'); let t = s; s.replace('a', t);",
        "let s = ''; s.pad(100000, '['); parse_json(s);",
        "sleep(1);",
        "import '/etc/passwd' as p;",
        "import '../secret' as p;",
        "eval('1');",
        "on_method('a', |d, r| { import 'x' as y; });",
        "on_method('a', |d, r| eval('1'));",
        "loop { on_start(|device| 1); }",
    ] {
        let found = load(text).map(|_| ()).expect_err(text);
        assert!(found.has_errors(), "{text}");
    }
}

/// What would leave the script: each has no such function, or no grant.
#[tokio::test(start_paused = true)]
async fn escapes_are_errors_of_their_calls() {
    on_lane(async {
        for (body, word) in [
            ("device.run('/bin/sh', ['-c', 'id'])", "may not be"),
            ("device.read('/etc/passwd')", "may not be"),
            ("device.read('../../etc/passwd')", ""),
            ("device.read_bytes('/proc/self/environ')", ""),
            ("device.upload('x', '/etc/passwd')", ""),
            ("['/etc/shadow'].map(|path| device.read(path))", ""),
        ] {
            let text = format!("{PING}on_method('go', |device, request| {{ {body} }});");
            let mut rig = Rig::up(&text, json!({})).await;
            let (status, answer): (i32, Value) = rig.ask("go", "").await;
            assert_eq!(status, 500, "{body}: {answer}");
            assert!(answer["error"].as_str().is_some_and(|text| text.contains(word)), "{body}: {answer}");
            assert_eq!(rig.ask("ping", "").await, (200, json!("pong")), "after {body}");
        }
    })
    .await;
}
