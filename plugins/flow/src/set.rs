//! `set: { name: value }`: keeps values of this device under names that later expressions use.

use std::rc::Rc;

use base::Diagnostic;
use futures_util::future::LocalBoxFuture;
use indexmap::IndexMap;
use runner::book::{Check, Filled, Node, is_name};
use runner::{Action, Outcome, Ready, StepContext};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::verb::{Parameters, Verb};

/// Names with values.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Set(#[schemars(with = "Map<String, Value>")] IndexMap<String, Filled<Value>>);

pub(crate) fn verb() -> Rc<dyn Action> {
    Rc::new(Verb::<Set>::new("set", "keeps values of the device under names", None))
}

impl Parameters for Set {
    fn ready(self, node: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        let mut good = true;
        for (key, _) in node.entries().iter().filter(|(key, _)| !is_name(&key.text)) {
            let finding =
                Diagnostic::error(format!("`{}` is not a name: expressions know letters, digits and _", key.text));
            check.push(finding, key.span);
            good = false;
        }
        good.then(|| Box::new(self) as Box<dyn Ready>)
    }
}

impl Ready for Set {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(async move {
            let mut values = Map::new();
            for (name, value) in &self.0 {
                match step.fill(value) {
                    Ok(value) => values.insert(name.clone(), value),
                    Err(failure) => return failure.into(),
                };
            }
            Outcome::read(Value::Object(values))
        })
    }

    fn sets(&self) -> bool {
        true
    }
}
