//! Expressions: text compiled once, evaluated often against names that the caller knows. They call nothing that waits.

mod compare;
mod expression;
mod expressions;

pub use expression::Expr;
pub use expressions::{ExprError, Expressions, Names};
