//! Why a text is refused, in the shape in which IoT Hub's own parser says it.

use thiserror::Error;

/// Not a query of the language.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("SQL query parse failed due to following errors: \n\tLine {line}:{column} {message}")]
pub(crate) struct QueryError {
    /// From 1.
    pub(crate) line: usize,
    /// In characters, from 0.
    pub(crate) column: usize,
    pub(crate) message: String,
}

impl QueryError {
    /// A refusal at a byte of the text.
    pub(super) fn at(text: &str, at: usize, message: impl Into<String>) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        Self { line, column: before[line_start..].chars().count(), message: message.into() }
    }
}
