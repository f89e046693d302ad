//! The playbook as a person wrote it: a spanned tree (`Node`), decoded into types (`Play`, `Step`) with every error placed.
//!
//! YAML -> `yaml` -> [`Node`] -> `reader` (serde) and `expression`, `template` (compiled at load) -> `steps`, `plays` ->
//! [`Book`]. [`Check`] carries the findings along; a plugin's verb decodes its parameters through it.

mod access;
mod check;
mod code;
mod decode;
mod doubts;
mod expression;
mod extra;
mod filled;
mod fleet;
mod handed;
mod included;
mod keys;
mod misfit;
mod names;
mod node;
mod origin;
mod play;
mod plays;
mod read;
mod reader;
mod scan;
mod schema;
mod shelf;
mod steps;
mod template;
mod traps;
mod verbs;
mod walk;
mod window;
mod words;
mod yaml;

pub use check::{Check, Known};
pub(crate) use code::own_text;
pub use expression::{Expression, FillError, Sides};
pub use extra::{extra_vars, parse_extra};
pub use filled::{DurationText, Filled, OneOrMany};
pub(crate) use names::unknown as known_name;
pub use node::{Key, Node, NodeKind};
pub use play::{
    AbortAction, AbortIf, BetweenWaves, Body, Book, Failing, Gate, Offline, Order, Play, Retries, Rollout, SecretFrom,
    Size, Step, Targets,
};
pub use read::{read, read_from};
pub use schema::schema;
pub use shelf::Find;
pub use steps::is_name;
pub use template::Template;
pub use window::{Opening, Window};
pub use yaml::read_yaml;
