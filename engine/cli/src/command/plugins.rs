//! `iotplay plugins list|show`: the verbs that playbooks can use, as the registry holds them.

use base::did_you_mean;
use runner::{Action, Effect};

use crate::args::PluginsCommand;
use crate::process::{CommandResult, Exit, Trouble, out};
use crate::world;

/// Prints them on stdout.
pub(crate) fn run(command: &PluginsCommand) -> CommandResult {
    match command {
        PluginsCommand::List => list(),
        PluginsCommand::Show { name } => show(name),
    }
}

fn list() -> CommandResult {
    let registry = world::vocabulary()?;
    let width = registry.iter().map(|(_, action)| action.name().len()).max().unwrap_or(0);
    for (plugin, action) in registry.iter() {
        out(&format!("{:width$}  {plugin:7}  {:7}  {}", action.name(), effect(&**action), action.about()));
    }
    Ok(Exit::OK)
}

fn show(name: &str) -> CommandResult {
    let registry = world::vocabulary()?;
    let Some(action) = registry.get(name) else {
        let trouble = Trouble::usage(format!("no verb is called `{name}`"));
        let names: Vec<&str> = registry.iter().map(|(_, action)| action.name()).collect();
        return Err(match did_you_mean(name, names.iter().copied()) {
            Some(near) => trouble.help(format!("did you mean `{near}`?")),
            None => trouble.help(format!("there are {}", names.join(", "))),
        });
    };
    out(&format!("{}: {}", action.name(), action.about()));
    out(&format!("effect: {}", effect(&**action)));
    if let Some(main) = action.main() {
        out(&format!("short form: `{}: VALUE` is `{}: {{ {main}: VALUE }}`", action.name(), action.name()));
    }
    let schema = serde_json::to_string_pretty(&action.schema()).expect("a schema is JSON");
    out(&format!("parameters: {schema}"));
    Ok(Exit::OK)
}

fn effect(action: &dyn Action) -> &'static str {
    match action.effect() {
        Effect::Reads => "reads",
        Effect::Changes => "changes",
    }
}
