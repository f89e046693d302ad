//! `abort_if`: whether too many devices have failed. Pure.

use super::exit::Tally;
use crate::Class;
use crate::book::{AbortIf, Failing, Size};

/// Why the budget is spent; nothing while it is not. `reached` are the devices that have ended, skipped ones included.
pub(super) fn spent(abort: &AbortIf, tally: &Tally) -> Option<String> {
    let reached = tally.total();
    abort.limits.iter().find_map(|(failing, size)| {
        let (count, word) = counted(*failing, tally);
        let (over, limit) = match size {
            Size::Count(limit) => (count >= (*limit).max(1), limit.to_string()),
            Size::Percent(limit) => {
                let share = count as f64 * 100.0 / reached.max(1) as f64;
                (count > 0 && reached >= abort.min_sample && share >= *limit, format!("{limit}%"))
            }
            Size::Rest => (false, String::new()),
        };
        over.then(|| format!("{count} of {reached} devices {word} (`abort_if`: {limit})"))
    })
}

fn counted(failing: Failing, tally: &Tally) -> (usize, &'static str) {
    match failing {
        Failing::Failed => (tally.all_failed() + tally.unreachable, "failed"),
        Failing::Class(Class::Unreachable) => (tally.unreachable, "were unreachable"),
        Failing::Class(Class::Timeout) => (tally.timeout, "timed out"),
        Failing::Class(Class::Rejected) => (tally.rejected, "rejected the call"),
        Failing::Class(Class::Failed | Class::Hub) => (tally.failed, "failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::AbortAction;

    fn abort(limits: Vec<(Failing, Size)>, min_sample: usize) -> AbortIf {
        AbortIf { limits, min_sample, per_wave: false, action: AbortAction::Stop }
    }

    fn tally(ok: usize, failed: usize, unreachable: usize) -> Tally {
        Tally { ok, failed, unreachable, ..Tally::default() }
    }

    #[test]
    fn counts_always_and_percentages_from_the_sample_on() {
        let percent = abort(vec![(Failing::Failed, Size::Percent(3.0))], 20);
        assert_eq!(spent(&percent, &tally(0, 19, 0)), None, "below the sample");
        assert!(spent(&percent, &tally(19, 1, 0)).is_some(), "5 % of 20");
        assert_eq!(spent(&percent, &tally(40, 1, 0)), None, "2.4 % of 41");
        assert_eq!(spent(&percent, &tally(40, 0, 0)), None);
        let count = abort(vec![(Failing::Failed, Size::Count(2))], 20);
        assert_eq!(spent(&count, &tally(0, 1, 0)), None);
        assert!(spent(&count, &tally(0, 1, 1)).is_some());
    }

    #[test]
    fn by_class() {
        let unreachable = abort(vec![(Failing::Class(Class::Unreachable), Size::Count(1))], 0);
        assert_eq!(spent(&unreachable, &tally(0, 5, 0)), None);
        assert_eq!(
            spent(&unreachable, &tally(3, 0, 1)).as_deref(),
            Some("1 of 4 devices were unreachable (`abort_if`: 1)")
        );
    }
}
