//! The verbs: what they check, what they do, what they say.

use iotplay_iothub::IotHub;
use runner::{Class, Outcome, Plugin as _, Skip};
use serde_json::json;
use wire::{IfMatch, Status};

use crate::device::Answer;
use crate::stage::{check, done, failed, id, on_stage};

#[test]
fn a_method_is_called_and_judged() {
    on_stage(|stage| async move {
        let answer = |name: &str| Answer::Echo(if name == "busy" { 409 } else { 200 });
        let _device = stage.connected("press-7", answer).await;
        let (value, changed) =
            done(stage.run("invoke_method: { name: echo, payload: { a: '${{ x.a }}', b: [true] } }", "press-7").await);
        assert_eq!(value, json!({ "status": 200, "payload": { "a": 1, "b": [true] }, "lost": false }));
        assert!(changed);
        assert_eq!(stage.last_said(), r#"200 {"a":1,"b":[true]}"#);
        assert_eq!(done(stage.run("invoke_method: echo", "press-7").await).0["payload"], json!(null));

        let rejected = failed(stage.run("invoke_method: { name: busy, payload: 1 }", "press-7").await);
        assert_eq!((rejected.class, rejected.status), (Class::Rejected, Some(409)));
        assert_eq!(rejected.message, "answered 409 1");
        let (value, _) = done(stage.run("invoke_method: { name: busy, accept: [2xx, 409] }", "press-7").await);
        assert_eq!(value["status"], 409);
    });
}

#[test]
fn a_device_that_is_not_there_gets_nothing() {
    on_stage(|stage| async move {
        stage.add("press-7").await;
        let offline = failed(stage.run("invoke_method: reboot", "press-7").await);
        assert_eq!((offline.class, offline.in_doubt), (Class::Unreachable, false));
        assert_eq!(
            offline.message,
            "is not connected, or listens to no methods (404103 DeviceNotOnline). Nothing was sent to it."
        );
        assert_eq!(offline.note.as_deref(), Some("never seen"));
        let unknown = failed(stage.run("invoke_method: reboot", "press-8").await);
        assert_eq!(
            (unknown.class, unknown.message.as_str()),
            (Class::Failed, "is not known to the hub (404001 DeviceNotFound)")
        );
    });
}

#[test]
fn a_reply_that_never_comes_is_in_doubt() {
    on_stage(|stage| async move {
        let answer = |name: &str| if name == "drop" { Answer::Drop } else { Answer::Silent };
        let device = stage.connected("d", answer).await;
        let late = failed(stage.run("invoke_method: { name: x, response_timeout: 5s }", "d").await);
        assert_eq!((late.class, late.in_doubt), (Class::Timeout, true));
        assert_eq!(late.message, "did not answer within 5s (504101 GatewayTimeout). It may have carried the call out.");
        let dropped = failed(stage.run("invoke_method: { name: drop, accept: any }", "d").await);
        assert_eq!((dropped.class, dropped.in_doubt), (Class::Unreachable, true));
        drop(device);
        let again = stage.hub.device_connection(&"d".parse().unwrap()).unwrap();
        let _device = crate::device::Device::connect(&again, stage.hub.ca_pem(), answer).await;
        let (value, changed) = done(stage.run("invoke_method: { name: drop, accept: [2xx, lost] }", "d").await);
        assert_eq!((value["lost"].clone(), changed), (json!(true), true));
    });
}

#[test]
fn what_cannot_work_is_said_at_check_time() {
    let plugin = IotHub::without_hub();
    for (yaml, says) in [
        ("invoke_method: { nme: x }", "did you mean `name`?"),
        ("invoke_method: { payload: 1 }", "`name`"),
        ("invoke_method: { name: '' }", "`name` is empty"),
        (
            "invoke_method: { name: x, response_timeout: 4s }",
            "`response_timeout` is 5s to 300s, not 4s\n --> t.yaml:1:45",
        ),
        ("invoke_method: { name: x, response_timeout: 301 }", "not 5m1s"),
        ("invoke_method: { name: x, connect_timeout: 1h }", "`connect_timeout` is at most 300s, not 1h"),
        ("invoke_method: { name: x, accept: [ok] }", "2xx"),
        ("get_twin: { id: x }", "id"),
        ("patch_twin: { if_match: true }", "patch_twin needs `tags` or `desired`"),
        ("patch_twin: { desired: { a.b: 1 } }", "Property name a.b contains invalid character '.'"),
        ("patch_twin: { tags: 1 }", "tags"),
        ("query: { text: x, limit: 0 }", "`limit` is 1 to 100000"),
        ("set_device_status: off", "enabled"),
    ] {
        let found = check(&plugin, yaml).err().unwrap_or_else(|| panic!("{yaml} passed"));
        assert!(found.contains(says), "{yaml}\n{found}");
    }
    for yaml in [
        "invoke_method: reboot",
        "invoke_method: { name: '${{ x.a }}', payload: '${{ n }}', response_timeout: '${{ x.a }}', accept: 409, idempotent: true }",
        "get_twin:",
        "patch_twin: { tags: { a: null, b: '${{ x.a }}' }, desired: '${{ x }}' }",
        "query: tags.line = 'B'",
        "add_device: new-1",
        "remove_device:",
        "set_device_status: disabled",
    ] {
        check(&plugin, yaml).unwrap_or_else(|found| panic!("{yaml}\n{found}"));
    }
    assert!(plugin.inventory().is_none());
}

#[test]
fn every_verb_has_a_schema() {
    for action in IotHub::without_hub().actions() {
        let schema = action.schema();
        assert_eq!((&schema["type"], &schema["additionalProperties"]), (&json!("object"), &json!(false)), "{schema}");
        assert!(!action.about().is_empty());
        let known = |name: &str| !schema["properties"][name].is_null();
        assert!(action.main().is_none_or(known) && action.positional().iter().all(|name| known(name)), "{schema}");
    }
}

#[test]
fn a_twin_is_read_and_patched_only_where_it_differs() {
    on_stage(|stage| async move {
        stage.add("d").await;
        let patch = "patch_twin: { tags: { line: B }, desired: { a: { b: 1 }, gone: null } }";
        let words = "tags.line: none -> \"B\", desired.a: none -> {\"b\":1}";
        assert_eq!(stage.rehearse(patch, "d").await, Outcome::Skipped(Skip::Check(words.to_owned())));
        let before = done(stage.run("get_twin:", "d").await).0;
        assert_eq!(before["tags"], json!({}));

        let (twin, changed) = done(stage.run(patch, "d").await);
        assert!(changed);
        assert_eq!((&twin["tags"], &twin["desired"]), (&json!({ "line": "B" }), &json!({ "a": { "b": 1 } })));
        assert_eq!(stage.last_said(), words);
        let (again, changed) = done(stage.run(patch, "d").await);
        assert!(!changed);
        assert_eq!(again["version"], twin["version"]);
        assert_eq!(stage.last_said(), "nothing differs");
        assert!(!done(stage.rehearse(patch, "d").await).1);

        let (twin, changed) = done(stage.run("patch_twin: { desired: { a: null }, if_match: true }", "d").await);
        assert!(changed);
        assert_eq!(twin["desired"], json!({}));
        let missing = failed(stage.run("patch_twin: { desired: { a: '${{ x.b }}' } }", "d").await);
        assert_eq!(missing.class, Class::Failed);
        let gone = failed(stage.run("get_twin:", "gone").await);
        assert_eq!(gone.message, "is not known to the hub (404001 DeviceNotFound)");
    });
}

#[test]
fn a_query_gives_rows() {
    on_stage(|stage| async move {
        for device in ["a", "b", "c"] {
            stage.add(device).await;
        }
        let patch = json!({ "tags": { "line": "B" } });
        stage.client.patch_twin(&"b".parse().unwrap(), &patch, &IfMatch::Any).await.unwrap();
        let (rows, changed) = done(stage.run("query: tags.line = 'B'", "-").await);
        assert!(!changed);
        assert_eq!(rows[0]["id"], "b");
        assert_eq!(rows[0]["tags"], json!({ "line": "B" }));
        assert_eq!(stage.last_said(), "1 row");
        let (rows, _) = done(stage.run("query: { text: SELECT * FROM devices, limit: 2 }", "-").await);
        assert_eq!(rows.as_array().unwrap().len(), 2);
        let bad = failed(stage.run("query: SELECT * FROM nowhere", "-").await);
        assert!(bad.message.starts_with("the hub does not understand the query: "), "{}", bad.message);
    });
}

#[test]
fn devices_come_and_go() {
    on_stage(|stage| async move {
        assert_eq!(stage.preview("add_device: new-1", "d").await, "would add the device new-1 if it is not there");
        let add = "add_device: { id: new-1, tags: { line: B }, status: disabled }";
        let (value, changed) = done(stage.run(add, "d").await);
        assert_eq!((value, changed), (json!({ "id": "new-1", "created": true, "status": "disabled" }), true));
        assert!(!done(stage.run(add, "d").await).1);
        assert_eq!(stage.client.twin(&"new-1".parse().unwrap()).await.unwrap()["tags"], json!({ "line": "B" }));

        let enable = "set_device_status: { status: enabled, reason: back }";
        let words = "new-1: disabled -> enabled".to_owned();
        assert_eq!(stage.rehearse(enable, "new-1").await, Outcome::Skipped(Skip::Check(words)));
        assert!(done(stage.run(enable, "new-1").await).1);
        assert!(!done(stage.run(enable, "new-1").await).1);
        let device = stage.client.device(&id("new-1")).await.unwrap();
        assert_eq!((device.status, device.status_reason.as_deref()), (Status::Enabled, Some("back")));

        assert_eq!(stage.preview("remove_device:", "new-1").await, "would remove the device new-1");
        assert!(done(stage.run("remove_device:", "new-1").await).1);
        assert!(!done(stage.run("remove_device: new-1", "d").await).1);
        assert_eq!(stage.preview("invoke_method: { name: x, payload: [1] }", "d").await, "would call x [1]");
    });
}

#[test]
fn without_a_hub_a_verb_says_so() {
    on_stage(|stage| async move {
        let ready = check(&IotHub::without_hub(), "get_twin:").unwrap();
        let failure = failed(stage.run_ready(&*ready, "d").await);
        assert_eq!((failure.class, failure.message.as_str()), (Class::Hub, "no hub is configured"));
    });
}
