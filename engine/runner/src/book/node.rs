//! The spanned tree that YAML (and a Rhai options map) is read into: every key and value knows its place, and scalars keep
//! the text they were written as.

use std::sync::Arc;

use base::Span;

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// The bytes it was written with, in the [`base::Source`] that it came from; empty for values made by code.
    pub span: Span,
}

/// The kinds of value.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// `null`, `~` or nothing at all.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A number and the text that it was written as (`1.10`).
    Number(serde_json::Number, Arc<str>),
    /// Text; `true` when it was quoted or a block scalar (then `when: "a" == x` and the like are not at fault).
    Text(Arc<str>, bool),
    /// A list.
    List(Vec<Node>),
    /// A map in the order written; keys are unique.
    Map(Vec<(Key, Node)>),
}

/// A map's key.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The text.
    pub text: Arc<str>,
    /// Its place.
    pub span: Span,
}
