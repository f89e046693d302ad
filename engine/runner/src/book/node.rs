//! The spanned tree that YAML (and a Rhai options map) is read into: every key and value knows its place, and scalars keep
//! the text they were written as. Decoding into types is `decode`'s business.

use std::sync::Arc;

use base::{Mask, Span};
use serde_json::Value;

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

impl Node {
    /// A value made by code (a Rhai options map, `-e` on the command line): every part of it stands at `span`.
    pub fn from_json(value: &Value, span: Span) -> Self {
        let kind = match value {
            Value::Null => NodeKind::Null,
            Value::Bool(it) => NodeKind::Bool(*it),
            Value::Number(it) => NodeKind::Number(it.clone(), it.to_string().into()),
            Value::String(it) => NodeKind::Text(it.as_str().into(), true),
            Value::Array(items) => NodeKind::List(items.iter().map(|item| Self::from_json(item, span)).collect()),
            Value::Object(map) => NodeKind::Map(
                map.iter()
                    .map(|(key, item)| (Key { text: key.as_str().into(), span }, Self::from_json(item, span)))
                    .collect(),
            ),
        };
        Self { kind, span }
    }

    /// The value without places. Templates stay as they were written.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            NodeKind::Null => Value::Null,
            NodeKind::Bool(it) => Value::Bool(*it),
            NodeKind::Number(it, _) => Value::Number(it.clone()),
            NodeKind::Text(it, _) => Value::String(it.to_string()),
            NodeKind::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            NodeKind::Map(entries) => {
                Value::Object(entries.iter().map(|(key, item)| (key.text.to_string(), item.to_json())).collect())
            }
        }
    }

    /// The text that a scalar was written as; nothing for null, lists and maps.
    pub fn scalar(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Bool(true) => Some("true"),
            NodeKind::Bool(false) => Some("false"),
            NodeKind::Number(_, text) | NodeKind::Text(text, _) => Some(text),
            NodeKind::Null | NodeKind::List(_) | NodeKind::Map(_) => None,
        }
    }

    /// A map's entries; none for anything else.
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.kind {
            NodeKind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// A map's value by key.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.entries().iter().find(|(key, _)| &*key.text == name).map(|(_, node)| node)
    }

    /// Whether it is a map.
    pub fn is_map(&self) -> bool {
        matches!(self.kind, NodeKind::Map(_))
    }

    /// Whether it is null, or nothing at all.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, NodeKind::Null)
    }

    /// What it is, in a sentence: "a list".
    pub fn what(&self) -> String {
        match &self.kind {
            NodeKind::Null => "nothing".into(),
            NodeKind::Bool(it) => format!("`{it}`"),
            NodeKind::Number(_, text) => format!("the number {text}"),
            NodeKind::Text(text, _) => format!("the text {:?}", Mask::process().shorten(text, SHOWN)),
            NodeKind::List(_) => "a list".into(),
            NodeKind::Map(_) => "a map".into(),
        }
    }
}

/// Longer texts would hide the sentence they stand in.
const SHOWN: usize = 40;
