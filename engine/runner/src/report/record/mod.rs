//! What the reports keep of a run: each device, its steps and how they ended, in bounded room. Made from events, read by the
//! reports when the run has ended; nothing of it is written here.

mod groups;
mod recorder;
mod run;
mod texts;
mod word;

pub(super) use groups::groups;
pub(super) use recorder::Recorder;
pub(super) use run::{DeviceRecord, Finding, PlayRecord, RunRecord, StepRecord};
pub(super) use texts::Text;
pub(super) use word::Word;
