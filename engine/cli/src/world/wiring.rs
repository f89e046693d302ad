//! The only place that names every plugin: which verbs this binary has, and what they work on.

use std::rc::Rc;

use base::Clock;
use flow::Flow;
use iothub::HubClient;
use runner::{HubInfo, Inventory, Registry};
use script::Expressions;

/// The verbs, working on this hub.
pub(crate) fn registry(_client: &HubClient) -> Registry {
    Registry::new(&[&Flow])
}

/// The verbs for reading and checking playbooks: they know their parameters and have no hub to talk to.
pub(crate) fn vocabulary() -> Registry {
    Registry::new(&[&Flow])
}

/// The hub's devices.
pub(crate) fn inventory(_client: &HubClient, _info: HubInfo) -> Rc<dyn Inventory> {
    panic!()
}

/// The one expression set-up.
pub(crate) fn expressions() -> Expressions {
    Expressions::new(Clock::system())
}
