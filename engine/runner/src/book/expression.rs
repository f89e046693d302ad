//! A bare expression (`when`, `until`, `wait_until`), compiled at load: its names are checked, its errors stand at their
//! place in the file. Evaluates against a device's [`Scope`]; does not decide what a false one means.

use std::fmt;
use std::sync::Arc;

use base::{Diagnostic, Span};
use script::{Dynamic, Expr, ExprError, Expressions, Names};
use serde::de::{Deserialize, Deserializer, Visitor};
use serde_json::Value;
use thiserror::Error;

use super::origin::Origin;
use super::{Check, Node, NodeKind, handed, names};
use crate::{Failure, Scope};

/// What could not be filled or evaluated on one device, and where it stands in the playbook.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct FillError {
    /// One sentence; the device's id is put before it by whoever prints.
    pub message: String,
    /// The place in the playbook.
    pub span: Span,
    /// What to do.
    pub help: Vec<String>,
}

impl From<FillError> for Failure {
    fn from(error: FillError) -> Self {
        Self { span: Some(error.span), help: error.help, ..Self::new(crate::Class::Failed, error.message) }
    }
}

/// A bare expression (`when`, `until`, `wait_until`), compiled.
#[derive(Clone)]
pub struct Expression {
    expr: Arc<Expr>,
    origin: Origin,
    /// Where the expression starts in the scalar's value.
    start: usize,
}

impl Expression {
    /// Compiles a scalar. `${{ }}` around the whole is allowed and means nothing.
    pub(crate) fn compile(node: &Node, check: &mut Check<'_>) -> Option<Self> {
        let Some(text) = node.scalar() else {
            let hint =
                if node.is_null() { "nothing stands here" } else { "put it between quotes if it starts with { or [" };
            check.push(Diagnostic::error("expected an expression").note(hint), node.span);
            return None;
        };
        let origin = match &node.kind {
            NodeKind::Text(..) => Origin::new(check.source.text(), node.span, text),
            _ => Origin::whole(node.span),
        };
        let range = bare(text);
        Self::new(&text[range.clone()], origin, range.start, check)
    }

    /// Compiles `text`, which starts at `start` of the scalar that `origin` belongs to.
    pub(crate) fn new(text: &str, origin: Origin, start: usize, check: &mut Check<'_>) -> Option<Self> {
        if text.trim().is_empty() {
            check.push(Diagnostic::error("the expression is empty"), origin.span(start, start + text.len()));
            return None;
        }
        match check.expressions.compile(text) {
            Ok(expr) => {
                let compiled = Self { expr: Arc::new(expr), origin, start };
                names::check(&compiled, check).then_some(compiled)
            }
            Err(error) => {
                let at = start + error.offset.min(text.len());
                let span = origin.span(at, at + text[at - start..].chars().next().map_or(0, char::len_utf8));
                let shown = Diagnostic::error(error.message).note("in this expression");
                check.push(error.help.into_iter().fold(shown, Diagnostic::help), span);
                None
            }
        }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        self.expr.text().trim()
    }

    /// The whole of it in the file.
    pub fn span(&self) -> Span {
        let text = self.expr.text();
        let lead = text.len() - text.trim_start().len();
        self.at(lead, text.trim_end().len())
    }

    /// A part of it in the file.
    pub(crate) fn at(&self, start: usize, end: usize) -> Span {
        self.origin.span(self.start + start, self.start + end)
    }

    /// The compiled form.
    pub fn expr(&self) -> &Expr {
        &self.expr
    }

    /// The dotted paths it reads: `twin.reported.rebootTime`.
    pub fn paths(&self) -> Vec<String> {
        self.expr.paths().iter().map(ToString::to_string).collect()
    }

    /// The first names of its paths: `twin`.
    pub fn roots(&self) -> impl Iterator<Item = &str> {
        self.expr.names().iter().map(|(name, _)| name.as_str())
    }

    /// Its value on a device.
    pub fn value(&self, scope: &dyn Scope, expressions: &Expressions) -> Result<Dynamic, FillError> {
        expressions.eval(&self.expr, &AsNames(scope)).map_err(|error| self.failed(error))
    }

    /// Its value as JSON.
    pub fn json(&self, scope: &dyn Scope, expressions: &Expressions) -> Result<Value, FillError> {
        self.value(scope, expressions).map(|value| script::to_json(&value))
    }

    /// Whether it holds: `()` is false, anything else that is not a bool is an error.
    pub fn test(&self, scope: &dyn Scope, expressions: &Expressions) -> Result<bool, FillError> {
        let value = self.value(scope, expressions)?;
        if value.is_unit() {
            return Ok(false);
        }
        value.as_bool().map_err(|kind| FillError {
            message: format!("`{}` gives {}, not true or false", self.text(), kind_of(kind)),
            span: self.span(),
            help: vec!["compare it with something, as in `.. == \"x\"` or `.. != ()`".into()],
        })
    }

    /// Both sides of a comparison on a device, for messages: `(text, value)` left, operator, `(text, value)` right. Nothing
    /// when it is no comparison.
    pub fn sides(&self, scope: &dyn Scope, expressions: &Expressions) -> Option<Sides> {
        let (left, operator, right) = self.expr.comparison()?;
        let side = |expr: &Expr| {
            let value = expressions.eval(expr, &AsNames(scope)).ok()?;
            Some((expr.text().trim().to_owned(), script::to_json(&value)))
        };
        Some(Sides { left: side(&left)?, operator, right: side(&right)? })
    }

    fn failed(&self, error: ExprError) -> FillError {
        let length = self.expr.text().len();
        let at = error.offset.min(length);
        FillError { message: error.message, span: self.at(at, length), help: error.help.into_iter().collect() }
    }
}

/// A comparison's two sides on one device: what was written, and what it came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Sides {
    /// Left of the operator.
    pub left: (String, Value),
    /// `==`, `!=`, `<` and so on.
    pub operator: &'static str,
    /// Right of the operator.
    pub right: (String, Value),
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text()).finish()
    }
}

/// The bytes of an expression in a scalar: all of it, or what stands between `${{` and `}}` when that is all there is.
fn bare(text: &str) -> std::ops::Range<usize> {
    match super::scan::scan(text.trim()).as_deref() {
        Ok([super::scan::Piece::Code(range)]) => {
            let lead = text.len() - text.trim_start().len();
            range.start + lead..range.end + lead
        }
        _ => 0..text.len(),
    }
}

fn kind_of(rhai: &str) -> &str {
    match rhai {
        "i64" => "a number",
        "f64" => "a decimal number",
        "string" => "a text",
        "array" => "a list",
        "map" => "a map",
        other => other,
    }
}

/// A device's scope, as the script room asks for names.
pub(crate) struct AsNames<'a>(pub(crate) &'a dyn Scope);

impl Names for AsNames<'_> {
    fn get(&self, name: &str) -> Option<Dynamic> {
        self.0.get(name)
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Taken;
        impl<'de> Visitor<'de> for Taken {
            type Value = Expression;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an expression")
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
                handed::take_expression().ok_or_else(|| E::custom("an expression can only be read from a playbook"))
            }
        }
        deserializer.deserialize_newtype_struct(handed::EXPRESSION, Taken)
    }
}
