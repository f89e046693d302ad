//! A compiled expression: its text, the names and paths it uses, and the two sides of its comparison.

use std::fmt;
use std::sync::Arc;

use rhai::AST;

use super::Expressions;
use super::compare::{Comparison, comparison};
use crate::Written;

/// A compiled expression; cheap to clone.
#[derive(Clone)]
pub struct Expr(pub(super) Arc<Compiled>);

pub(super) struct Compiled {
    pub(super) text: String,
    pub(super) ast: AST,
    pub(super) names: Vec<(String, usize)>,
    pub(super) paths: Vec<String>,
    pub(super) calls: Vec<Written>,
    pub(super) home: Expressions,
}

impl Expr {
    /// The text as it was written.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The names that must come from outside, each with the byte offset of its first use.
    pub fn names(&self) -> &[(String, usize)] {
        &self.0.names
    }

    /// The dotted chains that start at such a name: `twin.reported.rebootTime`; up to an index or a call.
    pub fn paths(&self) -> &[String] {
        &self.0.paths
    }

    /// The functions it calls, with their arguments as far as they are written out.
    pub fn calls(&self) -> &[Written] {
        &self.0.calls
    }

    /// The two sides and the operator, when the whole expression is one comparison: to show both values in a message.
    pub fn comparison(&self) -> Option<(Self, &'static str, Self)> {
        let Comparison { left, operator, right } = comparison(&self.0.text)?;
        let side = |text: &str| self.0.home.compile(text).ok();
        Some((side(left)?, operator, side(right)?))
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expr").field(&self.0.text).finish()
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Expr {}
