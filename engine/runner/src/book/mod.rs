//! The playbook as a person wrote it: a spanned tree (`Node`), decoded into types (`Play`, `Step`) with every error placed.

mod check;
mod filled;
mod node;
mod play;

pub use check::{Check, Known};
pub use filled::{Expression, Filled, Template};
pub use node::{Key, Node, NodeKind};
pub use play::{
    AbortAction, AbortIf, BetweenWaves, Body, Book, Failing, Gate, Offline, Order, Play, Retries, Rollout, Size, Step,
    Targets,
};
