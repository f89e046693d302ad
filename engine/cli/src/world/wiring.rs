//! The only place that names every plugin: which verbs this binary has, and what they work on.

use std::path::Path;
use std::rc::Rc;

use base::Clock;
use flow::Flow;
use iothub::{HubClient, IotHub};
use runner::{HubInfo, Inventory, Plugin, Registry, ScriptPlugin};
use script::Expressions;

use crate::process::Trouble;
use crate::project;

/// The verbs, working on this hub, and its devices.
pub(crate) fn on_hub(
    client: &HubClient,
    info: &HubInfo,
    plugins: &Path,
) -> Result<(Registry, Rc<dyn Inventory>), Trouble> {
    let iothub = IotHub::new(client.clone(), info.title.as_str());
    let inventory = iothub.inventory().expect("a plugin on a hub has an inventory");
    Ok((with_script_plugins(&[&iothub, &Flow], plugins)?, inventory))
}

/// The verbs for reading and checking playbooks: they know their parameters and have no hub to talk to.
pub(crate) fn vocabulary() -> Result<Registry, Trouble> {
    with_script_plugins(&[&IotHub::without_hub(), &Flow], Path::new(project::PLUGINS))
}

/// These plugins, and the script plugins of this folder; each may use the verbs of those before it.
fn with_script_plugins(native: &[&dyn Plugin], plugins: &Path) -> Result<Registry, Trouble> {
    let clock = Clock::system();
    let mut made: Vec<ScriptPlugin> = Vec::new();
    let registry = |made: &[ScriptPlugin]| {
        let all: Vec<&dyn Plugin> =
            native.iter().copied().chain(made.iter().map(|plugin| plugin as &dyn Plugin)).collect();
        Registry::new(&all)
    };
    for plugin in project::script_plugins(plugins)? {
        let read = |name: &str| plugin.script(name);
        let loaded = ScriptPlugin::load(&plugin.manifest, &read, &registry(&made), &clock);
        made.push(loaded.map_err(Trouble::invalid)?);
    }
    Ok(registry(&made))
}

/// The one expression set-up.
pub(crate) fn expressions() -> Expressions {
    Expressions::new(Clock::system())
}
