//! The one language of playbooks, runner scripts and handlers: Rhai with `'text'`, `and or not null`, chains over what
//! is missing, and a handful of functions. No host, no calls: only how text is read and what it means.

mod functions;
mod missing;
mod replacing;
mod rewrite;
mod setup;
mod slips;
mod text;
mod version;

pub(crate) use functions::{functions, refuse, seconds};
pub(crate) use missing::name_of;
pub(crate) use rewrite::rewrite;
pub(crate) use setup::{Limits, SharedModule, parser, runtime, standard};
pub(crate) use slips::{decapitalize, explain, offset};
pub(crate) use text::{Piece, pieces};
pub(crate) use version::Version;
