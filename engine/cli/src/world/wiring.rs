//! The only place that names every plugin: which verbs this binary has, and what they work on.

use std::rc::Rc;

use base::Clock;
use flow::Flow;
use iothub::{HubClient, IotHub};
use runner::{HubInfo, Inventory, Plugin as _, Registry};
use script::Expressions;

/// The verbs, working on this hub, and its devices.
pub(crate) fn on_hub(client: &HubClient, info: &HubInfo) -> (Registry, Rc<dyn Inventory>) {
    let iothub = IotHub::new(client.clone(), info.title.as_str());
    let inventory = iothub.inventory().expect("a plugin on a hub has an inventory");
    (Registry::new(&[&iothub, &Flow]), inventory)
}

/// The verbs for reading and checking playbooks: they know their parameters and have no hub to talk to.
pub(crate) fn vocabulary() -> Registry {
    Registry::new(&[&IotHub::without_hub(), &Flow])
}

/// The one expression set-up.
pub(crate) fn expressions() -> Expressions {
    Expressions::new(Clock::system())
}
