//! How a step or a device ended, as one word.

use crate::{Class, Outcome, Skip};

/// The words, in the order that reports count them in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::report) enum Word {
    Ok,
    Failed,
    Timeout,
    Rejected,
    Unreachable,
    Skipped,
    /// `--check`: what would have been sent.
    Check,
    /// The run ended while it was under way.
    Stopped,
}

impl Word {
    /// All of them; a report's data names them by their place here.
    pub(in crate::report) const ALL: [Self; 8] = [
        Self::Ok,
        Self::Failed,
        Self::Timeout,
        Self::Rejected,
        Self::Unreachable,
        Self::Skipped,
        Self::Check,
        Self::Stopped,
    ];

    /// Of a step.
    pub(in crate::report) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Done { .. } => Self::Ok,
            Outcome::Failed(failure) => match failure.class {
                Class::Failed | Class::Hub => Self::Failed,
                Class::Timeout => Self::Timeout,
                Class::Rejected => Self::Rejected,
                Class::Unreachable => Self::Unreachable,
            },
            Outcome::Skipped(Skip::Check(_)) => Self::Check,
            Outcome::Skipped(_) => Self::Skipped,
        }
    }

    /// Of a device, from the event's own word.
    pub(in crate::report) fn named(word: &str) -> Self {
        Self::ALL.into_iter().find(|known| known.text() == word).unwrap_or(Self::Failed)
    }

    /// As events and people say it.
    pub(in crate::report) fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::Rejected => "rejected",
            Self::Unreachable => "unreachable",
            Self::Skipped => "skipped",
            Self::Check => "check",
            Self::Stopped => "stopped",
        }
    }

    /// Whether it did not work: all but ok and what was not tried.
    pub(in crate::report) fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Timeout | Self::Rejected | Self::Unreachable)
    }
}
