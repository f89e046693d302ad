//! The hub and the devices in this process. They listen on and connect over real loopback sockets with real TLS; identities are made
//! over REST. Nothing is short-circuited because it is near.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use agent::{Agent, AgentConfig, AgentEvent, RunningAgent, ScriptPlace, SimConfig};
use base::{Clock, Seed};
use hub::{Hub, HubConfig, HubEvent, HubLog, RunningHub};
use iothub::{HubClient, HubOptions};
use net::tls::Roots;
use runner::{HubInfo, Lines};
use script::WatchMode;
use tokio::sync::mpsc;
use wire::DeviceId;

use super::devices::identities;
use super::faults::{deal_faults, read_hub_faults, unknown_methods};
use super::screen::agent_line;
use crate::args::SimArgs;
use crate::process::{Trouble, chain, check_fleet};
use crate::project::{self, AgentSettings, Handlers};

/// Above this many devices, what each one says would only scroll; failures are on the steps' lines.
const FEW: usize = 10;

/// Until all simulated devices are connected: 9,000 of them take some 20 s on two cores.
const READY: Duration = Duration::from_secs(120);

/// Hub and devices.
pub(crate) struct Embedded {
    hub: RunningHub,
    agent: RunningAgent,
    reloads: RefCell<mpsc::Receiver<()>>,
}

impl Embedded {
    /// Starts both; says the first two lines.
    pub(crate) async fn start(
        sim: &SimArgs,
        watch: bool,
        lines: &Lines,
    ) -> Result<(HubClient, HubInfo, Self), Trouble> {
        // Each device has a socket here and one in the hub.
        check_fleet(sim.sim, 2)?;
        let handlers = project::handlers(sim.scripts.as_deref())?;
        let info = HubInfo { title: "local, in this process (no hub configured)".to_owned(), local: true };
        lines.line(&format!("hub     {}", info.title));
        lines.line(&format!("device  {}, running {}", title(sim.sim), handlers.label()));
        let ids: Vec<DeviceId> =
            (1..=sim.sim).map(|number| format!("sim-{number}").parse().expect("an id of letters and digits")).collect();
        let names: Vec<&str> = ids.iter().map(DeviceId::as_str).collect();
        let faults = deal_faults(sim.sim_faults.as_deref(), sim.sim_seed, &names, &|text| lines.line(text))?;
        let hub = Hub::start(hub_config(sim, lines)?).await.map_err(|error| Trouble::internal(chain(&error)))?;
        let client = client(&hub)?;
        let devices = identities(&client, &ids).await?;
        let (tell, reloads) = mpsc::channel(1);
        let mut config = AgentConfig::new(devices, place(handlers), Arc::new(sink(lines.clone(), sim.sim, tell)));
        config.watch = watch.then_some(WatchMode::Native);
        config.roots = Roots::Pem(hub.ca_pem().to_owned());
        config.sim = SimConfig { reboot: sim.sim_reboot, away: false };
        config.faults = faults.clone();
        AgentSettings::of_folder()?.apply(&mut config)?;
        let agent = Agent::start(config).map_err(cannot_start)?;
        unknown_methods(&faults, agent.methods(), &|text| lines.line(text));
        match tokio::time::timeout(READY, agent.ready()).await {
            Ok(Ok(())) => Ok((client, info, Self { hub, agent, reloads: RefCell::new(reloads) })),
            Ok(Err(finding)) => Err(Trouble::new(crate::process::Exit::INTERNAL, finding)),
            Err(_) => {
                Err(Trouble::internal(format!("the simulated devices did not connect within {} s", READY.as_secs())))
            }
        }
    }

    /// Tells when the devices have taken over new handlers.
    pub(crate) fn reloads(&self) -> &RefCell<mpsc::Receiver<()>> {
        &self.reloads
    }

    /// Ends both, devices first.
    pub(crate) async fn stop(self) {
        self.agent.stop(Duration::ZERO).await;
        self.hub.stop().await;
    }
}

/// A quiet hub, unless it is to go wrong: then each fault is a line, and the seed of the devices' faults is its own too.
fn hub_config(sim: &SimArgs, lines: &Lines) -> Result<HubConfig, Trouble> {
    let Some(file) = &sim.hub_faults else { return Ok(HubConfig::embedded()) };
    let (profile, _) = read_hub_faults(file)?;
    for told in profile.told() {
        lines.line(&format!("fault   {told} (seed {})", sim.sim_seed));
    }
    let said = lines.clone();
    let log = HubLog::new(move |event| match event {
        HubEvent::FaultShown { id, identity, what, .. } => {
            let who = identity.map_or_else(|| "service".to_owned(), |identity| identity.to_string());
            said.line(&format!("{who}  fault {id}: {what}"));
        }
        HubEvent::FaultAsked { identity, said: asked } => said.line(&format!("{identity}  fault: {asked}")),
        _ => {}
    });
    Ok(HubConfig { faults: Some(profile), seed: Seed(sim.sim_seed), log, ..HubConfig::embedded() })
}

/// Why an agent did not start, for people.
pub(crate) fn cannot_start(error: agent::AgentStartError) -> Trouble {
    match error {
        agent::AgentStartError::Scripts(found) => Trouble::invalid(found),
        error @ agent::AgentStartError::Thread(_) => Trouble::internal(chain(&error)),
        error => Trouble::usage(chain(&error)),
    }
}

/// Where the agent finds its scripts.
pub(crate) fn place(handlers: Handlers) -> ScriptPlace {
    match handlers {
        Handlers::Path(path) => ScriptPlace::Path(path),
        Handlers::BuiltIn => ScriptPlace::BuiltIn(Handlers::built_in()),
    }
}

fn client(hub: &RunningHub) -> Result<HubClient, Trouble> {
    let connection = hub.service_connection();
    project::hide(connection.key.expose());
    let roots = Roots::Pem(hub.ca_pem().to_owned());
    let options = HubOptions { roots, local: true, clock: Clock::system(), ..HubOptions::new(connection) };
    HubClient::new(options).map_err(|error| Trouble::internal(chain(&error)))
}

fn title(count: usize) -> String {
    match count {
        0 => "none".to_owned(),
        1 => "sim-1, simulated".to_owned(),
        _ => format!("sim-1 .. sim-{count}, {count} simulated"),
    }
}

/// What simulated devices say goes between the run's own lines.
fn sink(lines: Lines, count: usize, reloaded: mpsc::Sender<()>) -> impl Fn(AgentEvent) + Send + Sync {
    move |event| match &event {
        AgentEvent::Said { device, line } if count <= FEW => lines.device(&device.to_string(), line),
        AgentEvent::Said { .. }
        | AgentEvent::Connected { .. }
        | AgentEvent::Disconnected { .. }
        | AgentEvent::Rebooting { .. } => {}
        AgentEvent::Reloaded { .. } => {
            // Full: a rerun is due already.
            let _ = reloaded.try_send(());
        }
        event if count <= FEW || matches!(event, AgentEvent::Broken(_)) => {
            if let Some(line) = agent_line(event) {
                lines.line(&line);
            }
        }
        _ => {}
    }
}
