//! The small commands: devices, twins, one call.

use stage::{HubOptions, LocalHub};

use crate::stage_set::{empty, key};

#[test]
fn add_prints_the_connection_string_and_nothing_else() {
    let set = empty();
    let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let added = set.iotplay.run(&["devices", "add", "press-7"]);
    assert_eq!(added.code, Some(0), "{}", added.err);
    assert_eq!(added.out.lines().count(), 1, "{}", added.out);
    assert!(added.out.starts_with("HostName=") && added.out.contains(";DeviceId=press-7;"), "{}", added.out);
    assert!(added.err.contains("8883"), "a port that the Python SDK cannot use is told: {}", added.err);

    let listed = set.iotplay.run(&["devices", "list"]);
    assert!(listed.out.contains("press-7") && !listed.out.contains(key(&added.out)), "{}", listed.out);
    let shown = set.iotplay.run(&["devices", "show", "press-7"]);
    assert!(!shown.out.contains("null") && shown.out.contains("\"deviceId\": \"press-7\""), "{}", shown.out);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    assert!(shown.out.contains("press-7") && !shown.out.contains(key(&added.out)), "{}", shown.out);

    let again = set.iotplay.run(&["devices", "add", "press-7"]);
    assert_eq!(again.code, Some(4), "{}", again.err);
    assert_eq!(again.out, "");
    let wrong = set.iotplay.run(&["devices", "add", "press 7"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.err);

    let removed = set.iotplay.run(&["devices", "remove", "press-7"]);
    assert_eq!(removed.code, Some(0), "{}", removed.err);
    let gone = set.iotplay.run(&["devices", "show", "press-7"]);
    assert_eq!(gone.code, Some(4), "{}", gone.err);
}

#[test]
fn a_twin_is_read_and_patched() {
    let set = empty();
    let hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    hub.device("press-7");
    let patched = set.iotplay.run(&["twin", "patch", "press-7", r#"{"desired":{"a":{"b":1},"c":2}}"#]);
    assert_eq!(patched.code, Some(0), "{}", patched.err);
    let deleted = set.iotplay.run(&["twin", "patch", "press-7", r#"{"desired":{"c":null}}"#]);
    assert_eq!(deleted.code, Some(0), "{}", deleted.err);
    let twin = set.iotplay.run(&["twin", "get", "press-7"]);
    assert!(twin.out.contains("\"b\": 1") && !twin.out.contains("\"c\": 2"), "{}", twin.out);
    for bad in ["{", "[]", r#"{"reported":{}}"#, r#"{"desired":{"$x":1}}"#] {
        let refused = set.iotplay.run(&["twin", "patch", "press-7", bad]);
        assert!(matches!(refused.code, Some(2 | 4)), "{bad}: {:?} {}", refused.code, refused.err);
        assert!(refused.err.starts_with("hub") || refused.err.starts_with("error"), "{}", refused.err);
    }
}

#[test]
fn invoke_works_with_nothing_configured() {
    let set = empty();
    let called = set.iotplay.run(&["invoke", "sim-1", "rebootDevice", "--sim-reboot", "300ms"]);
    assert_eq!(called.code, Some(0), "{}", called.err);
    assert_eq!(called.out, r#"{"Response":"This is the response from the device"}"#);
    assert!(called.err.contains("hub     local, in this process"), "{}", called.err);
}

#[test]
fn the_verbs_and_the_schema_are_told() {
    let set = empty();
    let listed = set.iotplay.run(&["plugins", "list"]);
    assert_eq!(listed.code, Some(0), "{}", listed.err);
    for verb in ["invoke_method", "get_twin", "patch_twin", "wait_until", "sleep", "assert", "set", "fail", "log"] {
        assert!(listed.out.contains(verb), "{verb}");
        let shown = set.iotplay.run(&["plugins", "show", verb]);
        assert_eq!(shown.code, Some(0), "{}", shown.err);
    }
    let unknown = set.iotplay.run(&["plugins", "show", "invoke_metod"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("did you mean `invoke_method`?"), "{}", unknown.err);
    let schema = set.iotplay.run(&["schema"]);
    assert!(schema.out.contains("2020-12") && schema.out.contains("invoke_method"), "{}", schema.out);
}
