//! One call as data: what to send, how long to wait, and whether it may be sent again.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::time::Instant;
use wire::{HubPath, IfMatch};

use super::governor::Kind;

/// For everything but methods, whose own timeouts decide: longer than any hub takes when it is well.
pub(super) const ANSWER: Duration = Duration::from_secs(30);

/// Whether a call whose answer was lost may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// It reads, or writing twice is as good as writing once.
    Safe,
    /// Only when it is certain that it was not carried out.
    Unsent,
}

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: HubPath,
    /// More query parameters, each with its `&`.
    pub(super) parameters: String,
    pub(super) if_match: Option<IfMatch>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<Bytes>,
    /// How long to wait for the whole answer.
    pub(super) wait: Duration,
    pub(super) again: Again,
    pub(super) kind: Kind,
    /// How many calls of its kind it counts for.
    pub(super) cost: u32,
    /// Not worth waiting for beyond this: no turn by then, or a 429, is the end of it.
    pub(super) turn_by: Option<Instant>,
}

impl Call {
    pub(super) fn new(method: Method, path: HubPath, kind: Kind) -> Self {
        let again = if method == Method::GET { Again::Safe } else { Again::Unsent };
        Self {
            method,
            path,
            parameters: String::new(),
            if_match: None,
            headers: Vec::new(),
            body: None,
            wait: ANSWER,
            again,
            kind,
            cost: 1,
            turn_by: None,
        }
    }

    pub(super) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub(super) fn if_match(mut self, condition: Option<IfMatch>) -> Self {
        self.if_match = condition;
        self
    }

    /// Nothing is lost when it is not made now.
    pub(super) fn turn_by(mut self, turn_by: Option<Instant>) -> Self {
        self.turn_by = turn_by;
        self
    }

    pub(super) fn again(mut self, again: Again) -> Self {
        self.again = again;
        self
    }
}

/// An answer with a status of success.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}
