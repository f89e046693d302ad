//! Exit codes (design, section 4) and what the devices of a run came to. Pure.

use crate::{Class, Counts, Failure};

pub(super) const INTERNAL: u8 = 1;
pub(super) const USAGE: u8 = 2;
pub(super) const INVALID: u8 = 3;
pub(crate) const FAILED: u8 = 4;
pub(super) const UNREACHABLE: u8 = 5;
pub(super) const ABORTED: u8 = 6;
pub(crate) const HUB: u8 = 7;
pub(super) const LOCKED: u8 = 8;
pub(super) const INTERRUPTED: u8 = 130;

/// How one device's run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Ended {
    Ok,
    Failed,
    Unreachable,
    Timeout,
    Rejected,
    Skipped,
}

impl Ended {
    pub(crate) fn of(failure: &Failure) -> Self {
        match failure.class {
            Class::Failed | Class::Hub => Self::Failed,
            Class::Unreachable => Self::Unreachable,
            Class::Timeout => Self::Timeout,
            Class::Rejected => Self::Rejected,
        }
    }

    /// The class of a word.
    pub(crate) fn read(word: &str) -> Option<Self> {
        [Self::Ok, Self::Failed, Self::Unreachable, Self::Timeout, Self::Rejected, Self::Skipped]
            .into_iter()
            .find(|ended| ended.word() == word)
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Rejected => "rejected",
            Self::Skipped => "skipped",
        }
    }
}

/// Devices by how they ended, finer than [`Counts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(super) ok: usize,
    /// Of no finer class.
    pub(super) failed: usize,
    pub(super) unreachable: usize,
    pub(super) timeout: usize,
    pub(super) rejected: usize,
    pub(super) skipped: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, ended: Ended) {
        *match ended {
            Ended::Ok => &mut self.ok,
            Ended::Failed => &mut self.failed,
            Ended::Unreachable => &mut self.unreachable,
            Ended::Timeout => &mut self.timeout,
            Ended::Rejected => &mut self.rejected,
            Ended::Skipped => &mut self.skipped,
        } += 1;
    }

    /// What has come on top of an earlier count.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        Self {
            ok: self.ok.saturating_sub(earlier.ok),
            failed: self.failed.saturating_sub(earlier.failed),
            unreachable: self.unreachable.saturating_sub(earlier.unreachable),
            timeout: self.timeout.saturating_sub(earlier.timeout),
            rejected: self.rejected.saturating_sub(earlier.rejected),
            skipped: self.skipped.saturating_sub(earlier.skipped),
        }
    }

    /// As a list, and back.
    pub(super) fn list(&self) -> [usize; 6] {
        [self.ok, self.failed, self.unreachable, self.timeout, self.rejected, self.skipped]
    }

    pub(super) fn of(list: &[usize]) -> Self {
        let at = |index: usize| list.get(index).copied().unwrap_or(0);
        Self { ok: at(0), failed: at(1), unreachable: at(2), timeout: at(3), rejected: at(4), skipped: at(5) }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.ok += other.ok;
        self.failed += other.failed;
        self.unreachable += other.unreachable;
        self.timeout += other.timeout;
        self.rejected += other.rejected;
        self.skipped += other.skipped;
    }

    /// Failed of any class but unreachable.
    pub(super) fn all_failed(&self) -> usize {
        self.failed + self.timeout + self.rejected
    }

    pub(super) fn total(&self) -> usize {
        self.ok + self.all_failed() + self.unreachable + self.skipped
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { ok: self.ok, failed: self.all_failed(), unreachable: self.unreachable, skipped: self.skipped }
    }

    /// What the devices alone make of the exit code.
    pub(super) fn exit(&self) -> u8 {
        match (self.all_failed(), self.unreachable) {
            (0, 0) => 0,
            (0, _) => UNREACHABLE,
            _ => FAILED,
        }
    }
}

/// Of two codes the one that says more: interruption, hub, abort, usage, failures, unreachable, fine.
pub(super) fn graver(a: u8, b: u8) -> u8 {
    let rank = |code: u8| match code {
        0 => 0,
        UNREACHABLE => 1,
        FAILED => 2,
        USAGE => 3,
        ABORTED => 4,
        HUB => 5,
        INTERRUPTED => 6,
        _ => 7,
    };
    if rank(a) >= rank(b) { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_exit_codes() {
        for (ends, expected) in [
            (&[][..], 0),
            (&[Ended::Ok, Ended::Skipped], 0),
            (&[Ended::Ok, Ended::Unreachable], 5),
            (&[Ended::Unreachable, Ended::Failed], 4),
            (&[Ended::Timeout], 4),
            (&[Ended::Rejected, Ended::Ok], 4),
        ] {
            let mut tally = Tally::default();
            ends.iter().for_each(|ended| tally.add(*ended));
            assert_eq!(tally.exit(), expected, "{ends:?}");
            assert_eq!(tally.total(), ends.len());
        }
    }

    #[test]
    fn the_graver_code_wins() {
        assert_eq!(graver(5, 4), 4);
        assert_eq!(graver(4, 6), 6);
        assert_eq!(graver(7, 6), 7);
        assert_eq!(graver(0, 5), 5);
        assert_eq!(graver(130, 7), 130);
    }
}
