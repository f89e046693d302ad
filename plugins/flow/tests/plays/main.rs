//! Whole plays with the verbs of `flow` that the runner has a part in: approvals, scripts, included files.

mod approve;
mod include;
mod script;
mod stage;
