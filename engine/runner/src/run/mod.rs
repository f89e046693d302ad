//! Execution: a run is plays, a play is waves of devices, a device walks through steps, a step is attempts. Everything lives
//! on one lane; a device not yet started is only its `Target`.

mod approval;
mod attempt;
mod batches;
mod budget;
mod check_script;
mod clock;
mod device;
mod ended;
mod events;
mod exit;
mod fork;
mod frame;
mod gate;
mod gather;
mod judge;
mod keep;
mod locks;
mod nest;
mod offline;
mod opening;
mod pace;
mod past;
mod play;
mod recall;
mod retold;
mod runner;
mod scope;
mod scripts;
mod secrets;
mod served;
mod step;
mod tags;
mod trail;
mod values;
mod wave;
mod waves;

pub use check_script::check_script;
pub use clock::{Still, stand_still, stood_still, within};
pub(crate) use device::fact_failed;
pub(crate) use events::Events;
pub(crate) use exit::{Ended, HUB, Tally};
pub(crate) use locks::folder as locks_folder;
pub use runner::Runner;
pub(crate) use scripts::{CallEnd, run_step};
