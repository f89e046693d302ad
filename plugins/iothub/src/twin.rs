//! Twins as playbooks see them, and what a patch would change in one.

use serde_json::{Map, Value, json};

/// What the service adds to a section.
const METADATA: &str = "$metadata";
const VERSION: &str = "$version";

fn own_members(section: Option<&Value>) -> Value {
    let members = section.and_then(Value::as_object).into_iter().flatten();
    Value::Object(
        members.filter(|(key, _)| *key != METADATA && *key != VERSION).map(|(k, v)| (k.clone(), v.clone())).collect(),
    )
}

/// `{ id, tags, desired, reported, status, connection_state, last_activity_time, version, etag, properties }` of the service's document; `properties`
/// is as the service has it, with metadata and versions.
pub(crate) fn twin_value(document: &Value) -> Value {
    let of = |key: &str| document.get(key).cloned().unwrap_or(Value::Null);
    let section = |key: &str| own_members(document.get("properties").and_then(|properties| properties.get(key)));
    json!({
        "id": of("deviceId"),
        "tags": own_members(document.get("tags")),
        "desired": section("desired"),
        "reported": section("reported"),
        "status": of("status"),
        "connection_state": of("connectionState"),
        "last_activity_time": of("lastActivityTime"),
        "version": of("version"),
        "etag": of("etag"),
        "properties": of("properties"),
    })
}

/// Grows with every change of the twin.
pub(crate) fn twin_version(document: &Value) -> u64 {
    document.get("version").and_then(Value::as_u64).unwrap_or(0)
}

/// The part of a merge patch that would change `current`.
pub(crate) fn differing(current: &Map<String, Value>, patch: &Map<String, Value>) -> Map<String, Value> {
    let part = |(key, wanted): (&String, &Value)| {
        let part = match (current.get(key), wanted) {
            (None, Value::Null) => None,
            (Some(Value::Object(current)), Value::Object(wanted)) => {
                let below = differing(current, wanted);
                (!below.is_empty()).then_some(Value::Object(below))
            }
            (Some(current), wanted) if current == wanted => None,
            (_, wanted) => Some(without_nulls(wanted)),
        };
        part.map(|part| (key.clone(), part))
    };
    patch.iter().filter_map(part).collect()
}

/// A value that comes where nothing was to be merged into: a null inside would take away what is not there.
fn without_nulls(wanted: &Value) -> Value {
    match wanted {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        other => other.clone(),
    }
}

/// The changes of a [`differing`] patch, one after the other: `desired.interval: 10 -> 30`.
pub(crate) fn describe(at: &str, current: &Map<String, Value>, patch: &Map<String, Value>, into: &mut Vec<String>) {
    for (key, wanted) in patch {
        let path = format!("{at}.{key}");
        match (current.get(key), wanted) {
            (Some(Value::Object(current)), Value::Object(wanted)) => describe(&path, current, wanted, into),
            (current, wanted) => {
                let shown = |value: Option<&Value>| match value {
                    None | Some(Value::Null) => "none".to_owned(),
                    Some(value) => value.to_string(),
                };
                into.push(format!("{path}: {} -> {}", shown(current), shown(Some(wanted))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(members) = value else { panic!("an object") };
        members
    }

    #[test]
    fn a_twin_has_its_sections_at_hand() {
        let document = json!({
            "deviceId": "d", "etag": "e", "status": "enabled", "connectionState": "Connected", "version": 7, "tags": {"t": 1},
            "properties": {
                "desired": {"a": 1, "$metadata": {}, "$version": 2},
                "reported": {"b": {"c": 2}, "$metadata": {}, "$version": 3},
            },
        });
        let value = twin_value(&document);
        assert_eq!(value["desired"], json!({"a": 1}));
        assert_eq!(value["reported"], json!({"b": {"c": 2}}));
        assert_eq!(value["properties"], document["properties"]);
        let rest = json!([
            value["id"],
            value["tags"],
            value["status"],
            value["connection_state"],
            value["version"],
            value["etag"]
        ]);
        assert_eq!(rest, json!(["d", {"t": 1}, "enabled", "Connected", 7, "e"]));
        assert_eq!(twin_version(&document), 7);
        assert_eq!(twin_value(&json!({}))["tags"], json!({}));
    }

    #[test]
    fn only_what_differs_is_sent() {
        let current = object(json!({"a": 1, "b": {"x": 1, "y": [1, 2]}, "c": "s"}));
        for (patch, part, words) in [
            (json!({"a": 1, "b": {"x": 1}, "c": "s", "d": null}), json!({}), ""),
            (json!({"a": 2, "c": null}), json!({"a": 2, "c": null}), "p.a: 1 -> 2, p.c: \"s\" -> none"),
            (json!({"b": {"x": 1, "y": [1], "z": null}}), json!({"b": {"y": [1]}}), "p.b.y: [1,2] -> [1]"),
            (json!({"a": {"q": 1}, "n": {}}), json!({"a": {"q": 1}, "n": {}}), "p.a: 1 -> {\"q\":1}, p.n: none -> {}"),
            (
                json!({"a": {"q": 1, "r": null}, "n": {"x": null, "y": {"z": null}}}),
                json!({"a": {"q": 1}, "n": {"y": {}}}),
                "p.a: 1 -> {\"q\":1}, p.n: none -> {\"y\":{}}",
            ),
        ] {
            let differing = differing(&current, &object(patch.clone()));
            let mut said = Vec::new();
            describe("p", &current, &differing, &mut said);
            assert_eq!((Value::Object(differing), said.join(", ").as_str()), (part, words), "{patch}");
        }
    }

    fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
        for (key, value) in patch {
            match (target.get_mut(key), value) {
                (_, Value::Null) => drop(target.shift_remove(key)),
                (Some(Value::Object(below)), Value::Object(patch)) => merge(below, patch),
                (_, Value::Object(patch)) => {
                    let mut below = Map::new();
                    merge(&mut below, patch);
                    target.insert(key.clone(), Value::Object(below));
                }
                (_, value) => drop(target.insert(key.clone(), value.clone())),
            }
        }
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), (0..3).prop_map(Value::from)];
        leaf.prop_recursive(3, 12, 3, |inner| {
            proptest::collection::btree_map("[a-c]", inner, 0..3).prop_map(|m| json!(m))
        })
    }

    proptest! {
        #[test]
        fn the_part_does_what_the_whole_does(current in tree(), patch in tree()) {
            let (Value::Object(current), Value::Object(patch)) = (current, patch) else { return Ok(()) };
            let mut base = Map::new();
            merge(&mut base, &current);
            let part = differing(&base, &patch);
            let (mut whole, mut less) = (base.clone(), base.clone());
            merge(&mut whole, &patch);
            merge(&mut less, &part);
            prop_assert_eq!(&whole, &less);
        }
    }
}
