//! `iotplay plugins list|show`: the verbs that playbooks can use, as the registry holds them.

use base::did_you_mean;
use runner::{Action, Effect};

use crate::args::PluginsCommand;
use crate::process::{CommandResult, Exit, Stdout, Trouble};
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
        Stdout::line(&format!("{:width$}  {plugin:7}  {:7}  {}", action.name(), effect(&**action), action.about()));
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
    Stdout::line(&format!("{}: {}", action.name(), action.about()));
    Stdout::line(&format!("effect: {}", effect(&**action)));
    if let Some(main) = action.main() {
        Stdout::line(&format!("short form: `{name}: VALUE` is `{name}: {{ {main}: VALUE }}`"));
    }
    let schema = serde_json::to_string_pretty(&action.schema()).expect("a schema is JSON");
    Stdout::line(&format!("parameters: {schema}"));
    Ok(Exit::OK)
}

fn effect(action: &dyn Action) -> &'static str {
    match action.effect() {
        Effect::Reads => "reads",
        Effect::Changes => "changes",
    }
}
