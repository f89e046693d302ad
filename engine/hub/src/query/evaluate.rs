//! Whether a row passes a condition. Three-valued: a missing field is undefined, and only an exact `true` passes.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::ast::{Comparison, Condition, Expr, Operator, Segment};
use super::number::{Number, number};

/// What a condition is asked of. A lookup costs only what the path needs: a row is not turned into a document first.
pub(crate) trait Row {
    /// The value at a path, none when it is not there. Built-in names come as documents spell them.
    fn at(&self, path: &[Segment]) -> Option<Cow<'_, Value>>;

    /// The whole row.
    fn document(&self) -> Value;
}

impl Row for Value {
    fn at(&self, path: &[Segment]) -> Option<Cow<'_, Value>> {
        walk(self, path).map(Cow::Borrowed)
    }

    fn document(&self) -> Value {
        self.clone()
    }
}

/// A value inside a document.
pub(crate) fn walk<'a>(mut value: &'a Value, path: &[Segment]) -> Option<&'a Value> {
    for segment in path {
        value = match segment {
            Segment::Name(name) => value.get(name)?,
            Segment::Index(index) => value.get(index)?,
        };
    }
    Some(value)
}

impl Condition {
    /// Exactly true.
    pub(crate) fn passes(&self, row: &dyn Row) -> bool {
        truth(&self.0, row) == Some(true)
    }
}

/// None is undefined; a value that is not a boolean counts as false.
fn truth(expr: &Expr, row: &dyn Row) -> Option<bool> {
    match expr {
        Expr::Or(terms) => kleene(terms, row, true),
        Expr::And(terms) => kleene(terms, row, false),
        Expr::Not(inner) => truth(inner, row).map(|truth| !truth),
        Expr::Compare(left, comparison, right) => compare(&*value(left, row)?, *comparison, &*value(right, row)?),
        Expr::In { value: inner, list, negated } => {
            let found = value(inner, row)?;
            let any = list.iter().any(|item| compare(&found, Comparison::Equal, item) == Some(true));
            Some(any != *negated)
        }
        _ => Some(value(expr, row)?.as_bool().unwrap_or(false)),
    }
}

/// OR with `decisive` true, AND with `decisive` false: one decisive term decides, else undefined wins.
fn kleene(terms: &[Expr], row: &dyn Row, decisive: bool) -> Option<bool> {
    let mut result = Some(!decisive);
    for term in terms {
        match truth(term, row) {
            Some(truth) if truth == decisive => return Some(decisive),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

fn value<'a>(expr: &'a Expr, row: &'a dyn Row) -> Option<Cow<'a, Value>> {
    match expr {
        Expr::Path(path) => row.at(path),
        Expr::Literal(value) => Some(Cow::Borrowed(value)),
        Expr::Undefined => None,
        Expr::Chain(first, rest) => chain(first, rest, row)?.value().map(Cow::Owned),
        Expr::Negative(inner) => {
            let zero = Number::Whole(0);
            zero.with(Operator::Minus, number(&*value(inner, row)?)?)?.value().map(Cow::Owned)
        }
        Expr::Call(function, arguments) => {
            let arguments: Vec<_> = arguments.iter().map(|argument| value(argument, row)).collect();
            let arguments: Vec<_> = arguments.iter().map(Option::as_deref).collect();
            function.call(&arguments).map(Cow::Owned)
        }
        _ => truth(expr, row).map(|truth| Cow::Owned(Value::Bool(truth))),
    }
}

/// Undefined as soon as one operand is no number.
fn chain(first: &Expr, rest: &[(Operator, Expr)], row: &dyn Row) -> Option<Number> {
    let operand = |expr| number(&*value(expr, row)?);
    rest.iter().try_fold(operand(first)?, |left, (operator, right)| left.with(*operator, operand(right)?))
}

/// Defined only between primitives of one type; null is equal to null and to nothing else.
fn compare(left: &Value, comparison: Comparison, right: &Value) -> Option<bool> {
    let ordering = match (left, right) {
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Number(_), Value::Number(_)) => number(left)?.compare(number(right)?)?,
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) | (_, Value::Null) => {
            return match comparison {
                Comparison::Equal => Some(false),
                Comparison::NotEqual => Some(true),
                _ => None,
            };
        }
        _ => return None,
    };
    Some(match comparison {
        Comparison::Equal => ordering.is_eq(),
        Comparison::NotEqual => ordering.is_ne(),
        Comparison::Less => ordering.is_lt(),
        Comparison::LessOrEqual => ordering.is_le(),
        Comparison::Greater => ordering.is_gt(),
        Comparison::GreaterOrEqual => ordering.is_ge(),
    })
}
