//! What a play's `vars`, `env` and `secret` come to: defaults, `-e` over them, templates over earlier ones. What needs no
//! device is filled once and shared by all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::Diagnostic;
use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::book::{Play, Template};
use crate::{RunOptions, Scope};

/// What an earlier process of the run has filled.
pub(super) type Known = BTreeMap<String, Value>;

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

impl<'a> Values<'a> {
    /// No names at all: a script's steps have none.
    pub(super) fn empty() -> Self {
        let (env, secrets) = (Value::Object(Map::new()), Value::Object(Map::new()));
        Self { vars: IndexMap::new(), own: Vec::new(), env, secrets }
    }

    /// What a resumed run must see again: what is shared.
    pub(super) fn kept(&self) -> Map<String, Value> {
        self.vars.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    /// Fills what is shared: `vars` are the play's with `-e` over them and `known` of an earlier process; `secrets` are fetched already.
    pub(super) fn new(
        play: &Play,
        (vars, known): (&'a IndexMap<Arc<str>, Template>, Option<&Known>),
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
        for (name, template) in vars {
            match known.and_then(|known| known.get(&**name)) {
                // As they were when the run began: `now()` must not move on.
                Some(value) => drop(values.vars.insert(name, value.clone())),
                None => values.add(name, template, expressions)?,
            }
        }
        Ok(values)
    }

    fn add(
        &mut self,
        name: &'a str,
        template: &'a Template,
        expressions: &script::Expressions,
    ) -> Result<(), Diagnostic> {
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
