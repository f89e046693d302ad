//! What is tried: one file per room, each with the languages that it reads.

mod hub;
mod mqtt;
mod playbook;
mod script;
mod session;
#[expect(clippy::module_inception, reason = "the file is named after the type it holds")]
mod target;
mod web;
mod wire;

pub use target::{Input, Target, Verdict, all, named};
