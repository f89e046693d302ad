//! How fast calls may go: one budget for all callers of a client, kept apart by what the hub counts apart. Knows the limits of a
//! tier when it is told one, learns from 429 and `Retry-After`, and says how long so many calls would take. Knows no HTTP.

#[expect(clippy::module_inception, reason = "the file is named after the type it holds")]
mod governor;
mod lane;

pub(super) use governor::{Governor, Turn};
pub(super) use wire::QuotaKind as Kind;
