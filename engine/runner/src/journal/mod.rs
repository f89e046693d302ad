//! The journal of a run: one folder, append-only JSON lines, a copy of what was run. Written so that a call counts as sent only
//! after its line is on disk; read so that `resume` goes on where a killed process stood, and `show` tells what happened.

mod error;
mod folder;
mod history;
mod kept;
mod manifest;
mod open;
mod past;
mod past_deeds;
mod past_device;
mod read;
mod record;
mod retention;
mod times;
mod writer;

#[cfg(test)]
mod tests;

pub use error::JournalError;
pub use folder::{RunFolder, RunLock};
pub use history::{CallLine, DeviceLine, History, RunState, WaveLine};
pub use manifest::{Copy, HubOrigin, KeptFile, KeptOptions, KeptVar, RunManifest, digest};
pub use open::Journal;
pub(crate) use past::{Past, PastDeviceEnd, PastPlay, PastWave, SCRIPT};
pub(crate) use past_deeds::{PastDeed, PastDeeds};
pub(crate) use past_device::{PastDevice, PastEnd, PastList, PastStep};
pub(crate) use record::{Kept, Kind, Record, masked};
pub use retention::{KEPT_RUNS, tidy};
pub use times::local_time;
