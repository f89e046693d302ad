//! Verbs for tests of the book: parameters like those of the real ones, and a run that does nothing.

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use iotplay_runner::book::{Check, DurationText, Expression, Filled, Node, OneOrMany, Template};
use iotplay_runner::{Action, Effect, Outcome, Plugin, Ready, Registry, StepContext};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// `get_twin`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// `invoke_method`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "decoded, never run")]
pub(crate) struct Invoke {
    name: Filled<String>,
    payload: Option<Filled<Value>>,
    #[schemars(with = "Option<DurationText>")]
    response_timeout: Option<Filled<Duration>>,
    #[serde(default)]
    accept: OneOrMany<Value>,
    #[serde(default)]
    idempotent: bool,
    #[serde(default)]
    via: Via,
    tries: Option<u8>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Via {
    #[default]
    Call,
    Job,
}

/// `log`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "decoded, never run")]
pub(crate) struct Log {
    text: Template,
}

/// `wait_until`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "decoded, never run")]
pub(crate) struct Wait {
    that: Expression,
    #[schemars(with = "Option<DurationText>")]
    every: Option<Duration>,
}

/// `set`.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
#[expect(dead_code, reason = "decoded, never run")]
pub(crate) struct Set(#[schemars(with = "Map<String, Value>")] indexmap::IndexMap<String, Template>);

struct Verb<P> {
    name: &'static str,
    main: Option<&'static str>,
    effect: Effect,
    sets: bool,
    parameters: std::marker::PhantomData<P>,
}

impl<P: DeserializeOwned + JsonSchema + 'static> Action for Verb<P> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        "for tests"
    }

    fn effect(&self) -> Effect {
        self.effect
    }

    fn schema(&self) -> Value {
        SchemaGenerator::default().into_root_schema_for::<P>().to_value()
    }

    fn main(&self) -> Option<&'static str> {
        self.main
    }

    fn positional(&self) -> &'static [&'static str] {
        &[]
    }

    fn check(&self, parameters: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        let (sets, name) = (self.sets, self.name);
        let idempotent = parameters.get("idempotent").is_some_and(|it| it.scalar() == Some("true"));
        let doubtful = self.effect == Effect::Changes && !idempotent;
        check
            .decode::<P>(parameters)
            .map(|_| Box::new(Idle { sets, doubtful, fails: name == "fail" }) as Box<dyn Ready>)
    }
}

struct Idle {
    sets: bool,
    doubtful: bool,
    fails: bool,
}

impl Ready for Idle {
    fn run<'a>(&'a self, _: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(async { Outcome::read(Value::Null) })
    }

    fn sets(&self) -> bool {
        self.sets
    }

    fn repeatable(&self) -> bool {
        !self.doubtful
    }

    fn fails(&self) -> bool {
        self.fails
    }
}

struct Verbs;

fn verb<P: DeserializeOwned + JsonSchema + 'static>(
    name: &'static str,
    main: Option<&'static str>,
    effect: Effect,
) -> Rc<dyn Action> {
    Rc::new(Verb::<P> { name, main, effect, sets: name == "set", parameters: std::marker::PhantomData })
}

impl Plugin for Verbs {
    fn name(&self) -> &'static str {
        "test"
    }

    fn actions(&self) -> Vec<Rc<dyn Action>> {
        vec![
            verb::<Nothing>("get_twin", None, Effect::Reads),
            verb::<Invoke>("invoke_method", None, Effect::Changes),
            verb::<Log>("log", Some("text"), Effect::Reads),
            verb::<Log>("fail", Some("text"), Effect::Reads),
            verb::<Wait>("wait_until", Some("that"), Effect::Reads),
            verb::<Set>("set", None, Effect::Reads),
        ]
    }
}

/// The verbs above.
pub(crate) fn registry() -> Registry {
    Registry::new(&[&Verbs])
}
