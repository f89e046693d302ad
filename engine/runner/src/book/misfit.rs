//! Why a value did not fit the type that it is read into: what was wanted, where, and which value to pass over when decoding
//! goes on.

use std::fmt;

use base::{Span, did_you_mean};
use serde::de;

use super::Node;
use super::decode::{Id, id};

/// Why a value did not fit, and which one.
#[derive(Debug, Default)]
pub(super) struct DecodeError {
    /// What was wanted, or what serde says.
    pub(super) message: String,
    /// The path of keys to it, innermost first.
    pub(super) path: Vec<String>,
    /// Words beside the caret.
    pub(super) note: Option<String>,
    /// How to mend it.
    pub(super) help: Vec<String>,
    /// Where.
    pub(super) span: Option<Span>,
    /// The value to pass over when decoding goes on.
    pub(super) culprit: Option<Id>,
    /// A field that is not there.
    pub(super) missing: Option<&'static str>,
    /// Already told: only ends this round.
    pub(super) reported: bool,
}

impl DecodeError {
    pub(super) fn told() -> Self {
        Self { reported: true, ..Self::default() }
    }

    pub(super) fn wanted(what: impl fmt::Display, node: &Node) -> Self {
        Self { message: format!("expected {what}"), note: Some(node.what()), span: Some(node.span), ..Self::default() }
    }

    /// The first line, and the words beside the caret.
    pub(super) fn sentence(&self) -> (String, Option<String>) {
        let mut path = String::new();
        for key in self.path.iter().rev().filter(|key| !key.is_empty()) {
            let dot = if path.is_empty() || key.starts_with('[') { "" } else { "." };
            path = path + dot + key.as_str();
        }
        let message = if path.is_empty() { self.message.clone() } else { format!("`{path}`: {}", self.message) };
        (message, self.note.clone())
    }

    pub(super) fn under(mut self, node: &Node, key: impl FnOnce() -> String) -> Self {
        self.span.get_or_insert(node.span);
        self.culprit.get_or_insert(id(node));
        self.path.push(key());
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), ..Self::default() }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { message: format!("`{field}` is missing"), missing: Some(field), ..Self::default() }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let help = did_you_mean(variant, expected.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        Self {
            message: format!("expected one of {}", expected.join(", ")),
            note: Some(format!("`{variant}` is none of them")),
            help: help.into_iter().collect(),
            ..Self::default()
        }
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!("expected {expected}"))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!("expected {expected}"))
    }
}
