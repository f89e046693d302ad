//! Cloud-to-device messages: `iotplay send` and devices of the official SDKs, on line and away, before and after the hub dies.

use std::time::Duration;

use stage::{HubOptions, LocalHub, Program, Sdk};

use crate::stage_set::{Set, empty};

const PATIENCE: Duration = Duration::from_secs(90);

fn send(set: &Set, arguments: &[&str]) -> String {
    let sent = set.iotplay.run(&[&["send"], arguments].concat());
    assert_eq!(sent.code, Some(0), "{}", sent.err);
    sent.out
}

/// A device that prints its messages.
fn listen(sdk: &Sdk, file: &str, hub: &LocalHub, connection: &str) -> Program {
    let mut device = sdk.program(file, hub.ca(), &[("DEVICE", connection)]);
    device.line("listening");
    device
}

/// The device, which in the end has got all of them.
fn their_device_gets_its_messages(sdk: &Sdk, hub: &mut LocalHub, set: &Set, file: &str, words: [&str; 2]) -> Program {
    let [nothing, full] = words;
    let connection = hub.device("press-7");
    let mut device = listen(sdk, file, hub, &connection);
    let words = ["press-7", "hot & cold", "--message-id", "m/1", "--correlation-id", "c+1", "--ack", "full"];
    let more =
        ["--content-type", "text/plain", "--content-encoding", "utf-8", "--property", "line=B 2/é", "--ttl", "1m"];
    assert_eq!(send(set, &[&words[..], &more[..]].concat()), "m/1");
    let got = device.line("message hot & cold");
    assert_eq!(got, format!("message hot & cold m/1 c+1 text/plain utf-8 {full}line=B 2/é"));
    assert!(device.line("expires").contains(":"), "an expiry that was asked for is told");
    let plain = send(set, &["press-7", "plain"]);
    assert_eq!(device.line("message plain"), format!("message plain {plain} {nothing} "));

    // Away, with its session kept: two messages wait, and outlive the hub's sudden end.
    device.kill();
    hub.program().line("press-7  disconnected");
    send(set, &["press-7", "first", "--message-id", "w1"]);
    hub.kill_and_restart();
    send(set, &["press-7", "second", "--message-id", "w2"]);
    let twin = set.iotplay.run(&["twin", "get", "press-7"]);
    assert!(twin.out.contains("\"cloudToDeviceMessageCount\": 2"), "{}", twin.out);
    let mut device = listen(sdk, file, hub, &connection);
    device.line("message second");
    device.line("message first w1");
    device
}

/// This SDK hands messages to four threads, so the order in which they are printed is nobody's.
#[test]
fn a_python_device_gets_its_messages() {
    let set = empty();
    let Some(sdk) = stage::python(set.iotplay.binary()) else { return };
    let Some(mut hub) = LocalHub::for_sdks(&set.iotplay) else { return };
    their_device_gets_its_messages(&sdk, &mut hub, &set, "listener.py", ["None None None None", "full "]);
}

/// To this SDK `iothub-ack` is a property like any other.
#[test]
fn a_node_device_gets_its_messages() {
    let set = empty();
    let Some(sdk) = stage::node(set.iotplay.binary()) else { return };
    let Some(mut hub) = LocalHub::for_sdks(&set.iotplay) else { return };
    let words = [" undefined undefined undefined", "undefined iothub-ack=full,"];
    let mut device = their_device_gets_its_messages(&sdk, &mut hub, &set, "listener.js", words);
    assert!(device.line("message ").contains("first w1"), "in order");
}

#[test]
fn a_python_back_end_reads_what_became_of_messages() {
    let set = empty();
    let Some(python) = stage::python(set.iotplay.binary()) else { return };
    let Some(mut hub) = LocalHub::for_sdks(&set.iotplay) else { return };
    let connection = hub.device("taker");
    let device = listen(&python, "listener.py", &hub, &connection);
    hub.device("sleeper");
    send(&set, &["taker", "x", "--message-id", "taken", "--ack", "positive"]);
    send(&set, &["sleeper", "x", "--message-id", "late", "--ack", "negative", "--ttl", "1s"]);
    // The sleeper's first one is over before its queue is emptied: the look comes once a second.
    stage::eventually(PATIENCE, "the message is over", || {
        let twin = set.iotplay.run(&["twin", "get", "sleeper"]);
        twin.out.contains("\"cloudToDeviceMessageCount\": 0").then_some(())
    });
    send(&set, &["sleeper", "x", "--message-id", "thrown away", "--ack", "full"]);
    send(&set, &["sleeper", "x", "--message-id", "nobody asks", "--ack", "none"]);
    let variables = [("SERVICE", hub.service()), ("DEVICE_ID", "sleeper".into()), ("COUNT", "3".into())];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let told = python.program("feedback.py", hub.ca(), &variables).end(PATIENCE);
    assert_eq!(told.code, Some(0), "{} {}", told.out, told.err);
    for line in [
        "purged 2",
        "feedback taken taker Success",
        "feedback late sleeper Expired",
        "feedback thrown away sleeper Purged",
        "again 412 DeviceMessageLockLost",
    ] {
        assert!(told.out.lines().any(|said| said == line), "{line}: {}", told.out);
    }
    assert!(!told.out.contains("nobody asks"), "{}", told.out);
    device.kill();
    assert_eq!(hub.program().count("internal error"), 0);
}

#[test]
fn what_cannot_be_sent_is_said() {
    let set = empty();
    let none = set.iotplay.run(&["send", "d", "x"]);
    assert_eq!(none.code, Some(2), "{}", none.err);
    assert!(none.err.contains("no hub is configured"), "{}", none.err);
    let hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    hub.device("press-7");
    for (arguments, code, said) in [
        (&["press-8", "x"][..], 4, "did you mean `press-7`?"),
        (&["press 7", "x"], 2, "press 7"),
        (&["press-7", "x", "--property", "novalue"], 2, "KEY=VALUE"),
        (&["press-7", "x", "--property", "$.mid=1"], 2, "no name for an application property"),
        (&["press-7", "x", "--ack", "maybe"], 2, "none of none, positive, negative and full"),
        (&["press-7", "x", "--ttl", "3d"], 2, "two days at most"),
        (&["press-7", &"x".repeat(65_537)], 2, "at most 65536 bytes"),
    ] {
        let refused = set.iotplay.run(&[&["send"], arguments].concat());
        assert_eq!(refused.code, Some(code), "{arguments:?} {}", refused.err);
        assert!(refused.err.contains(said), "{said}: {}", refused.err);
    }
    for _ in 0..50 {
        send(&set, &["press-7"]);
    }
    let full = set.iotplay.run(&["send", "press-7", "x"]);
    assert_eq!(full.code, Some(7), "{}", full.err);
    assert!(full.err.contains("403004 DeviceMaximumQueueDepthExceeded"), "{}", full.err);
}
