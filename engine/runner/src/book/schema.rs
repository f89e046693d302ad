//! The JSON Schema (2020-12) of playbooks with the verbs of a registry, for editors that complete and check YAML. Says less
//! than the reader checks: expressions are text here.

use serde_json::{Map, Value, json};

use super::keys;
use crate::{Action, Registry};

/// The schema of a playbook: one play or a list of plays.
pub fn schema(registry: &Registry) -> Value {
    let mut defs = common();
    let mut step = step_properties();
    for (_, action) in registry.iter() {
        step.insert(action.name().to_owned(), verb(&**action, &mut defs));
    }
    let verbs: Vec<_> = registry.iter().map(|(_, action)| json!({ "required": [action.name()] })).collect();
    let mut one_of = verbs;
    one_of.push(json!({ "required": ["block"] }));
    defs.insert(
        "step".into(),
        json!({ "type": "object", "properties": step, "additionalProperties": false, "oneOf": one_of }),
    );
    defs.insert("steps".into(), json!({ "type": "array", "items": reference("step") }));
    defs.insert(
        "play".into(),
        json!({
            "type": "object",
            "properties": play_properties(),
            "additionalProperties": false,
            "anyOf": [{ "required": ["steps"] }, { "required": ["tasks"] }],
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

/// A verb's parameters, or what its short form takes.
fn verb(action: &dyn Action, defs: &mut Map<String, Value>) -> Value {
    let mut schema = action.schema();
    let prefix = format!("{}.", action.name());
    rename(&mut schema, &prefix);
    if let Some(own) = schema.as_object_mut().and_then(|it| {
        it.remove("$schema");
        it.remove("title");
        it.remove("$defs")
    }) {
        let own = own.as_object().cloned().unwrap_or_default();
        defs.extend(own.into_iter().map(|(name, it)| (format!("{prefix}{name}"), it)));
    }
    let mut forms = vec![schema.clone()];
    match action.main().and_then(|main| schema.get("properties")?.get(main).cloned()) {
        Some(main) => forms.push(main),
        None => forms.push(json!({ "type": "null" })),
    }
    json!({ "description": action.about(), "anyOf": forms })
}

/// Gives every reference into a verb's own definitions the verb's prefix: two verbs may use one name for two things.
fn rename(value: &mut Value, prefix: &str) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(target)) = map.get_mut("$ref")
                && let Some(name) = target.strip_prefix("#/$defs/")
            {
                *target = format!("#/$defs/{prefix}{name}");
            }
            map.values_mut().for_each(|value| rename(value, prefix));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| rename(value, prefix)),
        _ => {}
    }
}

fn common() -> Map<String, Value> {
    let defs = json!({
        "expression": { "description": "An expression.", "type": ["string", "boolean"] },
        "duration": { "description": "A number of seconds, or a text such as `90s`, `1h30m`.", "type": ["number", "string"] },
        "texts": { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
        "size": { "description": "A number of devices, a share such as `5%`, or `rest`.", "type": ["integer", "string"] },
        "vars": { "type": "object", "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" } },
    });
    defs.as_object().cloned().unwrap_or_default()
}

/// The schema of each key that stands beside a verb.
fn step_properties() -> Map<String, Value> {
    keys::STEP.iter().map(|key| ((*key).to_owned(), step_property(key))).collect()
}

fn step_property(key: &str) -> Value {
    match key {
        "name" => json!({ "type": "string" }),
        "register" => json!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" }),
        "loop" => json!({ "type": ["array", "string"] }),
        "retries" => json!({ "type": "integer", "minimum": 0 }),
        "throttle" => json!({ "type": "integer", "minimum": 1 }),
        "backoff" => json!({ "type": "number", "minimum": 1 }),
        "delay" | "timeout" => reference("duration"),
        "run_once" | "no_log" => json!({ "type": "boolean" }),
        "tags" => reference("texts"),
        "vars" => reference("vars"),
        "block" | "rescue" | "always" => reference("steps"),
        "offline" => json!({ "anyOf": [
            { "enum": ["fail", "skip", "skip_step"] },
            { "type": "object", "properties": { "wait": reference("duration") }, "required": ["wait"], "additionalProperties": false },
        ] }),
        _ => reference("expression"),
    }
}

/// The schema of each key of a play.
fn play_properties() -> Map<String, Value> {
    keys::PLAY.iter().map(|key| ((*key).to_owned(), play_property(key))).collect()
}

fn play_property(key: &str) -> Value {
    match key {
        "name" => json!({ "type": "string" }),
        "vars" => reference("vars"),
        "required" | "env" | "tags" => reference("texts"),
        "secrets" => json!({ "type": ["object", "array"] }),
        "targets" | "hosts" => json!({ "type": ["object", "array", "string"] }),
        "serial" => json!({ "anyOf": [reference("size"), { "type": "array", "items": reference("size") }] }),
        "forks" => json!({ "type": "integer", "minimum": 1 }),
        "timeout" => reference("duration"),
        "success_if" => reference("expression"),
        "steps" | "tasks" | "before" | "after" | "on_abort" => reference("steps"),
        // `rollout`, `abort_if`, `between_waves`.
        _ => json!({ "type": "object" }),
    }
}
