//! Playbooks: read (`book`), planned, run over devices, reported. Knows no verb and no cloud: verbs are [`Action`]s that
//! plugins bring, devices and their facts come through an [`Inventory`], and all that happens is said in [`RunEvent`]s.

mod action;
mod batch;
pub mod book;
mod deeds;
mod event;
mod inventory;
mod journal;
mod made;
mod options;
mod outcome;
mod plan;
mod plugin;
mod report;
mod run;
mod scripted;
mod watch;

pub use action::{Action, Effect, Ready, Scope, StepContext};
pub use batch::{Batch, Gathers, serve_alone};
pub use deeds::{Deed, Deeds, Manner, Told, Turn};
pub use event::{Counts, Progress, Reporter, RunEvent};
pub use inventory::{Ask, Estimate, Facts, HubInfo, Inventory, InventoryError, Round, Selection, Target, Work};
pub use journal::{
    CallLine, Copy, DeviceLine, History, HubOrigin, Journal, JournalError, KEPT_RUNS, KeptFile, KeptOptions, KeptVar,
    RunFolder, RunLock, RunManifest, RunState, WaveLine, digest, local_time, tidy,
};
pub use made::{LocalScript, ScriptPlugin};
pub use options::{Confirm, Environment, ExtraVar, Question, Resume, RunOptions, RunResult};
pub use outcome::{Class, Failure, Outcome, Skip};
pub use plugin::{Plugin, Registry};
pub use report::{
    CaseReport, CaseSuite, Console, ConsoleOptions, Form, Json, Lines, ReportError, ReportFile, ReportKind, Reports,
    junit_of_cases, write_report,
};
pub use run::{Runner, Still, check_script, stand_still, stood_still, within};
pub use watch::{Look, Sight, Watch};
