//! What a play's `vars`, `env` and `secret` come to: defaults, `-e` over them, templates over earlier ones. What needs no
//! device is filled once and shared by all of them.

use base::{Diagnostic, did_you_mean};
use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::book::{Book, Play, Template};
use crate::{ExtraVar, RunOptions, Scope};

/// The names that all devices of a play share.
pub(super) struct Values<'a> {
    /// Filled: constants, and templates over what is shared.
    pub(super) vars: IndexMap<&'a str, Value>,
    /// Templates that name something of the device: filled as each device starts.
    pub(super) own: Vec<(&'a str, &'a Template)>,
    /// `env`: the listed ones; absent ones are null.
    pub(super) env: Value,
    /// `secret`.
    pub(super) secrets: Value,
}

/// Checks `-e` against what the plays declare: nothing may be misspelt, nothing required may be missing.
pub(super) fn check_extra(book: &Book, options: &RunOptions) -> Result<(), Diagnostic> {
    let declared = |play: &Play, name: &str| play.vars.keys().chain(&play.required).any(|known| known.as_ref() == name);
    for (name, _) in &options.vars {
        if !book.plays.iter().any(|play| declared(play, name)) {
            let known = book.plays.iter().flat_map(|play| play.vars.keys().chain(&play.required)).map(AsRef::as_ref);
            let close = did_you_mean(name, known).map(|close| format!("did you mean `-e {close}=..`?"));
            return Err(Diagnostic::error(format!(
                "-e {name}: no play of {} has a variable `{name}`",
                book.source.name()
            ))
            .help(close.unwrap_or_default())
            .help(format!("variables are declared with their defaults: `vars: {{ {name}: .. }}`")));
        }
    }
    let given = |name: &str| options.vars.iter().any(|(known, _)| known == name);
    let missing = book.plays.iter().flat_map(|play| &play.required).find(|name| !given(name));
    missing.map_or(Ok(()), |name| {
        Err(Diagnostic::error(format!("the variable `{name}` is required and was not given"))
            .help(format!("-e {name}=VALUE")))
    })
}

impl<'a> Values<'a> {
    /// Fills what is shared. `secrets` are fetched already.
    pub(super) fn new(
        play: &'a Play,
        secrets: Map<String, Value>,
        options: &RunOptions,
        expressions: &script::Expressions,
    ) -> Result<Self, Diagnostic> {
        let env =
            play.env.iter().map(|name| (name.to_string(), (options.env)(name).map_or(Value::Null, Value::String)));
        let mut values = Self {
            vars: IndexMap::new(),
            own: Vec::new(),
            env: Value::Object(env.collect()),
            secrets: Value::Object(secrets),
        };
        for (name, template) in &play.vars {
            values.add(name, template, options, expressions)?;
        }
        for name in &play.required {
            if let Some(extra) = extra(name, options) {
                values
                    .vars
                    .insert(name, typed(extra, None).map_err(|why| Diagnostic::error(format!("-e {name}: {why}")))?);
            }
        }
        Ok(values)
    }

    fn add(
        &mut self,
        name: &'a str,
        template: &'a Template,
        options: &RunOptions,
        expressions: &script::Expressions,
    ) -> Result<(), Diagnostic> {
        if let Some(extra) = extra(name, options) {
            let value =
                typed(extra, template.constant()).map_err(|why| Diagnostic::error(format!("-e {name}: {why}")))?;
            self.vars.insert(name, value);
            return Ok(());
        }
        let shared = template.expressions().iter().all(|expression| {
            expression.roots().all(|root| matches!(root, "env" | "secret" | "vars") || self.vars.contains_key(root))
        });
        if !shared
            || !self.own.is_empty() && template.expressions().iter().any(|it| it.roots().any(|root| root == "vars"))
        {
            self.own.push((name, template));
            return Ok(());
        }
        let value = template.fill_value(self, expressions).map_err(|error| {
            error.help.iter().fold(Diagnostic::error(error.message.clone()), |found, help| found.help(help))
        })?;
        self.vars.insert(name, value);
        Ok(())
    }
}

/// What a play shares, as a scope of its own: for templates over earlier variables.
impl Scope for Values<'_> {
    fn get(&self, name: &str) -> Option<script::Dynamic> {
        match name {
            "env" => Some(script::from_json(&self.env)),
            "secret" => Some(script::from_json(&self.secrets)),
            "vars" => Some(script::from_json(&all(self.vars.iter().map(|(name, value)| (*name, value))))),
            _ => self.vars.get(name).map(script::from_json),
        }
    }
}

/// Many names as one map.
pub(super) fn all<'v>(values: impl Iterator<Item = (&'v str, &'v Value)>) -> Value {
    Value::Object(values.map(|(name, value)| (name.to_owned(), value.clone())).collect())
}

fn extra<'o>(name: &str, options: &'o RunOptions) -> Option<&'o ExtraVar> {
    options.vars.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// `-e k=v` takes the type of the default: a number stays a number, `true` a bool, a list or map is read as JSON.
fn typed(extra: &ExtraVar, default: Option<&Value>) -> Result<Value, String> {
    let text = match extra {
        ExtraVar::Value(value) => return Ok(value.clone()),
        ExtraVar::Text(text) => text,
    };
    let read = |what: &str, fits: fn(&Value) -> bool| {
        serde_json::from_str::<Value>(text)
            .ok()
            .filter(fits)
            .ok_or_else(|| format!("`{text}` is not {what}, as its default is"))
    };
    match default {
        Some(Value::Bool(_)) => match text.as_str() {
            "yes" | "on" => Ok(Value::Bool(true)),
            "no" | "off" => Ok(Value::Bool(false)),
            _ => read("true or false", Value::is_boolean),
        },
        Some(Value::Number(_)) => read("a number", Value::is_number),
        Some(Value::Array(_)) => read("a list", Value::is_array),
        Some(Value::Object(_)) => read("a map", Value::is_object),
        Some(Value::Null | Value::String(_)) | None => Ok(Value::String(text.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_default_decides_the_type() {
        for (text, default, expected) in [
            ("5", Some(json!("x")), Ok(json!("5"))),
            ("5", Some(json!(1)), Ok(json!(5))),
            ("5.5", Some(json!(1)), Ok(json!(5.5))),
            ("five", Some(json!(1)), Err(())),
            ("true", Some(json!(false)), Ok(json!(true))),
            ("no", Some(json!(true)), Ok(json!(false))),
            ("maybe", Some(json!(true)), Err(())),
            ("[1]", Some(json!([])), Ok(json!([1]))),
            ("1", Some(json!([])), Err(())),
            ("{\"a\":1}", Some(json!({})), Ok(json!({ "a": 1 }))),
            ("5", None, Ok(json!("5"))),
            ("5", Some(Value::Null), Ok(json!("5"))),
        ] {
            let got = typed(&ExtraVar::Text(text.into()), default.as_ref()).map_err(|_| ());
            assert_eq!(got, expected, "{text} over {default:?}");
        }
        assert_eq!(typed(&ExtraVar::Value(json!(5)), Some(&json!("x"))), Ok(json!(5)));
    }
}
