//! Which settings of a group belong to which faults.

use base::Span;

use super::file::Group;
use super::profile::span;

/// The settings that only some faults have, and which.
pub(super) const SETTINGS: [(&str, &[&str]); 9] = [
    ("on", &["answers_late", "clock_skew", "cuts", "drops_reply", "rejects", "stalls"]),
    ("chance", &["answers_late", "cuts", "drops_reply", "duplicates", "rejects", "stalls"]),
    ("times", &["answers_late", "cuts", "drops_reply", "duplicates", "early_expiry", "rejects", "stalls"]),
    ("by", &["answers_late", "clock_skew"]),
    ("how", &["cuts"]),
    ("status", &["rejects"]),
    ("code", &["rejects"]),
    ("retry_after", &["rejects"]),
    ("takes", &["early_expiry", "stalls"]),
];

/// Where a group has each of [`SETTINGS`].
pub(super) fn places(group: &Group) -> [Option<Span>; 9] {
    [
        group.on.as_ref().map(span),
        group.chance.as_ref().map(span),
        group.times.as_ref().map(span),
        group.by.as_ref().map(span),
        group.how.as_ref().map(span),
        group.status.as_ref().map(span),
        group.code.as_ref().map(span),
        group.retry_after.as_ref().map(span),
        group.takes.as_ref().map(span),
    ]
}
