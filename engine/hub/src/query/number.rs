//! Numbers: whole as long as they are exact, real otherwise. What is no number (a division by zero, an overflow of reals) is
//! undefined.

use std::cmp::Ordering;

use serde_json::Value;

use super::ast::Operator;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Whole(i64),
    Real(f64),
}

/// Beyond it a real no longer tells neighbouring whole numbers apart.
const EXACT: f64 = 9_007_199_254_740_992.0;

pub(super) fn number(value: &Value) -> Option<Number> {
    match value.as_i64() {
        Some(whole) => Some(Number::Whole(whole)),
        None => value.as_f64().map(Number::Real),
    }
}

/// None when the result is no number.
pub(super) fn real(real: f64) -> Option<Value> {
    serde_json::Number::from_f64(real).map(Value::Number)
}

/// A number as it is, a text that shows one as that number.
pub(super) fn as_number(value: &Value) -> Option<Value> {
    match value {
        Value::Number(_) => Some(value.clone()),
        Value::String(text) => {
            let text = text.trim();
            text.parse::<i64>().map(Value::from).ok().or_else(|| real(text.parse().ok()?))
        }
        _ => None,
    }
}

impl Number {
    pub(super) fn real(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        }
    }

    pub(super) fn sign(self) -> i64 {
        match self {
            Self::Whole(whole) => whole.signum(),
            Self::Real(real) => i64::from(real > 0.0) - i64::from(real < 0.0),
        }
    }

    /// A place in a text: a whole number that is not negative.
    pub(super) fn place(self) -> Option<usize> {
        match self {
            Self::Whole(whole) => usize::try_from(whole).ok(),
            Self::Real(real) => ((0.0..EXACT).contains(&real) && real.fract() == 0.0).then_some(real as usize),
        }
    }

    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(left), Self::Whole(right)) => Some(left.cmp(&right)),
            (left, right) => left.real().partial_cmp(&right.real()),
        }
    }

    /// None is undefined.
    pub(super) fn with(self, operator: Operator, other: Self) -> Option<Self> {
        if let (Self::Whole(left), Self::Whole(right)) = (self, other) {
            let exact = match operator {
                Operator::Plus => left.checked_add(right),
                Operator::Minus => left.checked_sub(right),
                Operator::Times => left.checked_mul(right),
                Operator::Over => left.checked_rem(right).filter(|rest| *rest == 0).and(left.checked_div(right)),
                Operator::Remainder => left.checked_rem(right),
            };
            if let Some(exact) = exact {
                return Some(Self::Whole(exact));
            }
        }
        let (left, right) = (self.real(), other.real());
        let real = match operator {
            Operator::Plus => left + right,
            Operator::Minus => left - right,
            Operator::Times => left * right,
            Operator::Over => left / right,
            Operator::Remainder => left % right,
        };
        real.is_finite().then_some(Self::Real(real))
    }

    pub(super) fn value(self) -> Option<Value> {
        match self {
            Self::Whole(whole) => Some(whole.into()),
            Self::Real(value) => real(value),
        }
    }
}
