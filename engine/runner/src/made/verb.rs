//! A verb whose run is a script: parameters checked against the manifest, then the script in a coroutine, its calls served by
//! the step that runs it.

use base::{Clock, Diagnostic, Diagnostics, Source, Span};
use futures_util::future::LocalBoxFuture;
use script::{Expressions, Script};
use serde_json::{Map, Value, json};
use std::cell::OnceCell;

use super::bridge::Bridge;
use super::functions::{BESIDE, host};
use super::manifest::{EffectWord, Kind, VerbManifest};
use super::plugin::kept;
use super::serve::run;
use crate::book::{Check, Node, Template};
use crate::scripted::check as check_calls;
use crate::{Action, Class, Effect, Failure, Outcome, Ready, Registry, StepContext};

/// The names that a script has in sight.
pub(super) const NAMES: [&str; 2] = ["device", "parameters"];

/// A verb of a script plugin.
pub(super) struct MadeVerb {
    name: &'static str,
    about: &'static str,
    main: Option<&'static str>,
    positional: &'static [&'static str],
    manifest: VerbManifest,
    source: Source,
    registry: Registry,
    clock: Clock,
    script: OnceCell<Result<Script, Diagnostics>>,
}

impl MadeVerb {
    pub(super) fn new(
        name: &'static str,
        manifest: VerbManifest,
        source: Source,
        registry: Registry,
        clock: Clock,
    ) -> Self {
        let main = manifest.main.as_ref().map(kept);
        Self {
            name,
            about: kept(&manifest.about),
            main,
            positional: main.map_or(&[], |main| Box::leak(Box::new([main]))),
            manifest,
            source,
            registry,
            clock,
            script: OnceCell::new(),
        }
    }

    fn effect(&self) -> Effect {
        if self.manifest.effect == EffectWord::Reads { Effect::Reads } else { Effect::Changes }
    }

    /// The script, its calls checked.
    fn compile(&self, expressions: &Expressions) -> Result<Script, Diagnostics> {
        let script = host(&self.registry, &self.clock).script(&self.source, &[], &NAMES)?;
        let found = check_calls(&script, &self.source, &self.registry, expressions, &BESIDE);
        if found.has_errors() { Err(found) } else { Ok(script) }
    }

    /// The parameters that are given and those that have a default.
    fn parameters(&self, node: &Node, at: Span, check: &mut Check<'_>) -> Option<Vec<Given>> {
        let mut given = Vec::new();
        let mut good = true;
        for (key, value) in node.entries() {
            let Some(parameter) = self.manifest.parameters.get(&key.text) else {
                let finding = Diagnostic::error(format!("unknown key `{}`", key.text))
                    .note(format!("not a key of {}", self.name));
                let near = self.manifest.near(&key.text).map(|near| format!("did you mean `{near}`?"));
                check.push(finding.help(near.unwrap_or_default()), key.span);
                good = false;
                continue;
            };
            let Some(template) = check.template(value) else {
                good = false;
                continue;
            };
            if template.constant().is_some_and(|it| !parameter.kind.fits(it)) {
                let finding = Diagnostic::error(format!("`{}`: expected {}", key.text, parameter.kind.words()));
                check.push(finding.note(value.what()), value.span);
                good = false;
            }
            given.push(Given { name: key.text.to_string(), kind: parameter.kind, value: template });
        }
        for (name, parameter) in &self.manifest.parameters {
            if given.iter().any(|given| given.name == **name) {
                continue;
            }
            match &parameter.default {
                Some(default) => {
                    let value = Template::of(default.clone(), at);
                    given.push(Given { name: name.to_string(), kind: parameter.kind, value });
                }
                None => {
                    check.error(at, format!("`{name}` is missing"));
                    good = false;
                }
            }
        }
        good.then_some(given)
    }
}

/// A parameter with its value.
struct Given {
    name: String,
    kind: Kind,
    value: Template,
}

impl Action for MadeVerb {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn effect(&self) -> Effect {
        self.effect()
    }

    fn schema(&self) -> Value {
        self.manifest.schema()
    }

    fn main(&self) -> Option<&'static str> {
        self.main
    }

    fn positional(&self) -> &'static [&'static str] {
        self.positional
    }

    fn check(&self, parameters: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        let at = check.verb.map_or(parameters.span, |(_, span)| span);
        let given = self.parameters(parameters, at, check);
        let compiled = self.script.get_or_init(|| self.compile(check.expressions));
        let script = match compiled {
            Ok(script) => script.clone(),
            Err(found) => {
                found
                    .0
                    .iter()
                    .filter(|it| !check.found.0.contains(it))
                    .cloned()
                    .collect::<Vec<_>>()
                    .into_iter()
                    .for_each(|finding| check.found.push(finding));
                return None;
            }
        };
        let ready = Made {
            name: self.name,
            effect: self.effect(),
            script,
            source: self.source.clone(),
            registry: self.registry.clone(),
            given: given?,
        };
        Some(Box::new(ready))
    }
}

/// A checked call of the verb.
struct Made {
    name: &'static str,
    effect: Effect,
    script: Script,
    source: Source,
    registry: Registry,
    given: Vec<Given>,
}

impl Made {
    async fn perform(&self, step: &StepContext<'_>) -> Result<Outcome, Failure> {
        let mut parameters = Map::new();
        for given in &self.given {
            let value = given.value.fill_value(step.scope, step.expressions)?;
            if !given.kind.fits(&value) {
                let message = format!("{}: `{}` is {value}, not {}", self.name, given.name, given.kind.words());
                return Err(Failure { span: Some(given.value.span()), ..Failure::new(Class::Failed, message) });
            }
            parameters.insert(given.name.clone(), value);
        }
        let mut device = step.target.attributes.as_object().cloned().unwrap_or_else(Map::new);
        device.insert("id".into(), json!(step.target.id));
        let values = [Value::Object(device), Value::Object(parameters)];
        let variables = NAMES.map(str::to_owned).into_iter().zip(values.iter().map(script::from_json)).collect();
        let bridge = Bridge::new(self.name, self.effect, &self.source, &self.registry, step);
        run(&self.script, bridge, variables, step).await
    }
}

impl Ready for Made {
    fn run<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(async move { self.perform(step).await.unwrap_or_else(Outcome::Failed) })
    }

    fn repeatable(&self) -> bool {
        self.effect == Effect::Reads
    }

    fn scripted(&self) -> bool {
        true
    }

    fn rehearses(&self) -> bool {
        true
    }
}
