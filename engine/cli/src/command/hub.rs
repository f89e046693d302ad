//! `iotplay hub`: the local hub in the foreground. Says how to reach it, then one line for everything that happens, until it is told to stop.

use std::net::SocketAddr;
use std::path::Path;

use base::{Clock, Diagnostic, rfc3339_millis};
use hub::{
    Data, Hub, HubConfig, HubEvent, HubLog, HubStartError, Restore, RunningHub, Seeded, Seeds, Snapshot, SnapshotError,
};

use super::{hub_quota, hub_snapshot};
use crate::args::{Common, HubArgs};
use crate::process::{self, CommandResult, Exit, Signals, Trouble, err};
use crate::project;

/// The port that the Python device SDK has built in.
const SDK_MQTT: u16 = 8883;

/// Longest body of a message that a log line shows.
const SHOWN: usize = 200;

/// Runs the hub until SIGINT or SIGTERM; both are a good end.
pub(crate) async fn run(common: &Common, args: HubArgs) -> CommandResult {
    let signals = Signals::listen()?;
    process::raise_open_files();
    let data = if args.memory { Data::Memory } else { Data::Folder(common.data.clone()) };
    let clock = Clock::system();
    let memory = args.memory;
    let mut config = HubConfig {
        bind: args.bind,
        allow_remote: args.allow_remote,
        mqtt_port: args.mqtt_port,
        https_port: args.https_port,
        log: log(clock.clone()),
        clock,
        restore: restore(&args)?,
        seeds: args.seed.as_deref().map(seeds).transpose()?,
        names: args.names,
        ..HubConfig::new(data)
    };
    hub_quota::apply(&args.quota, &mut config)?;
    let running = Hub::start(config).await.map_err(|error| refused(&error))?;
    project::hide(running.service_connection().key.expose());
    greet(&running, common, memory, hub_quota::title(&args.quota));
    tokio::select! {
        () = signals.asked().cancelled() => {}
        () = running.ended() => return Err(Trouble::internal("the hub ended by itself")),
    }
    running.stop().await;
    Ok(Exit::OK)
}

fn restore(args: &HubArgs) -> Result<Option<Restore>, Trouble> {
    let Some(file) = &args.restore else { return Ok(None) };
    let snapshot = Snapshot::read(file).map_err(|error| hub_snapshot::refused(&error))?;
    Ok(Some(Restore { snapshot, force: args.force }))
}

/// Seeds are configuration: their mistakes are not a playbook's.
fn seeds(file: &Path) -> Result<Seeds, Trouble> {
    let usage = |trouble: Trouble| Trouble { exit: Exit::USAGE, ..trouble };
    let source = project::read(file).map_err(usage)?;
    Seeds::parse(&source).map_err(|found| Trouble::new(Exit::USAGE, found))
}

fn greet(running: &RunningHub, common: &Common, memory: bool, narrow: Option<String>) {
    let kept = if memory { "in memory".to_owned() } else { format!("in {}", common.data.display()) };
    err(&format!("hub     MQTT {}, HTTPS {}, state {kept}", at(running.mqtt()), at(running.https())));
    err(&format!("dps     ID scope {}, where devices connect", running.id_scope()));
    if let Some(Seeded { made, changed, same }) = running.seeded() {
        err(&format!("seed    devices made {made}, changed {changed}, as they were {same}"));
    }
    if let Some(narrow) = narrow {
        err(&format!("quota   {narrow}"));
    }
    if memory {
        return;
    }
    err("use     iotplay agent                    a simulated device, in another terminal of this folder");
    err("        iotplay run reboot.yaml          a playbook over its devices");
    err("        iotplay devices add my-device    a device's connection string");
    err("        eval \"$(iotplay hub env)\"        programs with the official SDKs trust and reach it");
    if running.mqtt().port() != SDK_MQTT {
        err(&format!(
            "note    the Python device SDK can only dial port {SDK_MQTT}; MQTT is on {} here",
            running.mqtt().port()
        ));
    }
    err("");
}

fn at(address: SocketAddr) -> String {
    address.to_string()
}

fn refused(error: &HubStartError) -> Trouble {
    let exit = match error {
        HubStartError::Folder(hub::DataDirError::InUse { .. })
        | HubStartError::Snapshot(SnapshotError::Folder(hub::DataDirError::InUse { .. })) => Exit::LOCKED,
        HubStartError::Thread(_) | HubStartError::Died => Exit::INTERNAL,
        _ => Exit::USAGE,
    };
    Trouble::new(exit, Diagnostic::error(process::chain(error)))
}

/// One line per event on stderr: `13:27:42.118  press-7  connected`.
fn log(clock: Clock) -> HubLog {
    HubLog::new(move |event| {
        let now = rfc3339_millis(clock.now());
        let time = now.get(11..23).unwrap_or(&now);
        err(&format!("{time}  {}", line(&event)));
    })
}

fn line(event: &HubEvent) -> String {
    let from = |peer: &Option<SocketAddr>| peer.map_or_else(String::new, |peer| format!(" from {peer}"));
    match event {
        HubEvent::Connected { identity, peer, session_present } => {
            let again = if *session_present { ", subscriptions kept" } else { "" };
            format!("{identity}  connected{}{again}", from(peer))
        }
        HubEvent::Disconnected { identity, why } => format!("{identity}  disconnected: {why}"),
        HubEvent::Refused { client_id, peer, reason } => {
            format!("{}  refused{}: {reason}", client_id.as_deref().unwrap_or("?"), from(peer))
        }
        HubEvent::Throttled { identity, reason } => {
            let who = identity.as_ref().map_or_else(|| "service".to_owned(), ToString::to_string);
            format!("{who}  throttled: {reason}")
        }
        HubEvent::ServiceRefused { peer, reason } => format!("service  refused from {peer}: {reason}"),
        HubEvent::Telemetry(message) => {
            let bytes = &message.body[..message.body.len().min(SHOWN)];
            // Control characters could draw on the terminal of whoever watches.
            let text: String =
                String::from_utf8_lossy(bytes).chars().map(|c| if c.is_control() { '.' } else { c }).collect();
            let more = if message.body.len() > SHOWN { " .." } else { "" };
            format!("{}  telemetry {text}{more}", message.identity)
        }
        HubEvent::MethodCalled { identity, name, outcome: Ok(status) } => format!("{identity}  {name} -> {status}"),
        HubEvent::MethodCalled { identity, name, outcome: Err(code) } => format!("{identity}  {name} -> {code}"),
    }
}
