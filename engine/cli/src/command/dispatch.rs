//! From a parsed command line to the command that serves it.

use std::future::Future;

use tokio::task::LocalSet;

use super::{
    agent, check, completions, devices, hub, hub_ca, hub_enroll, hub_env, hub_fault, hub_snapshot, hub_status,
    hub_tail, hub_uploads, init, invoke, plugins, resume, retry, run as play, runs, schema, send, show, test, twin,
};
use crate::args::{Cli, Command, HubCommand};
use crate::process::{CommandResult, Trouble};

/// Runs the command.
pub(crate) fn run(cli: Cli) -> CommandResult {
    let common = cli.common;
    match cli.command {
        Command::Run(args) => on_lane(play::run(&common, args)),
        Command::Resume(args) => on_lane(resume::run(&common, args)),
        Command::Retry(args) => on_lane(retry::run(&common, args)),
        Command::Runs(args) => runs::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Invoke(args) => on_lane(invoke::run(&common, args)),
        Command::Send(args) => on_lane(send::run(&common, args)),
        Command::Twin(command) => on_lane(twin::run(&common, command)),
        Command::Devices(command) => on_lane(devices::run(&common, command)),
        Command::Agent(args) => on_lane(agent::run(&common, args)),
        Command::Hub(args) => match args.command {
            Some(HubCommand::Ca(command)) => on_lane(hub_ca::run(&common, command)),
            Some(HubCommand::Cert(args)) => hub_ca::issue(&args),
            Some(HubCommand::Enroll(command)) => on_lane(hub_enroll::run(&common, command)),
            Some(HubCommand::Fault(command)) => on_lane(hub_fault::run(&common, command)),
            Some(HubCommand::Env) => hub_env::run(&common),
            Some(HubCommand::Snapshot(args)) => hub_snapshot::take(&common, &args),
            Some(HubCommand::Restore(args)) => hub_snapshot::restore(&common, &args),
            Some(HubCommand::Status(args)) => on_lane(hub_status::run(&common, &args)),
            Some(HubCommand::Tail(args)) => on_lane(hub_tail::run(&common, args)),
            Some(HubCommand::Uploads(args)) => on_lane(hub_uploads::run(&common, args)),
            None => on_lane(hub::run(&common, args)),
        },
        Command::Init(args) => init::run(&args),
        Command::Plugins(command) => plugins::run(&command),
        Command::Schema => schema::run(),
        Command::Completions(args) => completions::run(&args),
    }
}

/// The runner's lane: one thread, one runtime, local tasks. Hub and agent bring their own threads.
pub(super) fn on_lane(work: impl Future<Output = CommandResult>) -> CommandResult {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Trouble::internal(format!("cannot start the runtime: {error}")))?;
    LocalSet::new().block_on(&runtime, work)
}
