//! The Rhai host: load, sandbox, call, suspend, reload. Knows nothing of IoT.

/// Any value of a script.
pub use rhai::Dynamic;

/// A compiled expression.
#[derive(Debug)]
pub struct Expr;

/// The one expression set-up of playbooks, runner scripts and handlers.
#[derive(Debug)]
pub struct Expressions;
