//! Handlers on trial: cases in files, run by the agent's own session, methods and hooks over a line that is no network, in
//! virtual time. Reads cases, plays them, compares; prints nothing.

mod case;
mod clock;
mod counterpart;
mod expected;
mod fakes;
mod judge;
mod play;
mod read;
mod recorded;
mod recorder;
mod rehearsal;
mod tree;

pub use case::{Case, CaseFile};
pub(crate) use fakes::Fakes;
pub use play::CaseOutcome;
pub(crate) use recorder::{Recorder, Reel};
pub use rehearsal::{Cast, Rehearsal};
