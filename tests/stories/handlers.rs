//! What handlers do on a device: messages from the cloud, programs and files within what was granted, and what a device announces.

use std::time::Duration;

use stage::{HubOptions, LocalHub, eventually};

use crate::stage_set::empty;

const PATIENCE: Duration = Duration::from_secs(90);

const MESSAGES: &str = r#"
on_message(#{ tries: 2 }, |device, message| {
    print(`got ${message.text} ${message.id} ${message.content_type ?? "-"} ${message.properties.line ?? "-"} try ${message.delivery}`);
    if message.text == "poison" { throw "cannot"; }
    if message.text == "unwanted" { reject("not for me"); }
    if message.text == "later" && message.delivery == 1 { abandon(); }
    device.report(#{ last: message.id });
});
"#;

#[test]
fn messages_reach_a_handler_in_order_and_poison_is_given_up() {
    let set = empty().file("scripts/messages.rhai", MESSAGES);
    let mut hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent"]);
    agent.line("connected");
    let send = |text: &str, id: &str, more: &[&str]| {
        let sent = set.iotplay.run(&[&["send", "sim-1", text, "--message-id", id], more].concat());
        assert_eq!(sent.code, Some(0), "{}", sent.err);
    };
    send("hello", "m1", &["--content-type", "text/plain", "--property", "line=B 2/é"]);
    assert!(agent.line("got hello").ends_with("got hello m1 text/plain B 2/é try 1"));
    send("later", "m2", &[]);
    send("unwanted", "m3", &[]);
    agent.line("got later m2 - - try 2");
    agent.line("got unwanted m3 - - try 1");
    agent.line("id m3 was rejected (not for me)");
    send("poison", "m4", &[]);
    agent.line("got poison m4 - - try 1");
    // The count outlives the agent and the hub.
    agent.kill();
    hub.kill_and_restart();
    let mut agent = set.iotplay.start(&["agent"]);
    agent.line("got poison m4 - - try 2");
    agent.line("id m4 is given up: on_message was tried 2 times");
    eventually(PATIENCE, "no message is left", || {
        let twin = set.iotplay.run(&["twin", "get", "sim-1"]);
        twin.out.contains("\"cloudToDeviceMessageCount\": 0").then_some(())
    });
    send("after", "m5", &[]);
    agent.line("got after m5");
}

const MACHINE: &str = r#"
on_method("uptime", |device, request| device.run("/bin/echo", ["up", request.param("word", "x")]).out);
on_method("any", |device, request| device.run(request.payload));
on_method("read", |device, request| device.read(request.payload));
on_method("slot", #{ params: #{ slot: "integer" } }, |device, request| request.param("slot"));
"#;

#[test]
fn programs_and_files_are_what_was_granted_and_the_device_says_what_it_can() {
    let set = empty().file("scripts/machine.rhai", MACHINE);
    std::fs::create_dir(set.path().join("open")).unwrap();
    std::fs::write(set.path().join("open/a.txt"), "content\n").unwrap();
    let open = set.path().canonicalize().unwrap().join("open");
    let settings = format!(
        "agent:\n  announce: true\n  errors: terse\n  run: [\"/bin/echo up *\"]\n  read: [\"{}/**\"]\n",
        open.display()
    );
    std::fs::write(set.path().join("iotplay.yaml"), settings).unwrap();
    let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent"]);
    agent.line("connected");
    let ask = |method: &str, payload: &str| set.iotplay.run(&["invoke", "sim-1", method, payload]);
    assert!(ask("uptime", r#"{"word":"now"}"#).out.contains("up now"));
    let file = open.join("a.txt").display().to_string();
    assert!(ask("read", &format!("{file:?}")).out.contains("content"));
    for (method, payload) in [("any", "\"/bin/sh\""), ("read", "\"/etc/passwd\""), ("read", "\"/proc/self/environ\"")] {
        let refused = ask(method, payload);
        assert_eq!(refused.code, Some(4), "{}", refused.err);
        assert!(refused.out.contains("of the agent's configuration"), "{}", refused.out);
        assert!(!refused.out.contains("\"at\""), "terse: {}", refused.out);
    }
    assert!(ask("slot", "{}").out.contains("`slot` is missing"));
    let twin = set.iotplay.run(&["twin", "get", "sim-1"]);
    let twin: serde_json::Value = serde_json::from_str(&twin.out).unwrap();
    let said = &twin["properties"]["reported"]["iotplay"];
    assert_eq!(said["methods"], serde_json::json!(["any", "read", "slot", "uptime"]), "{twin}");
    assert_eq!(said["params"], serde_json::json!([{ "method": "slot", "takes": { "slot": "integer" } }]));
}

#[test]
fn a_slip_in_the_agents_section_is_found_before_anything_starts() {
    for (section, said) in [
        ("{ run: [reboot] }", "`reboot` is no absolute path"),
        ("{ read: [\"/etc/../x\"] }", "has a `..` in it"),
        ("{ read: [\"/**\"] }", "would grant every file"),
        ("{ reads: [] }", "unknown field"),
    ] {
        let set = empty().file("iotplay.yaml", &format!("agent: {section}\n"));
        let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
        let ended = set.iotplay.run(&["agent"]);
        assert_eq!(ended.code, Some(2), "{section}: {}", ended.err);
        assert!(ended.err.contains(said) && ended.err.contains("iotplay.yaml"), "{section}: {}", ended.err);
    }
}

#[test]
fn a_run_says_before_it_starts_which_devices_do_not_announce_a_method() {
    let play = "name: P\nsteps:\n  - invoke_method: { name: slot, payload: { slot: 1 } }\n    ignore_errors: true\n  - invoke_method: uptime2\n    when: \"'uptime2' in device.methods\"\n";
    let set = empty().file("scripts/machine.rhai", MACHINE).file("play.yaml", play);
    std::fs::write(set.path().join("iotplay.yaml"), "agent: { announce: true }\n").unwrap();
    let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let announced = || set.iotplay.run(&["twin", "get", "sim-1"]).out.contains("\"uptime\"").then_some(());
    let mut agent = set.iotplay.start(&["agent"]);
    agent.line("connected");
    eventually(PATIENCE, "the device announces", announced);
    let ran = set.iotplay.run(&["run", "play.yaml"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(!ran.err.contains("not announce"), "{}", ran.err);
    std::fs::write(set.path().join("play.yaml"), play.replace("name: slot", "name: slott")).unwrap();
    let ran = set.iotplay.run(&["run", "play.yaml"]);
    assert!(ran.err.contains("sim-1 does not announce `slott`, which this play calls"), "{}", ran.err);
}
