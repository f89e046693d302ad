//! `iotplay agent`: one real board, or simulated devices, in the foreground until told to stop.

use std::net::Ipv4Addr;
use std::time::Duration;

use agent::{
    Agent, AgentConfig, AgentMetrics, Board, ClientCertificate, OutboxConfig, RunningAgent, SimConfig, Sink, Transport,
};
use base::{Diagnostic, Secret};
use net::tls::Roots;
use runner::Lines;
use script::WatchMode;
use wire::{DeviceConnection, DeviceCredential, DeviceId};

use super::agent_shard::{self, Shard};
use super::agent_told::{Record, Telling};
use super::counts::Counts;
use super::{agent_dps, agent_watch};
use crate::args::{AgentArgs, Common};
use crate::play::allowed;
use crate::process::{CommandResult, Exit, Notify, Signals, Trouble, check_fleet, connections, err};
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
    let record = args.record.as_deref().map(Record::begin).transpose()?;
    err(&format!("hub     {}", crew.hub));
    err(&format!("device  {}, running {}", crew.title, handlers.label()));
    // Of the whole fleet, so that a part has the faults that it has in the whole.
    let own: Vec<&str> = crew.devices.iter().map(|device| device.identity.device.as_str()).collect();
    let fleet: Vec<&str> = crew.fleet.iter().map(DeviceId::as_str).collect();
    let dealt_to = if fleet.is_empty() { &own } else { &fleet };
    let faults = world::deal_faults(args.faults.as_deref(), args.sim_seed, dealt_to, &err)?.only(&own);
    let listener = match args.metrics_port {
        Some(port) => Some(agent_watch::listen(port).await?),
        None => None,
    };
    let notify = Notify::from_environment();
    let (count, absent) = (crew.devices.len(), faults.absent_at_start());
    let lines = Screen::new(false).lines;
    let metrics = AgentMetrics::default();
    let telling =
        Telling { lines: lines.clone(), format: args.log_format, few: count <= FEW, alone: count == 1, record };
    let sink = metrics.before(telling.sink());
    let mut config = AgentConfig { faults: faults.clone(), ..config(&args, crew, handlers, sink)? };
    config.pulse = (listener.is_some() || notify.is_heard()).then_some(agent_watch::PULSE);
    let running = Agent::start(config).map_err(world::cannot_start)?;
    world::unknown_methods(&faults, running.methods(), &err);
    let counts = Counts::new(count, &lines);
    let ended = tokio::select! {
        () = signals.asked().cancelled() => None,
        ended = until_ended(&running, count, absent, args.shard, &lines) => Some(ended),
        () = counts.show(&running), if count > FEW => None,
        () = agent_watch::tell(&notify, &running, count - absent) => None,
        () = agent_watch::numbers(listener, metrics, &running, count - absent) => None,
    };
    notify.stopping();
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
async fn until_ended(
    running: &RunningAgent,
    count: usize,
    absent: usize,
    shard: Option<Shard>,
    lines: &Lines,
) -> Option<Diagnostic> {
    if running.ready().await.is_ok() && count > 1 {
        let away = if absent == 0 { String::new() } else { format!(", {absent} offline") };
        let part = shard.map_or_else(String::new, |shard| format!(" (shard {shard})"));
        lines.line(&format!("ready   {} devices connected{away}{part}", count - absent));
    }
    running.finished().await
}

/// The devices to be, and how the first lines call them.
struct Crew {
    devices: Vec<DeviceConnection>,
    roots: Roots,
    hub: String,
    title: String,
    /// All ids of a simulated fleet, of which `devices` may be a part; empty for a single device of somebody's.
    fleet: Vec<DeviceId>,
    sources: Vec<Ipv4Addr>,
}

impl Crew {
    fn one(device: DeviceConnection, roots: Roots, hub: String) -> Self {
        let title = device.identity.to_string();
        Self { devices: vec![device], roots, hub, title, fleet: Vec::new(), sources: Vec::new() }
    }
}

async fn crew(common: &Common, args: &AgentArgs) -> Result<Crew, Trouble> {
    if let Some(scope) = &args.dps_scope {
        let certificate = certificate_files(args)?;
        let (device, roots) = agent_dps::find_hub(common, args, scope, certificate.as_ref()).await?;
        let hub = format!("{} (assigned by {scope})", device.host);
        return Ok(Crew::one(device, roots, hub));
    }
    if args.count.is_none()
        && let Some((device, origin)) = project::device(args.device_connection.as_deref(), args.token_file.as_deref())?
    {
        let roots = project::roots_for(common, &device.host.host);
        let hub = format!("{} ({origin})", device.host);
        return Ok(Crew::one(device, roots, hub));
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
    let shard = args.shard.unwrap_or(Shard::whole());
    agent_shard::fits(count, shard, connections())?;
    let fleet: Vec<DeviceId> = (1..=count)
        .map(|number| format!("{}{number}", args.prefix).parse())
        .collect::<Result<_, _>>()
        .map_err(|error| Trouble::usage(format!("--prefix {}: {error}", args.prefix)))?;
    let ids = shard.own(&fleet);
    let title = match &ids[..] {
        [only] => format!("{only}, simulated"),
        [first, .., last] => match args.shard {
            None => format!("{first} .. {last}, {count} simulated"),
            Some(shard) => format!("{first} .. {last}, {} of {count} simulated (shard {shard})", ids.len()),
        },
        [] => return Err(Trouble::usage(format!("--shard {shard}: a fleet of {count} has nobody for it"))),
    };
    let sources = if chosen.local { shard.sources(ids.len()) } else { Vec::new() };
    let client = world::client(&chosen)?;
    let mut devices = world::identities(&client, &ids).await?;
    if args.websocket {
        // Where services are, not where the other port is.
        devices.iter_mut().for_each(|device| device.host = chosen.connection.host.clone());
    }
    Ok(Crew { devices, roots: chosen.roots, hub: chosen.title, title, fleet, sources })
}

fn config(args: &AgentArgs, crew: Crew, handlers: Handlers, sink: Sink) -> Result<AgentConfig, Trouble> {
    let (few, alone) = (crew.devices.len() <= FEW, crew.devices.len() == 1);
    let certificate = certificate(args, &crew.devices)?;
    let transport = transport(args, &crew.devices)?;
    let mut config = AgentConfig::new(crew.devices, world::place(handlers), sink);
    config.watch = args.watch.then(|| args.watch_poll.map_or(WatchMode::Native, WatchMode::Poll));
    config.roots = crew.roots;
    config.certificate = certificate;
    config.link.transport = transport;
    config.link.sources = crew.sources;
    config.record = args.record.is_some();
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
        config.state = Some(args.state.clone());
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
        folder: (args.outbox_disk || asked.disk).then(|| args.state.clone()),
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
