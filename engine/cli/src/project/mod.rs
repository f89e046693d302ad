//! What a folder and its environment say: which hub, which playbook, which handlers, whom to trust. Connects to nothing.

mod agent_settings;
mod bundle;
mod cases;
mod files;
mod outbox_setting;
mod plugins;
mod proxy;
mod resolve;
mod settings;

pub(crate) use agent_settings::AgentSettings;
pub(crate) use bundle::write as write_bundle;
pub(crate) use cases::{CasePath, case_files};
pub(crate) use files::{BUILT_IN, Found, Handlers, handlers, playbook, read, starters};
pub(crate) use outbox_setting::OutboxSetting;
pub(crate) use plugins::{PLUGINS, script_plugins};
pub(crate) use proxy::proxy_for;
pub(crate) use resolve::{
    Chosen, DEVICE_VARIABLE, SERVICE_VARIABLE, configured, device, hide, hide_given, needed, roots_for,
};
