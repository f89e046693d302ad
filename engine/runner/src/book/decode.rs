//! From a [`Node`] into a type that derives `Deserialize`: every error of the node at once, each at its place. A type that
//! serde gives up on is decoded again without the value that was at fault, until nothing new is found.

use std::cell::RefCell;
use std::collections::HashSet;

use base::{Diagnostic, Span};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::expression::FillError;
use super::misfit::DecodeError;
use super::reader::Reader;
use super::{Check, Node};

/// What all readers of one decoding share.
pub(super) struct Shared<'a, 'c> {
    /// Where expressions are compiled and findings go; nothing for values filled at run time.
    pub(super) check: Option<RefCell<&'a mut Check<'c>>>,
    /// Values already found at fault, by identity: passed over.
    pub(super) skip: RefCell<HashSet<Id>>,
}

/// Which node, as long as the tree stands still.
pub(super) type Id = usize;

/// The identity of a node.
pub(super) fn id(node: &Node) -> Id {
    std::ptr::from_ref(node) as Id
}

/// Decodes a node; findings go into the check.
pub(super) fn decode<T: DeserializeOwned>(node: &Node, check: &mut Check<'_>) -> Option<T> {
    let before = check.found.0.len();
    let missing_at = check.verb.map(|(_, span)| span);
    let shared = Shared { check: Some(RefCell::new(check)), skip: RefCell::default() };
    let mut decoded = None;
    loop {
        let error = match T::deserialize(Reader::new(node, &shared)) {
            Ok(value) => {
                decoded = Some(value);
                break;
            }
            Err(error) => error,
        };
        let culprit = error.culprit;
        if let Some(cell) = &shared.check {
            report(error, node, missing_at, &mut cell.borrow_mut());
        }
        if !culprit.is_some_and(|at| shared.skip.borrow_mut().insert(at)) {
            break;
        }
    }
    let check = shared.check?.into_inner();
    let failed = check.found.0[before..].iter().any(|found| found.severity == base::Severity::Error);
    decoded.filter(|_| !failed)
}

/// Decodes a value made at run time; its place is that of the template that made it.
pub(super) fn from_json<T: DeserializeOwned>(value: &Value, span: Span) -> Result<T, FillError> {
    let node = Node::from_json(value, span);
    let shared = Shared { check: None, skip: RefCell::default() };
    T::deserialize(Reader::new(&node, &shared)).map_err(|error| {
        let (message, note) = error.sentence();
        let message = note.map_or(message.clone(), |note| format!("{message}: {note}"));
        FillError { message, span, help: error.help }
    })
}

fn report(error: DecodeError, node: &Node, missing_at: Option<Span>, check: &mut Check<'_>) {
    if error.reported {
        return;
    }
    let (message, note) = error.sentence();
    let whole = error.span.is_none_or(|span| span == node.span);
    let span = match (error.missing.is_some() && whole, missing_at) {
        (true, Some(span)) => span,
        _ => error.span.unwrap_or(node.span),
    };
    let mut finding = Diagnostic::error(message);
    finding.note = note;
    finding.help = error.help;
    check.push(finding, span);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Options {
        name: String,
        #[serde(default)]
        tries: u8,
        every: Option<Duration>,
        #[serde(default)]
        list: Vec<u8>,
    }

    #[test]
    fn values_made_by_code_decode_too() {
        let decoded: Options =
            from_json(&json!({ "name": "x", "every": "1m30s", "list": [1, 2] }), Span::default()).unwrap();
        assert_eq!(
            decoded,
            Options { name: "x".into(), tries: 0, every: Some(Duration::from_secs(90)), list: vec![1, 2] }
        );
        let error = from_json::<Options>(&json!({ "name": "x", "tries": 300 }), Span::default()).unwrap_err();
        assert_eq!(error.message, "`tries`: expected a whole number from 0 to 255: the number 300");
        let error = from_json::<Options>(&json!({ "tries": 3 }), Span::default()).unwrap_err();
        assert_eq!(error.message, "`name` is missing");
    }
}
