//! A verb of this plugin from its parts: a name, a sentence, an effect, and a parameter struct that becomes ready to run.

use std::marker::PhantomData;
use std::rc::Rc;

use runner::book::{Check, Node};
use runner::{Action, Effect, Ready};
use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::add_device::AddDevice;
use super::get_twin::GetTwin;
use super::invoke_method::InvokeMethod;
use super::patch_twin::PatchTwin;
use super::query::Query;
use super::remove_device::RemoveDevice;
use super::set_device_status::SetDeviceStatus;
use crate::door::Door;

/// All verbs.
pub(crate) fn all(door: &Door) -> Vec<Rc<dyn Action>> {
    vec![
        verb::<InvokeMethod>(door),
        verb::<GetTwin>(door),
        verb::<PatchTwin>(door),
        verb::<Query>(door),
        verb::<AddDevice>(door),
        verb::<RemoveDevice>(door),
        verb::<SetDeviceStatus>(door),
    ]
}

fn verb<P: Parameters>(door: &Door) -> Rc<dyn Action> {
    Rc::new(Verb::<P> { door: door.clone(), parameters: PhantomData })
}

/// Parameters of a verb: everything that is fixed about it, and how they become ready.
pub(super) trait Parameters: DeserializeOwned + JsonSchema + 'static {
    const NAME: &'static str;
    const ABOUT: &'static str;
    const EFFECT: Effect;
    /// What a bare scalar stands for.
    const MAIN: Option<&'static str> = None;
    /// What its Rhai function takes by place.
    const POSITIONAL: &'static [&'static str] = &[];
    /// Whether it is about one device that the hub knows.
    const ON_DEVICE: bool = true;

    /// Checks what only the whole can tell; findings go into `check`.
    fn ready(self, door: Door, node: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>>;
}

struct Verb<P> {
    door: Door,
    parameters: PhantomData<fn() -> P>,
}

impl<P: Parameters> Action for Verb<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn about(&self) -> &'static str {
        P::ABOUT
    }

    fn effect(&self) -> Effect {
        P::EFFECT
    }

    fn schema(&self) -> Value {
        SchemaGenerator::default().into_root_schema_for::<P>().to_value()
    }

    fn main(&self) -> Option<&'static str> {
        P::MAIN
    }

    fn on_device(&self) -> bool {
        P::ON_DEVICE
    }

    fn positional(&self) -> &'static [&'static str] {
        P::POSITIONAL
    }

    fn check(&self, parameters: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        check.decode::<P>(parameters)?.ready(self.door.clone(), parameters, check)
    }
}
