//! `iotplay hub`: the local hub in the foreground. Says how to reach it, then one line for everything that happens, until it is told to stop.

use std::net::SocketAddr;
use std::path::Path;

use base::{Clock, Diagnostic};
use hub::{Data, Hub, HubConfig, HubStartError, Pulse, Restore, RunningHub, Seeded, Seeds, Snapshot, SnapshotError};

use super::{hub_log, hub_quota, hub_snapshot};
use crate::args::{Common, HubArgs};
use crate::process::{self, CommandResult, Exit, Notify, Signals, Trouble, err};
use crate::project;
use crate::world::read_hub_faults;

/// The port that the Python device SDK has built in.
const SDK_MQTT: u16 = 8883;

/// Runs the hub until SIGINT or SIGTERM; both are a good end.
pub(crate) async fn run(common: &Common, args: HubArgs) -> CommandResult {
    let signals = Signals::listen()?;
    process::raise_open_files();
    let data = if args.memory { Data::Memory } else { Data::Folder(common.data.clone()) };
    let clock = Clock::system();
    let memory = args.memory;
    let notify = Notify::from_environment();
    let pulse = Pulse::default();
    let mut config = HubConfig {
        bind: args.bind,
        allow_remote: args.allow_remote,
        mqtt_port: args.mqtt_port,
        https_port: args.https_port,
        log: hub_log::log(clock.clone(), args.log_format),
        metrics_port: args.metrics_port,
        pulse: notify.every().map(|_| pulse.clone()),
        clock,
        restore: restore(&args)?,
        seeds: args.seed.as_deref().map(seeds).transpose()?,
        faults: args.fault.faults.as_deref().map(read_hub_faults).transpose()?.map(|(profile, _)| profile),
        fault_messages: !args.fault.no_fault_messages,
        names: args.names,
        ..HubConfig::new(data)
    };
    args.files.apply(&mut config.files);
    hub_quota::apply(&args.quota, &mut config)?;
    let faults = config.faults.as_ref().map(hub::FaultProfile::told).unwrap_or_default();
    let running = Hub::start(config).await.map_err(|error| refused(&error))?;
    project::hide(running.service_connection().key.expose());
    greet(&running, common, memory, hub_quota::title(&args.quota));
    faults.iter().for_each(|told| err(&format!("fault   {told}")));
    tokio::select! {
        () = signals.asked().cancelled() => {}
        () = tell(&notify, &pulse, &running) => {}
        () = running.ended() => return Err(Trouble::internal("the hub ended by itself")),
    }
    notify.stopping();
    running.stop().await;
    Ok(Exit::OK)
}

/// Tells systemd that the hub listens, and then that its thread lives, as long as it does.
async fn tell(notify: &Notify, pulse: &Pulse, running: &RunningHub) {
    notify.ready(&format!("MQTT {}, HTTPS {}", running.mqtt(), running.https()));
    let Some(every) = notify.every() else { return std::future::pending().await };
    let (mut ticks, mut beats) = (tokio::time::interval(every), 0);
    loop {
        ticks.tick().await;
        if pulse.beats() != beats {
            beats = pulse.beats();
            notify.alive();
        }
    }
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
    if let Some(metrics) = running.metrics() {
        err(&format!("metrics http://{metrics}/metrics"));
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
