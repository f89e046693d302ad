//! What a folder and its environment say: which hub, which playbook, which handlers, whom to trust. Connects to nothing.

mod bundle;
mod files;
mod plugins;
mod proxy;
mod resolve;
mod settings;

pub(crate) use bundle::write as write_bundle;
pub(crate) use files::{BUILT_IN, Found, Handlers, handlers, playbook, read, starters};
pub(crate) use plugins::{PLUGINS, script_plugins};
pub(crate) use proxy::proxy_for;
pub(crate) use resolve::{
    Chosen, DEVICE_VARIABLE, SERVICE_VARIABLE, configured, device, hide, hide_given, needed, roots_for,
};
pub(crate) use settings::{AgentTransport, Settings};
