//! The only place that names every plugin: which verbs this binary has, and what they work on.

use std::rc::Rc;

use base::{Clock, Source};
use flow::Flow;
use iothub::{HubClient, IotHub};
use runner::{HubInfo, Inventory, Plugin, Registry, ScriptPlugin};
use script::Expressions;

/// The verbs, working on this hub, and its devices.
pub(crate) fn on_hub(client: &HubClient, info: &HubInfo) -> (Registry, Rc<dyn Inventory>) {
    let iothub = IotHub::new(client.clone(), info.title.as_str());
    let inventory = iothub.inventory().expect("a plugin on a hub has an inventory");
    (with_made(&[&iothub, &Flow]), inventory)
}

/// The verbs for reading and checking playbooks: they know their parameters and have no hub to talk to.
pub(crate) fn vocabulary() -> Registry {
    with_made(&[&IotHub::without_hub(), &Flow])
}

/// The verbs of these plugins, and those that the script plugin of this repository makes of them.
fn with_made(plugins: &[&dyn Plugin]) -> Registry {
    let manifest = Source::new("plugins/reboot/plugin.yaml", include_str!("../../../../plugins/reboot/plugin.yaml"));
    let script =
        |_: &str| Ok(Source::new("plugins/reboot/reboot.rhai", include_str!("../../../../plugins/reboot/reboot.rhai")));
    let made = ScriptPlugin::load(&manifest, &script, &Registry::new(plugins), &Clock::system())
        .expect("the plugin that is compiled in was loaded by a test");
    Registry::new(&[plugins, &[&made]].concat())
}

/// The one expression set-up.
pub(crate) fn expressions() -> Expressions {
    Expressions::new(Clock::system())
}
