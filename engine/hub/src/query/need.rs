//! What every row that passes a condition must have: lets a registry skip the others without a look at their documents.

use serde_json::Value;

use super::ast::{Comparison, Condition, Expr, Segment};

/// A row that passes the condition satisfies its need; one that satisfies the need may still not pass.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Need<'a> {
    /// That value at that path: a text, a number or a boolean.
    Equal(&'a [Segment], &'a Value),
    All(Vec<Need<'a>>),
    /// Nothing satisfies an empty one.
    Any(Vec<Need<'a>>),
    /// Every row may pass.
    Anything,
}

impl Condition {
    pub(crate) fn need(&self) -> Need<'_> {
        need(&self.0)
    }
}

fn need(expr: &Expr) -> Need<'_> {
    match expr {
        Expr::Compare(left, Comparison::Equal, right) => match (&**left, &**right) {
            (Expr::Path(path), Expr::Literal(value)) | (Expr::Literal(value), Expr::Path(path)) => equal(path, value),
            _ => Need::Anything,
        },
        Expr::In { value, list, negated: false } => match &**value {
            Expr::Path(path) => any(list.iter().map(|value| equal(path, value))),
            _ => Need::Anything,
        },
        Expr::And(terms) => all(terms.iter().map(need)),
        Expr::Or(terms) => any(terms.iter().map(need)),
        _ => Need::Anything,
    }
}

fn equal<'a>(path: &'a [Segment], value: &'a Value) -> Need<'a> {
    let is_plain = value.is_string() || value.is_number() || value.is_boolean();
    if is_plain { Need::Equal(path, value) } else { Need::Anything }
}

fn all<'a>(needs: impl Iterator<Item = Need<'a>>) -> Need<'a> {
    let needs: Vec<Need<'a>> = needs.filter(|need| *need != Need::Anything).collect();
    if needs.is_empty() { Need::Anything } else { Need::All(needs) }
}

fn any<'a>(needs: impl Iterator<Item = Need<'a>>) -> Need<'a> {
    let needs: Vec<Need<'a>> = needs.collect();
    if needs.contains(&Need::Anything) { Need::Anything } else { Need::Any(needs) }
}
