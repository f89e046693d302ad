//! A round over devices that wait: what to ask the hub so that the quota answers soonest, and what its answers are worth.

mod question;
#[expect(clippy::module_inception, reason = "the file is named after the type it holds")]
mod round;

pub(crate) use round::Rounds;
