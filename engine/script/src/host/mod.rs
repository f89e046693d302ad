//! Loads scripts into bundles that never change, and calls what they registered.

mod builder;
mod bundle;
mod collect;
mod engine;
mod faults;
mod files;
mod load;
mod run;

pub use builder::{HostBuilder, ScriptHost};
pub(crate) use bundle::Origin;
pub use bundle::{Bundle, Handler, Registration};
pub use run::Script;
