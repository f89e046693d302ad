//! `plugin.yaml`: the verbs of a script plugin, their effects and parameters. Values are checked against it when a playbook is
//! read, and again when a `${{ }}` is filled.

use std::sync::Arc;

use base::{Diagnostics, Source, did_you_mean, parse_duration};
use indexmap::IndexMap;
use script::Expressions;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::book::{Check, Known, read_yaml};

/// A plugin's verbs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) name: Arc<str>,
    pub(super) verbs: IndexMap<Arc<str>, VerbManifest>,
}

/// One verb.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerbManifest {
    pub(super) about: Arc<str>,
    /// Undeclared means `changes`.
    #[serde(default)]
    pub(super) effect: EffectWord,
    /// The script's file, beside `plugin.yaml`.
    pub(super) script: Arc<str>,
    /// The parameter that a bare value stands for.
    pub(super) main: Option<Arc<str>>,
    #[serde(default)]
    pub(super) parameters: IndexMap<Arc<str>, Parameter>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum EffectWord {
    Reads,
    #[default]
    Changes,
}

/// One parameter: required when it has no default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameter {
    #[serde(rename = "type", default)]
    pub(super) kind: Kind,
    pub(super) default: Option<Value>,
    #[serde(default)]
    pub(super) about: Arc<str>,
}

/// What a value must be.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    #[default]
    Any,
    Text,
    Number,
    Bool,
    List,
    Map,
    Duration,
}

impl Kind {
    pub(super) fn fits(self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::Text => value.is_string(),
            Self::Number => value.is_number(),
            Self::Bool => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Map => value.is_object(),
            Self::Duration => match value {
                Value::Number(number) => number.as_f64().is_some_and(|seconds| seconds >= 0.0),
                Value::String(text) => parse_duration(text).is_ok(),
                _ => false,
            },
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Any => "a value",
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Bool => "`true` or `false`",
            Self::List => "a list",
            Self::Map => "a map",
            Self::Duration => "a duration: `90s`, `1h30m` or a number of seconds",
        }
    }

    fn schema(self) -> Value {
        match self {
            Self::Any => json!({}),
            Self::Text => json!({ "type": "string" }),
            Self::Number => json!({ "type": ["number", "string"] }),
            Self::Bool => json!({ "type": ["boolean", "string"] }),
            Self::List => json!({ "type": ["array", "string"] }),
            Self::Map => json!({ "type": ["object", "string"] }),
            Self::Duration => json!({ "type": ["number", "string"] }),
        }
    }
}

impl Manifest {
    /// Reads `plugin.yaml`.
    ///
    /// # Errors
    /// Every finding of the file at its place.
    pub(super) fn read(source: &Source, expressions: &Expressions) -> Result<Self, Diagnostics> {
        let mut found = Diagnostics::default();
        let node = read_yaml(source, &mut found)?;
        let known = Known::default();
        let mut check = Check::new(source, &mut found, &known, expressions);
        let Some(manifest) = check.decode::<Self>(&node) else { return Err(found) };
        for (name, verb) in &manifest.verbs {
            let place = node.get("verbs").and_then(|verbs| verbs.get(name)).map_or(node.span, |verb| verb.span);
            if let Some(main) = verb.main.as_ref().filter(|main| !verb.parameters.contains_key(*main)) {
                check.error(place, format!("`main` of {name} is `{main}`, and that is none of its parameters"));
            }
            for (parameter, it) in &verb.parameters {
                if it.default.as_ref().is_some_and(|default| !it.kind.fits(default)) {
                    check.error(place, format!("the default of `{parameter}` of {name} is not {}", it.kind.words()));
                }
            }
        }
        if found.has_errors() { Err(found) } else { Ok(manifest) }
    }
}

impl VerbManifest {
    /// The JSON Schema of the parameters.
    pub(super) fn schema(&self) -> Value {
        let property = |(name, it): (&Arc<str>, &Parameter)| {
            let mut schema = it.kind.schema();
            schema["description"] = json!(it.about);
            if let Some(default) = &it.default {
                schema["default"] = default.clone();
            }
            (name.to_string(), schema)
        };
        let required: Vec<_> =
            self.parameters.iter().filter(|(_, it)| it.default.is_none()).map(|(name, _)| name).collect();
        let properties: Map<String, Value> = self.parameters.iter().map(property).collect();
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    }

    /// The parameter closest to a misspelt one.
    pub(super) fn near(&self, typed: &str) -> Option<&str> {
        did_you_mean(typed, self.parameters.keys().map(|name| &**name))
    }
}
