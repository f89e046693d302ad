//! The command line as types: one file for what all commands share, one for each larger command. No work is done here.

mod agent;
mod certificates;
mod cli;
mod enroll;
mod fault;
mod hub;
mod journal;
mod mirror;
mod pace;
mod quota;
mod run;
mod send;
mod small;
mod tail;
mod test;
mod uploads;

pub(crate) use agent::AgentArgs;
pub(crate) use certificates::{AddArgs, CaAddArgs, CaCommand, CertArgs};
pub(crate) use cli::{Cli, Command, Common, parse};
pub(crate) use enroll::{EnrollCommand, EnrollDeviceArgs, EnrollGroupArgs};
pub(crate) use fault::{FaultAddArgs, FaultCommand, HEADING as FAULT_HEADING, HubFaultArgs};
pub(crate) use hub::{HubArgs, HubCommand, LogFormat, SnapshotArgs};
pub(crate) use journal::{ResumeArgs, RetryArgs, RunsArgs, ShowArgs};
pub(crate) use mirror::command;
pub(crate) use pace::PaceArgs;
pub(crate) use quota::QuotaArgs;
pub(crate) use run::{CheckArgs, Output, RunArgs, SimArgs, Targeting};
pub(crate) use send::SendArgs;
pub(crate) use small::{
    CompletionsArgs, DevicesCommand, InitArgs, InvokeArgs, PluginsCommand, RemoveArgs, TwinCommand, TwinPatchArgs,
};
pub(crate) use tail::{Since, StatusArgs, StatusOutput, TailArgs, TailOutput};
pub(crate) use test::TestArgs;
pub(crate) use uploads::{FileArgs, UploadsArgs};
