//! Script plugins: a folder with a `plugin.yaml` and scripts makes verbs out of other verbs, without a compiler. The scripts see
//! one device and call verbs on it through the very step that runs them.

mod bridge;
mod functions;
mod local;
mod manifest;
mod plugin;
mod serve;
mod verb;

pub use local::LocalScript;
pub use plugin::ScriptPlugin;
