//! What can be wrong with a device, and how that is said of so many of them. Pure.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use base::format_duration;
use serde_json::Value;

use super::absence::Absence;

/// What is wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A restart takes this long.
    SlowBoot(Duration),
    /// It answers, goes to restart, and is never seen again.
    NeverReturns,
    /// Handlers run, and their answers get lost.
    DropsReply,
    /// Handlers run, and their answers leave this much later.
    AnswersLate(Duration),
    /// Each answer leaves twice.
    AnswersTwice,
    /// Calls are answered at once; no handler runs.
    Rejects { status: i32, payload: Value },
    /// It is not connected.
    Offline(Absence),
}

/// One fault of a device.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// Only these methods; empty is all of them.
    pub(crate) methods: BTreeSet<String>,
    /// Only so often; none is always.
    pub(crate) times: Option<u32>,
}

impl Fault {
    /// Whether it concerns calls of this method.
    pub(super) fn is_on(&self, method: &str) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }

    /// What so many devices do: `drop the reply to ping`.
    pub(super) fn told(&self, devices: usize) -> String {
        let one = devices == 1;
        let mut text = match &self.kind {
            Kind::SlowBoot(takes) => {
                format!("{} {} to restart", if one { "takes" } else { "take" }, format_duration(*takes))
            }
            Kind::NeverReturns => format!("never {} from a restart", if one { "returns" } else { "return" }),
            Kind::DropsReply => format!("{} the reply", if one { "drops" } else { "drop" }),
            Kind::AnswersLate(by) => {
                format!("{} {} late", if one { "answers" } else { "answer" }, format_duration(*by))
            }
            Kind::AnswersTwice => (if one { "answers twice" } else { "answer twice" }).to_owned(),
            Kind::Rejects { status, .. } => format!("{} with {status}", if one { "rejects" } else { "reject" }),
            Kind::Offline(absence) => format!("{} offline{}", if one { "is" } else { "are" }, absence.told()),
        };
        if !self.methods.is_empty() {
            let names: Vec<&str> = self.methods.iter().map(String::as_str).collect();
            let to = if matches!(self.kind, Kind::DropsReply) { "to" } else { "on" };
            write!(text, " {to} {}", names.join(" and ")).expect("writing to a String cannot fail");
        }
        match self.times {
            None => {}
            Some(1) => text.push_str(", once"),
            Some(times) => write!(text, ", {times} times").expect("writing to a String cannot fail"),
        }
        text
    }
}
