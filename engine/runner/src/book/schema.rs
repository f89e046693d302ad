//! The JSON Schema of playbooks, for editors: the keys of plays and steps, and each verb's own parameters. It helps while typing; what
//! counts is the check at load, which knows more than a schema can say.

use serde_json::{Map, Value, json};

use super::keys;
use crate::{Action, Registry};

/// The dialect that verbs generate their schemas in.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of a file with the verbs of this registry: one play or a list of plays.
pub fn schema(registry: &Registry) -> Value {
    let mut defs = Map::new();
    let mut step: Map<String, Value> = keys::STEP.iter().map(|key| ((*key).to_owned(), step_key(key))).collect();
    for (_, action) in registry.iter() {
        step.insert(action.name().to_owned(), verb(&**action, &mut defs));
    }
    let play: Map<String, Value> = keys::PLAY.iter().map(|key| ((*key).to_owned(), play_key(key))).collect();
    defs.insert("expression".to_owned(), json!({ "type": ["string", "boolean"], "description": "a Rhai expression" }));
    defs.insert(
        "duration".to_owned(),
        json!({ "type": ["string", "number"], "description": "90s, 1h30m, 250ms, or a number of seconds" }),
    );
    defs.insert("steps".to_owned(), json!({ "type": "array", "items": { "$ref": "#/$defs/step" } }));
    defs.insert("step".to_owned(), json!({ "type": "object", "properties": step, "additionalProperties": false }));
    defs.insert("play".to_owned(), json!({ "type": "object", "properties": play, "additionalProperties": false }));
    json!({
        "$schema": DIALECT,
        "title": "iotplay playbook",
        "anyOf": [{ "$ref": "#/$defs/play" }, { "type": "array", "items": { "$ref": "#/$defs/play" } }],
        "$defs": defs,
    })
}

fn step_key(key: &str) -> Value {
    match key {
        "when" | "if" | "until" | "ignore_errors" | "failed_when" | "changed_when" => {
            json!({ "$ref": "#/$defs/expression" })
        }
        "delay" | "timeout" => json!({ "$ref": "#/$defs/duration" }),
        "retries" | "throttle" => json!({ "type": "integer", "minimum": 0 }),
        "backoff" => json!({ "type": "number", "minimum": 1 }),
        "run_once" | "no_log" => json!({ "type": "boolean" }),
        "name" | "register" => json!({ "type": "string" }),
        "vars" => json!({ "type": "object" }),
        "block" | "rescue" | "always" => json!({ "$ref": "#/$defs/steps" }),
        _ => json!({}),
    }
}

fn play_key(key: &str) -> Value {
    match key {
        "steps" | "tasks" | "before" | "after" | "on_abort" => json!({ "$ref": "#/$defs/steps" }),
        "name" => json!({ "type": "string" }),
        "vars" | "secrets" => json!({ "type": "object" }),
        "required" | "env" => json!({ "type": "array", "items": { "type": "string" } }),
        "forks" => json!({ "type": "integer", "minimum": 1 }),
        "success_if" => json!({ "$ref": "#/$defs/expression" }),
        "timeout" => json!({ "$ref": "#/$defs/duration" }),
        _ => json!({}),
    }
}

/// A verb's parameters, or the bare value that stands for the main one. Its own definitions move to the root, where references
/// of the whole document look for them.
fn verb(action: &dyn Action, defs: &mut Map<String, Value>) -> Value {
    let mut parameters = action.schema();
    if let Some(object) = parameters.as_object_mut() {
        object.remove("$schema");
        if let Some(Value::Object(own)) = object.remove("$defs") {
            for (name, mut definition) in own {
                rename(&mut definition, action.name());
                defs.insert(format!("{}.{name}", action.name()), definition);
            }
        }
    }
    rename(&mut parameters, action.name());
    let short = match action.main() {
        Some(_) => json!({ "type": ["string", "number", "boolean", "array", "null"] }),
        None => json!({ "type": "null" }),
    };
    json!({ "description": action.about(), "anyOf": [parameters, short] })
}

fn rename(value: &mut Value, verb: &str) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields.iter_mut() {
                match field {
                    Value::String(target) if key == "$ref" => {
                        *target = target.replace("#/$defs/", &format!("#/$defs/{verb}."));
                    }
                    field => rename(field, verb),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, verb)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_follow_their_definitions() {
        let mut value = json!({ "items": [{ "$ref": "#/$defs/Text" }], "name": "#/$defs/Text" });
        rename(&mut value, "log");
        assert_eq!(value, json!({ "items": [{ "$ref": "#/$defs/log.Text" }], "name": "#/$defs/Text" }));
    }

    #[test]
    fn every_key_of_the_language_is_in_it() {
        let schema = schema(&Registry::default());
        for (level, keys) in [("step", keys::STEP), ("play", keys::PLAY)] {
            for key in keys {
                assert!(schema["$defs"][level]["properties"].get(key).is_some(), "{level}.{key}");
            }
        }
    }
}
