//! `iotplay agent`: one real board, or simulated devices, in the foreground until told to stop.

use std::sync::Arc;
use std::time::Duration;

use agent::{
    Agent, AgentConfig, AgentEvent, Board, ClientCertificate, OutboxConfig, RunningAgent, SimConfig, Transport,
};
use base::{Diagnostic, Secret};
use net::tls::Roots;
use runner::Lines;
use script::WatchMode;
use wire::{DeviceConnection, DeviceCredential, DeviceId};

use super::agent_dps;
use super::counts::Counts;
use crate::args::{AgentArgs, Common};
use crate::play::allowed;
use crate::process::{CommandResult, Exit, Signals, Trouble, check_fleet, err};
use crate::project::{self, AgentSettings, DEVICE_VARIABLE, Handlers, OutboxSetting};
use crate::world::{self, Screen};

/// How long handlers that are at work may go on after SIGINT or SIGTERM: the default response timeout of a call.
const GRACE: Duration = Duration::from_secs(30);

/// Above this many devices, lines about single connections would only scroll.
pub(super) const FEW: usize = 10;

/// Runs the agent until SIGINT or SIGTERM; both are a good end.
pub(crate) async fn run(common: &Common, args: AgentArgs) -> CommandResult {
    let signals = Signals::listen()?;
    let handlers = project::handlers(args.scripts.as_deref())?;
    let crew = tokio::select! {
        crew = crew(common, &args) => crew?,
        // A provisioning service that is away is asked until it is there.
        () = signals.asked().cancelled() => return Ok(Exit::OK),
    };
    check_fleet(crew.devices.len(), 1)?;
    err(&format!("hub     {}", crew.hub));
    err(&format!("device  {}, running {}", crew.title, handlers.label()));
    let ids: Vec<&str> = crew.devices.iter().map(|device| device.identity.device.as_str()).collect();
    let faults = world::deal_faults(args.faults.as_deref(), args.sim_seed, &ids, &err)?;
    let (count, absent) = (crew.devices.len(), faults.absent_at_start());
    let lines = Screen::new(false).lines;
    let config = AgentConfig { faults: faults.clone(), ..config(&args, crew, handlers, lines.clone())? };
    let running = Agent::start(config).map_err(world::cannot_start)?;
    world::unknown_methods(&faults, running.methods(), &err);
    let counts = Counts::new(count, &lines);
    let ended = tokio::select! {
        () = signals.asked().cancelled() => None,
        ended = until_ended(&running, count, absent, &lines) => Some(ended),
        () = counts.show(&running), if count > FEW => None,
    };
    counts.last(&running);
    if let Some(ended) = ended {
        running.stop(Duration::ZERO).await;
        return Err(ended.map_or_else(
            || Trouble::internal("the agent ended by itself"),
            |finding| Trouble::new(Exit::FAILED, finding),
        ));
    }
    err(&format!("stop    handlers at work may take {} s; once more ends at once", GRACE.as_secs()));
    running.stop(GRACE).await;
    Ok(Exit::OK)
}

/// Says once that all are there; ends when all have ended by themselves.
async fn until_ended(running: &RunningAgent, count: usize, absent: usize, lines: &Lines) -> Option<Diagnostic> {
    if running.ready().await.is_ok() && count > 1 {
        let away = if absent == 0 { String::new() } else { format!(", {absent} offline") };
        lines.line(&format!("ready   {} devices connected{away}", count - absent));
    }
    running.finished().await
}

/// The devices to be, and how the first lines call them.
struct Crew {
    devices: Vec<DeviceConnection>,
    roots: Roots,
    hub: String,
    title: String,
}

async fn crew(common: &Common, args: &AgentArgs) -> Result<Crew, Trouble> {
    if let Some(scope) = &args.dps_scope {
        let certificate = certificate_files(args)?;
        let (device, roots) = agent_dps::find_hub(common, args, scope, certificate.as_ref()).await?;
        let hub = format!("{} (assigned by {scope})", device.host);
        return Ok(Crew { title: device.identity.to_string(), devices: vec![device], roots, hub });
    }
    if args.count.is_none()
        && let Some((device, origin)) = project::device(args.device_connection.as_deref(), args.token_file.as_deref())?
    {
        let roots = project::roots_for(common, &device.host.host);
        let hub = format!("{} ({origin})", device.host);
        return Ok(Crew { title: device.identity.to_string(), devices: vec![device], roots, hub });
    }
    if let Some(file) = &args.token_file {
        let file = file.display();
        return Err(Trouble::usage(format!("--token-file {file}: whose token is it? no device is given"))
            .help(format!("export {DEVICE_VARIABLE}='HostName=..;DeviceId=..' beside it, without a key")));
    }
    let Some(chosen) = project::configured(common)? else {
        return Err(Trouble::usage("no device and no hub: nothing is configured, and no hub runs for this folder")
            .help("a local hub: iotplay hub (in another terminal), then iotplay agent again")
            .help(format!(
                "a device of your own hub: export {DEVICE_VARIABLE}='HostName=..;DeviceId=..;SharedAccessKey=..'"
            )));
    };
    if !chosen.local && !allowed(args.yes.as_deref(), chosen.production.as_deref())? {
        return Err(Trouble::usage(format!("identities would be made on {}, which is not local", chosen.title))
            .help("if that is meant, give --yes"));
    }
    let count = args.count.unwrap_or(1);
    if count == 0 {
        return Err(Trouble::usage("--count 0: no device to be"));
    }
    check_fleet(count, 1)?;
    let ids: Vec<DeviceId> = (1..=count)
        .map(|number| format!("{}{number}", args.prefix).parse())
        .collect::<Result<_, _>>()
        .map_err(|error| Trouble::usage(format!("--prefix {}: {error}", args.prefix)))?;
    let title = match &ids[..] {
        [only] => format!("{only}, simulated"),
        [first, .., last] => format!("{first} .. {last}, {count} simulated"),
        [] => String::new(),
    };
    let client = world::client(&chosen)?;
    let mut devices = world::identities(&client, &ids).await?;
    if args.websocket {
        // Where services are, not where the other port is.
        devices.iter_mut().for_each(|device| device.host = chosen.connection.host.clone());
    }
    Ok(Crew { devices, roots: chosen.roots, hub: chosen.title, title })
}

fn config(args: &AgentArgs, crew: Crew, handlers: Handlers, lines: Lines) -> Result<AgentConfig, Trouble> {
    let (few, alone) = (crew.devices.len() <= FEW, crew.devices.len() == 1);
    let certificate = certificate(args, &crew.devices)?;
    let transport = transport(args, &crew.devices)?;
    let mut config =
        AgentConfig::new(crew.devices, world::place(handlers), Arc::new(move |event| show(&lines, &event, few, alone)));
    config.watch = args.watch.then_some(WatchMode::Native);
    config.roots = crew.roots;
    config.certificate = certificate;
    config.link.transport = transport;
    config.token_file = args.token_file.clone();
    config.sim = SimConfig { reboot: args.sim_reboot, away: args.sim_away };
    let own = AgentSettings::of_folder()?;
    if let Some(board) = own.board() {
        if args.count.is_some() || args.sim_away || args.faults.is_some() {
            return Err(Trouble::usage("`agent.reboot` of iotplay.yaml makes this a board, and the flags simulate")
                .help("a simulated fleet belongs in a folder of its own"));
        }
        config.board = Some(board);
    }
    own.apply(&mut config)?;
    config.outbox = outbox(args, own.outbox(), few);
    if let Some(command) = &args.reboot_command {
        config.board = Some(Board::new(command.split_whitespace().map(str::to_owned).collect()));
    }
    // One device is what it was before; a simulated fleet begins anew, or its start would write thousands of files.
    if alone {
        config.state = Some(STATE.into());
    }
    Ok(config)
}

/// How much may wait for the hub: what flags and `iotplay.yaml` say, else more for a board than for one of many.
fn outbox(args: &AgentArgs, asked: OutboxSetting, few: bool) -> OutboxConfig {
    let usual = OutboxConfig::default();
    let usual = if few { usual } else { OutboxConfig { messages: OF_MANY.0, bytes: OF_MANY.1, folder: None } };
    let number = |number: u32| usize::try_from(number).expect("32 bits fit");
    OutboxConfig {
        messages: args.outbox_messages.or(asked.messages).map_or(usual.messages, number),
        bytes: asked.bytes.map_or(usual.bytes, number),
        folder: (args.outbox_disk || asked.disk).then(|| STATE.into()),
    }
}

/// Messages and bytes for each device of a large fleet: thousands of them share this machine's memory.
const OF_MANY: (usize, usize) = (100, 512 << 10);

/// All devices of an agent are behind one host.
fn transport(args: &AgentArgs, devices: &[DeviceConnection]) -> Result<Transport, Trouble> {
    let Some(device) = devices.first().filter(|_| args.websocket) else { return Ok(Transport::Mqtt) };
    let peer = device.gateway.as_ref().unwrap_or(&device.host);
    let proxy = project::proxy_for(&peer.host)?;
    if let Some(proxy) = &proxy {
        err(&format!("proxy   {proxy}"));
    }
    Ok(Transport::WebSocket { proxy })
}

fn certificate(args: &AgentArgs, devices: &[DeviceConnection]) -> Result<Option<ClientCertificate>, Trouble> {
    let wanted = devices.iter().any(|device| matches!(device.credential, DeviceCredential::X509));
    match certificate_files(args)? {
        Some(own) => Ok(Some(own)),
        None if wanted => Err(Trouble::usage("this device logs in with a certificate (x509=true)")
            .help("give --cert-file and --key-file")),
        None => Ok(None),
    }
}

fn certificate_files(args: &AgentArgs) -> Result<Option<ClientCertificate>, Trouble> {
    let (Some(chain), Some(key)) = (&args.cert_file, &args.key_file) else { return Ok(None) };
    let chain = project::read(chain)?.text().to_owned();
    Ok(Some(ClientCertificate { chain, key: Secret::new(project::read(key)?.text()) }))
}

/// What a single device remembers: `device.state`, its boot, a restart on its way.
const STATE: &str = ".iotplay/agent";

/// What handlers print goes to stdout; what happens to devices to stderr.
fn show(lines: &Lines, event: &AgentEvent, few: bool, alone: bool) {
    match event {
        AgentEvent::Said { device, line } => {
            lines.out(&format!("{device} |    {line}"));
        }
        AgentEvent::Connected { .. } | AgentEvent::Disconnected { .. } | AgentEvent::FaultShown { .. } if !few => {}
        // The command ends with it and says why.
        AgentEvent::Ended { .. } if alone => {}
        event => {
            if let Some(line) = world::agent_line(event) {
                lines.line(&line);
            }
        }
    }
}
