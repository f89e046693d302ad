//! A script that is a step: Rhai in a file beside the playbook, or in the playbook itself. It sees the names that the step sees,
//! works on the step's own device, and its last value is the step's.

use base::{Diagnostics, Source, Span};
use script::Script;

use super::bridge::Bridge;
use super::functions::{BESIDE, host};
use super::serve::run;
use crate::book::{Check, Node, known_name, own_text};
use crate::scripted::check as check_calls;
use crate::{Class, Effect, Failure, Outcome, Registry, StepContext};

/// A compiled script of a playbook.
pub struct LocalScript {
    verb: &'static str,
    script: Script,
    source: Source,
    /// It stands in the playbook itself: its places are places of the playbook.
    inline: bool,
    /// The place of the file's name, or of the text.
    span: Span,
    registry: Registry,
    effect: Effect,
    /// The names that it uses of those that the step sees, with their bytes in the source.
    names: Vec<(String, usize)>,
}

impl LocalScript {
    /// A file beside the playbook. `None`, with findings, when it cannot be read or run.
    pub fn file(name: &str, span: Span, check: &mut Check<'_>) -> Option<Self> {
        let source = check.file(name, span)?;
        Self::compile(source, span, false, check)
    }

    /// The text of a scalar of the playbook.
    pub fn inline(node: &Node, check: &mut Check<'_>) -> Option<Self> {
        let source = own_text(node, check.source);
        Self::compile(source, node.span, true, check)
    }

    fn compile(source: Source, span: Span, inline: bool, check: &mut Check<'_>) -> Option<Self> {
        let (verb, _) = check.verb?;
        let Some(shelf) = check.shelf else {
            check.error(span, format!("`{verb}` belongs in a playbook"));
            return None;
        };
        let registry = shelf.registry.clone();
        let known: Vec<&str> = check.known.names.iter().map(String::as_str).collect();
        let compiled = host(&registry, check.expressions.clock()).script(&source, &[], &known);
        let found = match &compiled {
            Ok(script) => check_calls(script, &source, &registry, check.expressions, &BESIDE),
            Err(found) => found.clone(),
        };
        let good = !found.has_errors();
        report(found, inline, check);
        let script = compiled.ok().filter(|_| good)?;
        let (names, paths) = script.uses();
        let place = if inline { check.source.place(span) } else { source.place(Span::default()) };
        if !check.uses(paths, &place) {
            return None;
        }
        let changes = |name: &str| registry.get(name).is_some_and(|action| action.effect() == Effect::Changes);
        let effect =
            if script.calls().iter().any(|call| changes(&call.name)) { Effect::Changes } else { Effect::Reads };
        Some(Self { verb, script, source, inline, span, registry, effect, names })
    }

    /// `Changes` when it calls a verb that does.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Runs it on the step's device; in a rehearsal nothing that changes is sent, and what would be is said.
    pub async fn run(&self, step: &StepContext<'_>) -> Outcome {
        self.perform(step).await.unwrap_or_else(Outcome::Failed)
    }

    async fn perform(&self, step: &StepContext<'_>) -> Result<Outcome, Failure> {
        let mut variables = Vec::with_capacity(self.names.len());
        for (name, at) in &self.names {
            let Some(value) = step.scope.get(name) else {
                let at = if self.inline { Span::new(*at, at + name.len()) } else { self.span };
                return Err(Failure {
                    span: Some(at),
                    ..Failure::new(Class::Failed, format!("unknown name `{name}`"))
                });
            };
            variables.push((name.clone(), value.flatten()));
        }
        let bridge = Bridge::new(self.verb, self.effect, &self.source, &self.registry, step);
        let bridge = if self.inline { bridge.in_playbook() } else { bridge };
        run(&self.script, bridge, variables, step).await
    }
}

/// Findings of the script as findings of the playbook: unknown names as expressions have them, places in the playbook's text.
fn report(found: Diagnostics, inline: bool, check: &mut Check<'_>) {
    for mut finding in found.0 {
        let name = finding.message.strip_prefix("unknown name `").and_then(|rest| rest.strip_suffix('`'));
        if let (Some(name), Some(place)) = (name, finding.place.clone()) {
            let source = if inline { check.source } else { &place.source };
            finding = known_name(name, source, check).at(place);
        }
        match finding.place.clone() {
            Some(place) if inline => check.push(finding, place.span),
            _ if check.found.0.contains(&finding) => {}
            _ => check.found.push(finding),
        }
    }
}
