//! Verbs that the language has and this version does not: named, so that a playbook using one is refused in so many words.

use std::rc::Rc;

use runner::book::{Check, Node};
use runner::{Action, Effect, Ready};
use serde_json::{Value, json};

struct Later(&'static str, &'static str);

pub(crate) fn verbs() -> Vec<Rc<dyn Action>> {
    vec![Rc::new(Later("script", "runs a Rhai script for the device (not supported yet)"))]
}

impl Action for Later {
    fn name(&self) -> &'static str {
        self.0
    }

    fn about(&self) -> &'static str {
        self.1
    }

    fn effect(&self) -> Effect {
        Effect::Changes
    }

    fn schema(&self) -> Value {
        json!({ "not": {} })
    }

    fn main(&self) -> Option<&'static str> {
        None
    }

    fn positional(&self) -> &'static [&'static str] {
        &[]
    }

    fn check(&self, parameters: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        let span = check.verb.map_or(parameters.span, |(_, span)| span);
        check.error(span, format!("the verb `{}` is not supported yet", self.0));
        None
    }
}
