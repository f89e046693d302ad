//! P5, P6, P7 and P13: resident memory of the hub, of simulated devices and of an idle agent, and the time until a fleet is connected.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use wire::{DeviceFilter, HubPath};

use crate::bare_fleet;
use crate::error::{Result, other};
use crate::peer::Mosquitto;
use crate::process::Running;
use crate::report::{Figure, Series};
use crate::subject::LocalHub;

/// A whole fleet has this long to connect.
const CONNECTED_WITHIN: Duration = Duration::from_secs(180);

/// thin-edge.io's published resident memory of an idle agent, 8 MiB: a figure, not a run.
const THIN_EDGE: f64 = 8192.0;

/// `iotplay agent` as a process with some simulated devices.
pub(crate) struct Agent {
    pub(crate) process: Running,
    prefix: &'static str,
}

impl Agent {
    /// Starts a fleet against a hub and waits until all of it is connected.
    pub(crate) async fn start(iotplay: &Path, hub: &LocalHub, count: usize, script: &str) -> Result<Self> {
        let script_path = hub.folder().join("bench.rhai");
        std::fs::write(&script_path, script)?;
        let log = hub.folder().join("agent.log");
        let mut command = Command::new(iotplay);
        command
            .arg("agent")
            .arg("--count")
            .arg(count.to_string())
            .args(["--prefix", "agent-", "--scripts"])
            .arg(script_path);
        command.arg("--ca-file").arg(&hub.ca).env("IOTHUB_CONNECTION_STRING", &hub.service).current_dir(hub.folder());
        let process = Running::start(&mut command, &log)?;
        let agent = Self { process, prefix: "agent-" };
        let started = Instant::now();
        let mut rest = hub.rest().await?;
        let ask = hub.request("GET", &HubPath::StatisticsService, "");
        let wanted = count as u64;
        loop {
            let (_, body) = rest.call(&ask).await?;
            let answer: Value = serde_json::from_slice(&body).map_err(other)?;
            if answer["connectedDeviceCount"].as_u64().unwrap_or(0) >= wanted {
                return Ok(agent);
            }
            if started.elapsed() > CONNECTED_WITHIN {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(other(format!("the fleet is not connected: {answer}; it said: {said}")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A device's id, from 0.
    pub(crate) fn id(&self, number: usize) -> String {
        format!("{}{}", self.prefix, number + 1)
    }
}

/// The default handler, as a fleet would run it.
pub(crate) const REBOOT: &str = include_str!("../../../scripts/reboot.rhai");

/// P6, P7 and the hub's side of both: fleets of the given sizes, each on a fresh hub.
pub(crate) async fn fleets(iotplay: &Path, sizes: &[usize]) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for &size in sizes {
        let hub = LocalHub::start(iotplay)?;
        let hub_before = hub.process.resident()?;
        let lone = Agent::start(iotplay, &hub, 1, REBOOT).await?;
        let agent_before = lone.process.resident()?;
        drop(lone);
        let began = Instant::now();
        let fleet = Agent::start(iotplay, &hub, size, REBOOT).await?;
        let took = began.elapsed().as_secs_f64();
        let devices = size as f64;
        let per_device = (fleet.process.resident()? - agent_before) as f64 / devices / 1e3;
        let in_hub = hub.process.resident()?.saturating_sub(hub_before) as f64 / devices / 1e3;
        let total = (fleet.process.resident()? + hub.process.resident()?) as f64 / 1e6;
        let bare = bare_clients(&hub, size.min(1_000)).await?;
        let series = |unit, value| Series { unit, values: vec![value] };
        let what = format!("memory per simulated device, {size} of them / bare TLS client");
        figures.push(Figure::new("P6", what, series("kB", per_device), Some(series("kB", bare))));
        figures.push(Figure::new(
            "P5h",
            format!("hub memory per device of that fleet, {size}"),
            series("kB", in_hub),
            None,
        ));
        figures.push(Figure::new(
            "P7",
            format!("{size} devices made, connected, subscribed, twins read"),
            series("s", took),
            None,
        ));
        figures.push(Figure::new(
            "P7m",
            format!("memory of hub and fleet together, {size}"),
            series("MB", total),
            None,
        ));
    }
    Ok(figures)
}

/// Resident kB per bare TLS client, in a process of their own.
async fn bare_clients(hub: &LocalHub, many: usize) -> Result<f64> {
    let ids: Vec<String> = (0..many).map(|number| format!("bare-{number}")).collect();
    let connections = hub.devices(&ids).await?;
    let lone = bare_fleet::start(hub, &connections[..1])?.resident()?;
    let all = bare_fleet::start(hub, &connections)?.resident()?;
    Ok((all - lone) as f64 / many as f64 / 1e3)
}

/// P5: memory that a bare, subscribed TLS device costs the hub, against a bare subscribed TLS client of Mosquitto.
pub(crate) async fn hub_per_device(iotplay: &Path, mosquitto: &str, many: usize) -> Result<Vec<Figure>> {
    let (hub, peer) = (LocalHub::start(iotplay)?, Mosquitto::start(mosquitto)?);
    let ids: Vec<String> = (0..many).map(|number| format!("d{number}")).collect();
    let empty = hub.process.resident()?;
    let connections = hub.devices(&ids).await?;
    let registered = hub.process.resident()?;
    let mut held = Vec::new();
    for connection in &connections {
        let filters = [DeviceFilter::Methods, DeviceFilter::TwinResponses, DeviceFilter::Desired];
        held.push(hub.device(connection, &filters).await?);
    }
    let connected = hub.process.resident()?;
    let before = peer.process.resident()?;
    for number in 0..many {
        let mut client = peer.client(&format!("c{number}")).await?;
        client.subscribe(&format!("req/d{number}")).await?;
        held.push(client);
    }
    let theirs = (peer.process.resident()? - before) as f64 / many as f64 / 1e3;
    let each = |bytes: u64| Series { unit: "kB", values: vec![bytes as f64 / many as f64 / 1e3] };
    let peer_series = Series { unit: "kB", values: vec![theirs] };
    let what = format!("hub memory per connected TLS device with its twin, {many} / Mosquitto per TLS connection");
    Ok(vec![
        Figure::new("P5", what, each(connected.saturating_sub(empty)), Some(peer_series)),
        Figure::new(
            "P5r",
            format!("of that, identity and twin alone, {many}"),
            each(registered.saturating_sub(empty)),
            None,
        ),
    ])
}

/// P13: an idle agent with one device, connected over TLS.
pub(crate) async fn idle_agent(iotplay: &Path, repeats: usize) -> Result<Vec<Figure>> {
    let hub = LocalHub::start(iotplay)?;
    let mut ours = Series::new("KiB");
    for _ in 0..repeats {
        let agent = Agent::start(iotplay, &hub, 1, REBOOT).await?;
        ours.push(agent.process.resident()? as f64 / 1024.0);
        drop(agent);
        hub_forgets(&hub).await?;
    }
    let peer = Series { unit: "KiB (published)", values: vec![THIN_EDGE] };
    Ok(vec![Figure::new("P13", "idle agent, resident / thin-edge.io's published figure", ours, Some(peer))])
}

/// Waits until the hub has noticed that the last agent is gone, so that the next one is not counted too early.
async fn hub_forgets(hub: &LocalHub) -> Result<()> {
    let mut rest = hub.rest().await?;
    let ask = hub.request("GET", &HubPath::StatisticsService, "");
    let began = Instant::now();
    while began.elapsed() < CONNECTED_WITHIN {
        let (_, body) = rest.call(&ask).await?;
        let answer: Value = serde_json::from_slice(&body).map_err(other)?;
        if answer["connectedDeviceCount"] == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(other("the hub still counts the last agent as connected"))
}
