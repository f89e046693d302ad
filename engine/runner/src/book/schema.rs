//! The JSON Schema (2020-12) of playbooks with the verbs of a registry, for editors that complete and check YAML. Verbs and the
//! keys of a fleet come from the very types that they are read into. Says less than the reader checks: expressions are text here.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::fleet::{AbortKeys, BetweenKeys, GroupKeys, RolloutKeys, TargetKeys, WindowKeys};
use super::keys;
use super::plays::From;
use super::steps::Wait;
use crate::{Action, Registry};

/// The schema of a playbook: one play or a list of plays.
pub fn schema(registry: &Registry) -> Value {
    let mut defs = common();
    let mut step = properties(keys::STEP, step_property, &mut defs);
    for (_, action) in registry.iter() {
        let verb = verb(&**action, &mut defs);
        step.insert(action.name().to_owned(), verb);
    }
    let bodies = registry.iter().map(|(_, action)| action.name()).chain(["block"]);
    let one_of: Vec<_> = bodies.map(|name| json!({ "required": [name] })).collect();
    let needs_block = json!({ "rescue": ["block"], "always": ["block"] });
    defs.insert(
        "step".into(),
        json!({
            "type": "object", "properties": step, "additionalProperties": false, "oneOf": one_of,
            "dependentRequired": needs_block,
        }),
    );
    defs.insert("steps".into(), json!({ "type": "array", "items": reference("step") }));
    let play = properties(keys::PLAY, play_property, &mut defs);
    defs.insert(
        "play".into(),
        json!({
            "type": "object",
            "properties": play,
            "additionalProperties": false,
            "oneOf": [{ "required": ["steps"] }, { "required": ["tasks"] }],
        }),
    );
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "iotplay playbook",
        "anyOf": [reference("play"), { "type": "array", "items": reference("play"), "minItems": 1 }],
        "$defs": defs,
    })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// The schema of a type, its own definitions among ours under its name.
fn of<T: JsonSchema>(name: &str, defs: &mut Map<String, Value>) -> Value {
    taken(SchemaGenerator::default().into_root_schema_for::<T>().to_value(), name, defs)
}

/// A verb's parameters, or what its short form takes.
fn verb(action: &dyn Action, defs: &mut Map<String, Value>) -> Value {
    let schema = taken(action.schema(), action.name(), defs);
    let needs_nothing = schema.get("required").and_then(Value::as_array).is_none_or(Vec::is_empty);
    let short = action.main().and_then(|main| schema.get("properties")?.get(main).cloned());
    let mut forms = vec![schema];
    // A map is always the parameters.
    forms.extend(short.map(|main| json!({ "allOf": [main, { "not": { "type": ["object", "null"] } }] })));
    if needs_nothing {
        forms.push(json!({ "type": "null" }));
    }
    json!({ "description": action.about(), "anyOf": forms })
}

/// A root schema as a part of ours.
fn taken(mut schema: Value, name: &str, defs: &mut Map<String, Value>) -> Value {
    let prefix = format!("{name}.");
    rename(&mut schema, &prefix);
    if let Some(own) = schema.as_object_mut().and_then(|it| {
        it.remove("$schema");
        it.remove("title");
        it.remove("$defs")
    }) {
        let own = own.as_object().cloned().unwrap_or_default();
        defs.extend(own.into_iter().map(|(name, it)| (format!("{prefix}{name}"), it)));
    }
    schema
}

/// Gives every reference into a schema's own definitions a prefix: two verbs may use one name for two things.
fn rename(value: &mut Value, prefix: &str) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(target)) = map.get_mut("$ref")
                && let Some(name) = target.strip_prefix("#/$defs/").filter(|name| *name != "steps")
            {
                *target = format!("#/$defs/{prefix}{name}");
            }
            map.values_mut().for_each(|value| rename(value, prefix));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| rename(value, prefix)),
        _ => {}
    }
}

/// A `${{ }}` in a text.
const TEMPLATE: &str = r"\$\{\{";
/// What an expression can name.
const NAME: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

fn common() -> Map<String, Value> {
    let defs = json!({
        "expression": { "description": "An expression.", "type": ["string", "boolean", "number"] },
        "duration": {
            "description": "A number of seconds, or a text such as `90s`, `1h30m`.",
            "anyOf": [{ "type": "number", "minimum": 0 }, { "type": "string", "pattern": r"^\s*[0-9]" }],
        },
        "filled_duration": { "anyOf": [reference("duration"), { "type": "string", "pattern": TEMPLATE }] },
        "texts": { "anyOf": [reference("text"), { "type": "array", "items": reference("text") }] },
        "text": { "description": "A text; plain numbers and words are texts too.", "type": ["string", "number", "boolean"] },
        "size": {
            "description": "A number of devices, a share such as `5%`, or `rest`.",
            "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": r"^([0-9.]+\s*%|rest)$" }],
        },
        "vars": { "type": "object", "propertyNames": { "pattern": NAME } },
    });
    defs.as_object().cloned().unwrap_or_default()
}

fn properties(
    keys: &[&str],
    property: fn(&str, &mut Map<String, Value>) -> Option<Value>,
    defs: &mut Map<String, Value>,
) -> Map<String, Value> {
    keys.iter().filter_map(|key| Some(((*key).to_owned(), property(key, defs)?))).collect()
}

/// The schema of a key that stands beside a verb.
fn step_property(key: &str, defs: &mut Map<String, Value>) -> Option<Value> {
    Some(match key {
        "name" => reference("text"),
        "register" => json!({ "type": "string", "pattern": NAME }),
        "loop" => json!({ "anyOf": [{ "type": "array" }, { "type": "string", "pattern": TEMPLATE }] }),
        "retries" => json!({ "type": "integer", "minimum": 0 }),
        "serial" => serial(),
        "throttle" => json!({ "type": "integer", "minimum": 1 }),
        "backoff" => json!({ "type": "number", "minimum": 1 }),
        "delay" => reference("duration"),
        "timeout" => reference("filled_duration"),
        "run_once" | "no_log" => json!({ "type": "boolean" }),
        "tags" => reference("texts"),
        "vars" => reference("vars"),
        "block" | "rescue" | "always" => reference("steps"),
        "offline" => json!({ "anyOf": [{ "enum": ["fail", "skip", "skip_step"] }, of::<Wait>("offline", defs)] }),
        "when" | "if" | "until" | "ignore_errors" | "failed_when" | "changed_when" => reference("expression"),
        _ => return None,
    })
}

fn serial() -> Value {
    json!({ "anyOf": [reference("size"), { "type": "array", "items": reference("size") }] })
}

/// The schema of a key of a play.
fn play_property(key: &str, defs: &mut Map<String, Value>) -> Option<Value> {
    Some(match key {
        "name" => reference("text"),
        "vars" => reference("vars"),
        "required" | "env" | "tags" => reference("texts"),
        "secrets" => json!({ "anyOf": [
            reference("texts"),
            { "type": "object", "additionalProperties": of::<From>("secrets", defs) },
        ] }),
        "targets" | "hosts" => json!({ "anyOf": [
            reference("text"), { "type": "array", "items": reference("text") }, of::<TargetKeys>("targets", defs),
        ] }),
        "serial" => serial(),
        "forks" => json!({ "type": "integer", "minimum": 1 }),
        "rollout" => of::<RolloutKeys>("rollout", defs),
        "abort_if" => of::<AbortKeys>("abort_if", defs),
        "between_waves" => of::<BetweenKeys>("between_waves", defs),
        "window" => of::<WindowKeys>("window", defs),
        "concurrency" => of::<GroupKeys>("concurrency", defs),
        "timeout" => reference("duration"),
        "success_if" => reference("expression"),
        "steps" | "tasks" | "before" | "after" | "on_abort" => reference("steps"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_schema() {
        let mut defs = Map::new();
        for key in keys::STEP {
            assert!(step_property(key, &mut defs).is_some(), "{key}");
        }
        for key in keys::PLAY {
            assert!(play_property(key, &mut defs).is_some(), "{key}");
        }
    }
}
