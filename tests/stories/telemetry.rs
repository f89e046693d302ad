//! What devices say, as `iotplay hub tail` shows it: with all properties, picked by device, property and time, as it comes.

use std::path::Path;
use std::time::Duration;

use stage::{HubOptions, LocalHub, Sdk};

use crate::stage_set::empty;

const PATIENCE: Duration = Duration::from_secs(90);

fn their_messages_are_shown(sdk: fn(&Path) -> Option<Sdk>, file: &str) {
    let set = empty();
    let Some(sdk) = sdk(set.iotplay.binary()) else { return };
    let Some(hub) = LocalHub::for_sdks(&set.iotplay) else { return };
    let connection = hub.device("press-7");
    let mut following = set.iotplay.start(&["hub", "tail", "--follow", "--property", "line"]);
    following.line("local");
    let sent = sdk.program(file, hub.ca(), &[("DEVICE", &connection)]).end(PATIENCE);
    assert_eq!(sent.code, Some(0), "{} {}", sent.out, sent.err);
    assert!(following.line("press-7").ends_with("  press-7  {\"t\": 21}  line=B 2/é"), "{}", following.line("press-7"));
    let ended = following.signal("INT");
    assert_eq!((ended.code, ended.out.lines().count()), (Some(0), 1), "{}", ended.out);

    let tail = |arguments: &[&str]| {
        let shown = set.iotplay.run(&[&["hub", "tail", "--output", "ndjson"], arguments].concat());
        assert_eq!(shown.code, Some(0), "{}", shown.err);
        shown.out
    };
    let all = tail(&[]);
    assert_eq!(all.lines().count(), 2, "{all}");
    let first = all.lines().next().expect("two lines");
    for part in [
        r#""body":{"t":21}"#,
        r#""bodyForm":"json""#,
        r#""deviceId":"press-7""#,
        r#""properties":{"line":"B 2/é"}"#,
        r#""content-type":"application/json""#,
        r#""content-encoding":"utf-8""#,
        r#""message-id":"m/1""#,
        r#""correlation-id":"c+1""#,
        r#""iothub-connection-device-id":"press-7""#,
        r#""iothub-connection-auth-method":"{\"scope\":\"device\""#,
        r#""iothub-enqueuedtime":"20"#,
        r#""will":false"#,
    ] {
        assert!(first.contains(part), "{part}: {first}");
    }
    assert_eq!(tail(&["-n", "1"]), all.lines().nth(1).expect("two lines"));
    assert_eq!(tail(&["--property", "content-type=application/json", "--since", "1h"]), first);
    for none in [&["--device", "press-8"][..], &["--property", "line=C"], &["--since", "2099-01-01T00:00:00Z"]] {
        assert_eq!(tail(none), "", "{none:?}");
    }
}

#[test]
fn a_python_devices_messages_are_shown() {
    their_messages_are_shown(stage::python, "talker.py");
}

#[test]
fn a_node_devices_messages_are_shown() {
    their_messages_are_shown(stage::node, "talker.js");
}

#[test]
fn following_outlives_the_hub_and_the_messages_do_not() {
    let set = empty();
    let mut hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let script = r#"on_start(|device| { device.send(#{ n: 1 }); });"#;
    std::fs::create_dir_all(set.path().join("scripts")).expect("a folder can be made");
    std::fs::write(set.path().join("scripts/talk.rhai"), script).expect("a file can be written");
    let talk = || {
        let mut agent = set.iotplay.start(&["agent", "--scripts", "scripts"]);
        agent.line("connected");
        agent
    };
    let mut following = set.iotplay.start(&["hub", "tail", "-f"]);
    following.line("local");
    let agent = talk();
    following.nth_line("sim-1  {\"n\":1}", 1);
    agent.kill();
    hub.kill_and_restart();
    assert_eq!(set.iotplay.run(&["hub", "tail"]).out, "", "they are in memory only");
    let _agent = talk();
    following.nth_line("sim-1  {\"n\":1}", 2);
}

#[test]
fn what_cannot_be_shown_is_said() {
    let set = empty();
    for (arguments, said) in [
        (&["hub", "tail"][..], "no hub is configured"),
        (&["hub", "tail", "--since", "soon"], "or a moment"),
        (&["hub", "tail", "--property", "=x"], "a property has a name"),
        (&["hub", "tail", "--device", "a b"], "a b"),
    ] {
        let ended = set.iotplay.run(arguments);
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        assert!(ended.err.contains(said), "{}", ended.err);
    }
}
