//! What serde cannot carry (compiled expressions, spanned nodes) goes from our deserializer to the visitor of our own types
//! through one slot of this thread: put in and taken out within one call. The names mark those types.

use std::cell::RefCell;

use super::Node;
use super::expression::Expression;
use super::template::Template;

/// Marks [`super::Filled`].
pub(crate) const FILLED: &str = "$iotplay::filled";
/// Marks [`Template`].
pub(crate) const TEMPLATE: &str = "$iotplay::template";
/// Marks [`Expression`].
pub(crate) const EXPRESSION: &str = "$iotplay::expression";
/// Marks [`Node`].
pub(crate) const NODE: &str = "$iotplay::node";
/// Marks [`super::OneOrMany`].
pub(crate) const ONE_OR_MANY: &str = "$iotplay::one_or_many";

enum Handed {
    Template(Template),
    Expression(Expression),
    Node(Node),
}

thread_local! {
    static SLOT: RefCell<Option<Handed>> = const { RefCell::new(None) };
}

fn give(handed: Handed) {
    SLOT.with_borrow_mut(|slot| *slot = Some(handed));
}

fn take() -> Option<Handed> {
    SLOT.with_borrow_mut(Option::take)
}

pub(crate) fn give_template(template: Template) {
    give(Handed::Template(template));
}

pub(crate) fn give_expression(expression: Expression) {
    give(Handed::Expression(expression));
}

pub(crate) fn give_node(node: Node) {
    give(Handed::Node(node));
}

pub(crate) fn take_template() -> Option<Template> {
    take().and_then(|handed| if let Handed::Template(it) = handed { Some(it) } else { None })
}

pub(crate) fn take_expression() -> Option<Expression> {
    take().and_then(|handed| if let Handed::Expression(it) = handed { Some(it) } else { None })
}

pub(crate) fn take_node() -> Option<Node> {
    take().and_then(|handed| if let Handed::Node(it) = handed { Some(it) } else { None })
}
