//! Ours under measurement: `iotplay hub` as a process, its devices made over REST, bare devices and bare service calls.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rustls::ClientConfig;
use serde_json::Value;
use tempfile::TempDir;
use wire::headers::API_VERSION_PARAMETER;
use wire::{
    DeviceConnection, DeviceCredential, DeviceFilter, DeviceTopic, HubPath, Identity, ServiceConnection, Username,
    device_resource,
};

use crate::bare_http::{BareHttp, request};
use crate::bare_mqtt::BareMqtt;
use crate::error::{Result, other};
use crate::process::Running;
use crate::tls;

/// Tokens outlive every benchmark.
const TOKEN_LIFE: Duration = Duration::from_secs(24 * 3600);

/// The hub's folder within the benchmark's own.
const DATA: &str = "hub";

/// The file of what a hub says, in its folder.
const LOG: &str = "hub.log";

/// A running local hub.
pub(crate) struct LocalHub {
    pub(crate) process: Running,
    pub(crate) https: SocketAddr,
    pub(crate) mqtt: SocketAddr,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) ca: PathBuf,
    pub(crate) service: String,
    host: String,
    token: String,
    folder: TempDir,
}

impl LocalHub {
    /// Starts `iotplay hub` on free ports.
    pub(crate) fn start(iotplay: &Path) -> Result<Self> {
        Self::launch(iotplay, &["--mqtt-port", "0", "--https-port", "0"])
    }

    /// Starts `iotplay hub` on a loopback address of its own and the standard ports, which SDK programs want.
    pub(crate) fn start_at(iotplay: &Path, address: &str) -> Result<Self> {
        Self::launch(iotplay, &["--bind", address, "--mqtt-port", "8883", "--https-port", "443"])
    }

    /// Starts `iotplay hub` on free ports with these devices and these limits.
    pub(crate) fn narrow(iotplay: &Path, seed: &str, limits: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("seed.yaml"), seed)?;
        let flags = ["--mqtt-port", "0", "--https-port", "0", "--seed", "seed.yaml"];
        Self::launch_in(folder, iotplay, &[&flags, limits].concat())
    }

    fn launch(iotplay: &Path, flags: &[&str]) -> Result<Self> {
        Self::launch_in(tempfile::tempdir()?, iotplay, flags)
    }

    fn launch_in(folder: TempDir, iotplay: &Path, flags: &[&str]) -> Result<Self> {
        let data = folder.path().join(DATA);
        let log = folder.path().join(LOG);
        let mut command = Command::new(iotplay);
        command.arg("hub").args(flags).arg("--data").arg(&data);
        let mut process = Running::start(command.current_dir(folder.path()), &log)?;
        let endpoint = process.until("iotplay hub", &log, || {
            let text = std::fs::read_to_string(data.join("endpoint.json")).ok()?;
            serde_json::from_str::<Value>(&text).ok()
        })?;
        let text = |key: &str| endpoint[key].as_str().map(str::to_owned).ok_or_else(|| other(format!("no {key}")));
        let service = text("service")?;
        let connection: ServiceConnection = service.parse().map_err(other)?;
        let host = connection.host.to_string();
        let token = wire::sign(&host, &connection.key, expiry(), Some(&connection.policy)).expose().to_owned();
        let ca = PathBuf::from(text("ca")?);
        Ok(Self {
            process,
            https: text("https")?.parse().map_err(other)?,
            mqtt: text("mqtt")?.parse().map_err(other)?,
            tls: tls::client(&ca)?,
            ca,
            service,
            host,
            token,
            folder,
        })
    }

    /// A folder that goes with the hub.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it says.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join(LOG)
    }

    /// Where it keeps its state: what our own commands find it by.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join(DATA)
    }

    /// A token of the hub's owner, for requests of other programs.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The bytes of a request with a token.
    pub(crate) fn request(&self, method: &str, path: &HubPath, body: &str) -> Vec<u8> {
        let path = format!("{path}?{}={}", API_VERSION_PARAMETER, wire::API_VERSION);
        request(method, &path, &self.host, &self.token, body)
    }

    /// A kept REST connection.
    pub(crate) async fn rest(&self) -> Result<BareHttp> {
        BareHttp::connect(self.https, &self.tls).await
    }

    /// Makes devices and gives their connection strings.
    pub(crate) async fn devices(&self, ids: &[String]) -> Result<Vec<DeviceConnection>> {
        let mut rest = self.rest().await?;
        let mut made = Vec::new();
        for id in ids {
            let device = id.parse().map_err(other)?;
            let request = self.request("PUT", &HubPath::Device(device), &format!("{{\"deviceId\":\"{id}\"}}"));
            let (status, body) = rest.call(&request).await?;
            let document: Value = serde_json::from_slice(&body).map_err(other)?;
            let key = document["authentication"]["symmetricKey"]["primaryKey"].as_str();
            let key = key.ok_or_else(|| other(format!("{id}: status {status}, no key in {document}")))?;
            made.push(DeviceConnection {
                host: format!("localhost:{}", self.mqtt.port()).parse().map_err(other)?,
                gateway: None,
                identity: Identity::device(id.parse().map_err(other)?),
                credential: DeviceCredential::Key(key.parse().map_err(other)?),
            });
        }
        Ok(made)
    }

    /// A bare device, connected, with the given subscriptions.
    pub(crate) async fn device(&self, connection: &DeviceConnection, filters: &[DeviceFilter]) -> Result<BareMqtt> {
        device(self.mqtt, &self.tls, connection, filters).await
    }
}

/// A bare device, connected to this address, with the given subscriptions.
pub(crate) async fn device(
    mqtt: SocketAddr,
    tls: &Arc<ClientConfig>,
    connection: &DeviceConnection,
    filters: &[DeviceFilter],
) -> Result<BareMqtt> {
    let DeviceCredential::Key(key) = &connection.credential else { return Err(other("a key was expected")) };
    let id = connection.identity.device.as_str();
    let host = connection.host.to_string();
    let token = wire::sign(&device_resource(&host, &connection.identity), key, expiry(), None);
    let api_version = Some(wire::API_VERSION.to_owned());
    let user = Username { host, identity: connection.identity.clone(), api_version, client_type: None, model_id: None };
    let mut client = BareMqtt::connect(mqtt, tls, id, Some((&user.to_string(), token.expose()))).await?;
    for filter in filters {
        client.subscribe(&filter.to_string()).await?;
    }
    Ok(client)
}

fn expiry() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| (now + TOKEN_LIFE).as_secs())
}

/// Answers every method call with 200 until the connection ends.
pub(crate) async fn answer(mut device: BareMqtt) -> Result<()> {
    loop {
        answer_one(&mut device, None).await?;
    }
}

/// The same; reports how many there were before each answer.
pub(crate) async fn answer_and_report(mut device: BareMqtt) -> Result<()> {
    let mut calls = 0_u64;
    loop {
        calls += answer_one(&mut device, Some(calls + 1)).await?;
    }
}

/// The next message, if it is a call: 1, else 0.
async fn answer_one(device: &mut BareMqtt, report: Option<u64>) -> Result<u64> {
    let call = device.message().await?;
    let DeviceTopic::MethodRequest { rid, .. } = DeviceTopic::parse(&call.topic).map_err(other)? else { return Ok(0) };
    if let Some(calls) = report {
        let topic = DeviceTopic::TwinReported { rid: "r", version: None };
        device.queue(&topic.to_string(), Bytes::from(format!("{{\"calls\":{calls}}}")))?;
    }
    let reply = DeviceTopic::MethodResponse { status: 200, rid };
    device.queue(&reply.to_string(), Bytes::from_static(crate::calls::REPLY.as_bytes()))?;
    device.flush().await?;
    Ok(1)
}
