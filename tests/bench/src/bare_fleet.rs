//! Bare devices in a process of their own: the peer of the real agent, which is a process too. Each connects over TLS,
//! subscribes to methods and answers every call; nothing else.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use wire::{DeviceConnection, DeviceFilter};

use crate::error::{Result, other};
use crate::process::Running;
use crate::subject::{LocalHub, answer, answer_and_report, device};
use crate::tls;

/// What the process says once all its devices are connected.
const READY: &str = "ready";

/// What the process is told, in a file of the benchmark's own folder.
#[derive(Deserialize, Serialize)]
struct Order {
    mqtt: SocketAddr,
    ca: PathBuf,
    devices: Vec<String>,
    /// Each reports before it answers.
    reports: bool,
    /// Between two connections.
    apart_millis: u64,
}

/// Starts the process and waits until its devices are connected.
pub(crate) fn start(hub: &LocalHub, devices: &[DeviceConnection]) -> Result<Running> {
    begin(hub, devices, false, Duration::ZERO)
}

/// The same with devices that report before they answer, on a hub that does not let them in all at once.
pub(crate) fn start_reporting(hub: &LocalHub, devices: &[DeviceConnection], apart: Duration) -> Result<Running> {
    begin(hub, devices, true, apart)
}

fn begin(hub: &LocalHub, devices: &[DeviceConnection], reports: bool, apart: Duration) -> Result<Running> {
    let devices = devices.iter().map(|device| device.to_connection_string().expose().to_owned()).collect();
    let apart_millis = u64::try_from(apart.as_millis()).map_err(other)?;
    let order = Order { mqtt: hub.mqtt, ca: hub.ca.clone(), devices, reports, apart_millis };
    let file = hub.folder().join("bare.json");
    std::fs::write(&file, serde_json::to_vec(&order).map_err(other)?)?;
    let log = hub.folder().join("bare.log");
    let mut process = Running::start(Command::new(std::env::current_exe()?).arg("--bare-fleet").arg(file), &log)?;
    process
        .until("the bare fleet", &log, || std::fs::read_to_string(&log).ok().filter(|said| said.starts_with(READY)))?;
    Ok(process)
}

/// The process itself.
pub(crate) async fn run(order: &Path) -> Result<()> {
    let order: Order = serde_json::from_slice(&std::fs::read(order)?).map_err(other)?;
    let config = tls::client(&order.ca)?;
    let mut answering = JoinSet::new();
    for connection in &order.devices {
        let connection: DeviceConnection = connection.parse().map_err(other)?;
        let filters = [DeviceFilter::Methods, DeviceFilter::TwinResponses];
        let filters = if order.reports { &filters[..] } else { &filters[..1] };
        let client = device(order.mqtt, &config, &connection, filters).await?;
        if order.reports {
            answering.spawn_local(answer_and_report(client));
        } else {
            answering.spawn_local(answer(client));
        }
        tokio::time::sleep(Duration::from_millis(order.apart_millis)).await;
    }
    println!("{READY}");
    while let Some(ended) = answering.join_next().await {
        ended.map_err(other)??;
    }
    Ok(())
}
