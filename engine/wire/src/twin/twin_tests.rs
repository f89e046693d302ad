//! Tests of whole twins: who counts what up, what devices are told, what is refused without a trace.

use super::*;
use crate::{DeviceDocument, ModuleDocument};
use proptest::prelude::*;
use serde_json::json;
use std::time::{Duration, UNIX_EPOCH};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn fresh() -> Twin {
    Twin::new("d1".parse().unwrap(), at(0))
}

fn counters(twin: &Twin) -> (u64, String, u64, u64) {
    (twin.version(), twin.etag(), twin.desired().version(), twin.reported().version())
}

#[test]
fn a_fresh_twin_has_the_services_document() {
    let mut device = DeviceDocument::new("d1".parse().unwrap());
    device.etag = "NzM3MjE5MjY2".into();
    let stamp = "1970-01-01T00:00:00.0000000Z";
    assert_eq!(
        serde_json::to_string(&fresh().document(&device)).unwrap(),
        format!(
            r#"{{"deviceId":"d1","etag":"AAAAAAAAAAE=","deviceEtag":"NzM3MjE5MjY2","status":"enabled","statusUpdateTime":"0001-01-01T00:00:00Z","connectionState":"Disconnected","lastActivityTime":"0001-01-01T00:00:00Z","cloudToDeviceMessageCount":0,"authenticationType":"sas","x509Thumbprint":{{"primaryThumbprint":null,"secondaryThumbprint":null}},"modelId":"","version":2,"properties":{{"desired":{{"$metadata":{{"$lastUpdated":"{stamp}","$lastUpdatedVersion":1}},"$version":1}},"reported":{{"$metadata":{{"$lastUpdated":"{stamp}"}},"$version":1}}}},"capabilities":{{"iotEdge":false}}}}"#
        )
    );
    assert_eq!(fresh().device_view(), json!({"desired": {"$version": 1}, "reported": {"$version": 1}}));
    let module = ModuleDocument::new("d1".parse().unwrap(), "m".parse().unwrap());
    let document = Twin::new("d1/m".parse().unwrap(), at(0)).module_document(&module);
    let keys: Vec<_> = document.as_object().unwrap().keys().take(3).map(String::as_str).collect();
    assert_eq!(keys, ["deviceId", "moduleId", "etag"]);
    assert!(document.get("capabilities").is_none());
}

#[test]
fn each_write_counts_up_what_it_touches() {
    let mut twin = fresh();
    assert_eq!(counters(&twin), (2, "AAAAAAAAAAE=".into(), 1, 1));
    let changed = twin.patch_service(&json!({"tags": {"building": "43"}}), at(1)).unwrap();
    assert_eq!(changed, Changed::default());
    assert_eq!(counters(&twin), (3, "AAAAAAAAAAI=".into(), 1, 1));
    let changed = twin.patch_service(&json!({"properties": {"desired": {"a": 1, "b": null}}}), at(2)).unwrap();
    assert_eq!(changed.desired_patch, Some(json!({"a": 1, "b": null, "$version": 2})));
    assert_eq!(counters(&twin), (4, "AAAAAAAAAAM=".into(), 2, 1));
    assert_eq!(twin.patch_reported(br#"{"x":{"y":1}}"#, at(3)), Ok(2));
    assert_eq!(counters(&twin), (5, "AAAAAAAAAAM=".into(), 2, 2));
    assert_eq!(
        twin.device_view(),
        json!({"desired": {"a": 1, "$version": 2}, "reported": {"x": {"y": 1}, "$version": 2}})
    );
    assert_eq!(twin.patch_service(&json!({}), at(4)).unwrap(), Changed::default());
    assert_eq!(counters(&twin).0, 5);
}

#[test]
fn a_no_op_patch_is_told_all_the_same() {
    let mut twin = fresh();
    let patch = json!({"properties": {"desired": {"a": 1}}});
    twin.patch_service(&patch, at(1)).unwrap();
    let again = twin.patch_service(&patch, at(2)).unwrap();
    assert_eq!(again.desired_patch, Some(json!({"a": 1, "$version": 3})));
}

#[test]
fn a_fetched_twin_can_be_sent_back() {
    let mut twin = fresh();
    twin.patch_service(&json!({"tags": {"t": 1}, "properties": {"desired": {"a": 1}}}), at(1)).unwrap();
    let document = twin.document(&DeviceDocument::new("d1".parse().unwrap()));
    let changed = twin.replace_service(&document, at(2)).unwrap();
    assert_eq!(changed.desired_patch, Some(json!({"a": 1, "$version": 3})));
    assert_eq!(twin.tags(), json!({"t": 1}).as_object().unwrap());
}

#[test]
fn replacing_keeps_what_is_not_mentioned() {
    let mut twin = fresh();
    twin.patch_service(&json!({"tags": {"t": 1}, "properties": {"desired": {"a": 1, "b": 2}}}), at(1)).unwrap();
    let changed = twin.replace_service(&json!({"properties": {"desired": {"a": 1, "c": 100}}}), at(2)).unwrap();
    assert_eq!(changed.desired_patch, Some(json!({"a": 1, "b": null, "c": 100, "$version": 3})));
    assert_eq!(twin.tags().len(), 1);
    twin.patch_service(&json!({"tags": null, "properties": {"desired": null}}), at(3)).unwrap();
    assert!(twin.tags().is_empty() && twin.desired().properties().is_empty());
}

#[test]
fn a_refused_write_leaves_no_trace() {
    let mut twin = fresh();
    let before = twin.clone();
    for patch in [
        json!([]),
        json!({"tags": []}),
        json!({"properties": 1}),
        json!({"properties": {"desired": "x"}}),
        json!({"tags": {"a.b": 1}}),
        json!({"tags": {"ok": 1}, "properties": {"desired": {"$a": 1}}}),
        json!({"tags": {"a": "x".repeat(4096), "b": "x".repeat(4096)}, "properties": {"desired": {"ok": 1}}}),
    ] {
        assert_eq!(twin.patch_service(&patch, at(1)).unwrap_err().code, ErrorCode::ARGUMENT_INVALID, "{patch}");
        assert_eq!(twin.replace_service(&patch, at(1)).unwrap_err().code, ErrorCode::ARGUMENT_INVALID, "{patch}");
    }
    assert_eq!(twin.patch_reported(b"{", at(1)).unwrap_err().code, ErrorCode::FORMAT_ERROR);
    assert_eq!(twin.patch_reported(b"[]", at(1)).unwrap_err().code, ErrorCode::ARGUMENT_INVALID);
    assert_eq!(twin.patch_reported(br#"{"a":1,"$version":3}"#, at(1)).unwrap_err().code, ErrorCode::ARGUMENT_INVALID);
    assert_eq!(twin, before);
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1000i64..1000).prop_map(Value::from),
        "[a-z]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| proptest::collection::btree_map("[a-d]", inner, 0..4).prop_map(|m| json!(m)))
}

/// RFC 7396, in its own words.
fn merge_patch(target: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut target = target.as_object().cloned().unwrap_or_default();
    for (key, value) in patch {
        match value {
            Value::Null => drop(target.remove(key)),
            value => drop(target.insert(key.clone(), merge_patch(target.get(key).unwrap_or(&Value::Null), value))),
        }
    }
    Value::Object(target)
}

/// Metadata has exactly the properties' object tree.
fn same_shape(value: &Value, metadata: &Value) -> bool {
    let members = |value: &Value| -> Vec<String> {
        let mut keys: Vec<_> = value
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| key.clone())
            .filter(|key| !key.starts_with('$'))
            .collect();
        keys.sort();
        keys
    };
    let keys = members(value);
    keys == members(metadata)
        && metadata.get("$lastUpdated").is_some()
        && keys.iter().all(|key| same_shape(&value[key], &metadata[key]))
}

proptest! {
    #[test]
    fn patches_are_json_merge_patches(patches in proptest::collection::vec(json_value(), 1..6)) {
        let mut twin = fresh();
        let mut expected = json!({});
        for patch in patches.iter().filter(|patch| patch.is_object()) {
            twin.patch_reported(patch.to_string().as_bytes(), at(1)).unwrap();
            twin.patch_service(&json!({"tags": patch, "properties": {"desired": patch}}), at(1)).unwrap();
            expected = merge_patch(&expected, patch);
        }
        let expected = expected.as_object().unwrap();
        prop_assert_eq!(twin.reported().properties(), expected);
        prop_assert_eq!(twin.desired().properties(), expected);
        prop_assert_eq!(twin.tags(), expected);
        for section in [twin.reported().to_json_service(), twin.desired().to_json_service()] {
            prop_assert!(same_shape(&section, &section["$metadata"]), "{}", section);
        }
        let text: Value = serde_json::from_slice(&twin.device_json()).unwrap();
        prop_assert_eq!(text, twin.device_view());
        let stored: Twin = serde_json::from_slice(&serde_json::to_vec(&twin).unwrap()).unwrap();
        prop_assert_eq!(stored, twin);
    }
}
