//! `script: fix.rhai`, or the code itself: logic that YAML should not carry. It sees the names that the step sees, verbs are
//! functions on the step's own device, its last value is the step's. Compiling and running is the runner's.

use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use runner::book::{Check, Node};
use runner::{Action, Effect, LocalScript, Outcome, Ready, StepContext};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;
use serde_json::Value;

/// Which script.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// A file of Rhai beside the playbook.
    file: Option<Arc<str>>,
    /// Rhai itself.
    code: Option<Arc<str>>,
}

struct Script;

pub(crate) fn verb() -> Rc<dyn Action> {
    Rc::new(Script)
}

impl Action for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    fn about(&self) -> &'static str {
        "runs Rhai for the device: a file, or the code itself"
    }

    // Of a step, what the script calls decides.
    fn effect(&self) -> Effect {
        Effect::Changes
    }

    fn schema(&self) -> Value {
        SchemaGenerator::default().into_root_schema_for::<Parameters>().to_value()
    }

    fn main(&self) -> Option<&'static str> {
        Some("code")
    }

    fn positional(&self) -> &'static [&'static str] {
        &["code"]
    }

    fn check(&self, parameters: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        let given = check.decode::<Parameters>(parameters)?;
        let node = |key| parameters.get(key).unwrap_or(parameters);
        let script = match (given.file, given.code) {
            (Some(file), None) => LocalScript::file(&file, node("file").span, check),
            // The short form of a file; no code looks like that.
            (None, Some(code)) if is_file(&code) => LocalScript::file(code.trim(), node("code").span, check),
            (None, Some(_)) => LocalScript::inline(node("code"), check),
            _ => {
                let span = check.verb.map_or(parameters.span, |(_, span)| span);
                check.error(
                    span,
                    "`script` is a file or code: `script: fix.rhai`, or `script: |` and the code under it",
                );
                None
            }
        };
        script.map(|script| Box::new(Running(script)) as Box<dyn Ready>)
    }
}

/// `fix.rhai`, `scripts/fix.rhai`
fn is_file(text: &str) -> bool {
    let text = text.trim();
    text.ends_with(".rhai") && !text.contains(|c: char| c.is_whitespace() || "();{}\"'`".contains(c))
}

struct Running(LocalScript);

impl Ready for Running {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(self.0.run(step))
    }

    fn repeatable(&self) -> bool {
        self.0.effect() == Effect::Reads
    }

    fn effect(&self) -> Option<Effect> {
        Some(self.0.effect())
    }

    fn scripted(&self) -> bool {
        true
    }

    fn rehearses(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_looks_like_one() {
        for (text, file) in [
            ("fix.rhai", true),
            ("a/../b-1.rhai\n", true),
            ("log(x.rhai)", false),
            ("let a = b.rhai", false),
            ("1", false),
        ] {
            assert_eq!(is_file(text), file, "{text}");
        }
    }
}
