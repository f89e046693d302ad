//! P1 to P4: direct methods through the hub against request and response through Mosquitto, TLS on every leg.
//! Both sides carry the same load: the same number of answering connections, and of requesting ones with one call in flight each.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::try_join_all;
use tokio::task::JoinSet;
use wire::{DeviceFilter, HubPath, Identity};

use crate::bare_fleet;
use crate::error::{Result, other};
use crate::memory::Agent;
use crate::peer::{Mosquitto, respond};
use crate::report::{Figure, Series};
use crate::subject::{LocalHub, answer};

/// What a device or responder answers.
pub(crate) const REPLY: &str = "{\"Response\":\"This is the answer\"}";

/// Calls in flight.
const IN_FLIGHT: usize = 64;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    repeats: usize,
    /// Calls per repeat, one in flight.
    one_by_one: usize,
    /// Calls per repeat, many in flight.
    together: usize,
    /// Answering devices under load.
    devices: usize,
}

impl Load {
    /// Enough to see that it measures; its figures mean little.
    pub(crate) const SMOKE: Self = Self { repeats: 1, one_by_one: 100, together: 1_000, devices: 50 };

    /// What the documents report.
    pub(crate) const fn full(repeats: usize) -> Self {
        Self { repeats, one_by_one: 1_000, together: 20_000, devices: 1_000 }
    }
}

/// The readings of one repeat.
struct Reading {
    p50_micros: f64,
    per_second: f64,
}

/// One requester: calls the next of `targets` and waits for its answer, `calls` times; gives each call's microseconds.
trait Requester {
    async fn call(&mut self, target: usize) -> Result<()>;
}

struct Rest<'a> {
    connection: crate::bare_http::BareHttp,
    requests: &'a [Vec<u8>],
}

impl Requester for Rest<'_> {
    async fn call(&mut self, target: usize) -> Result<()> {
        let (status, body) = self.connection.call(&self.requests[target % self.requests.len()]).await?;
        if status == 200 { Ok(()) } else { Err(other(format!("{status}: {}", String::from_utf8_lossy(&body)))) }
    }
}

struct Topics {
    client: crate::bare_mqtt::BareMqtt,
    payload: Bytes,
    responders: usize,
}

impl Requester for Topics {
    async fn call(&mut self, target: usize) -> Result<()> {
        self.client.queue(&format!("req/d{}", target % self.responders), self.payload.clone())?;
        self.client.flush().await?;
        self.client.message().await.map(drop)
    }
}

async fn drive<R: Requester>(requesters: &mut [R], calls: usize) -> Result<Reading> {
    let started = Instant::now();
    let share = calls / requesters.len();
    let each = requesters.iter_mut().enumerate().map(async |(number, requester)| {
        let mut micros = Vec::with_capacity(share);
        for turn in 0..share {
            let began = Instant::now();
            requester.call(number * share + turn).await?;
            micros.push(began.elapsed().as_secs_f64() * 1e6);
        }
        Ok::<_, crate::error::BenchError>(micros)
    });
    let mut micros: Vec<f64> = try_join_all(each).await?.into_iter().flatten().collect();
    let took = started.elapsed().as_secs_f64();
    micros.sort_by(f64::total_cmp);
    Ok(Reading { p50_micros: micros[micros.len() / 2], per_second: micros.len() as f64 / took })
}

fn method_request(hub: &LocalHub, id: &str, method: &str) -> Result<Vec<u8>> {
    let path = HubPath::Methods(Identity::device(id.parse().map_err(other)?));
    let body = format!("{{\"methodName\":\"{method}\",\"payload\":{{\"n\":42}},\"responseTimeoutInSeconds\":30}}");
    Ok(hub.request("POST", &path, &body))
}

async fn rest<'a>(hub: &LocalHub, requests: &'a [Vec<u8>], many: usize) -> Result<Vec<Rest<'a>>> {
    let mut requesters = Vec::new();
    for _ in 0..many {
        requesters.push(Rest { connection: hub.rest().await?, requests });
    }
    Ok(requesters)
}

async fn topics(
    peer: &Mosquitto,
    many: usize,
    responders: usize,
    load: &mut JoinSet<Result<()>>,
) -> Result<Vec<Topics>> {
    for number in 0..responders {
        let mut client = peer.client(&format!("responder-{responders}-{number}")).await?;
        client.subscribe(&format!("req/d{number}")).await?;
        load.spawn_local(respond(client));
    }
    let mut requesters = Vec::new();
    for number in 0..many {
        let name = format!("q{number}");
        let mut client = peer.client(&name).await?;
        client.subscribe(&format!("res/{name}")).await?;
        // As long as the method call's payload and rid, so that both carry the same bytes.
        let payload = Bytes::from(format!("{name:.<24}"));
        requesters.push(Topics { client, payload, responders });
    }
    Ok(requesters)
}

/// P1 and P4: one call in flight, bare device, real agent, Mosquitto, alternating.
pub(crate) async fn one_in_flight(iotplay: &Path, mosquitto: &str, amount: Load) -> Result<Vec<Figure>> {
    let (hub, peer) = (LocalHub::start(iotplay)?, Mosquitto::start(mosquitto)?);
    let mut load = JoinSet::new();
    let devices = hub.devices(&["bare".to_owned(), "apart".to_owned()]).await?;
    load.spawn_local(answer(hub.device(&devices[0], &[DeviceFilter::Methods]).await?));
    // The agent is a process of its own; so is the bare device that it is compared with.
    let _apart = bare_fleet::start(&hub, &devices[1..])?;
    let script = "on_method(\"echo\", |device, request| { reply(200, #{ Response: \"This is the answer\" }); });\n";
    let agent = Agent::start(iotplay, &hub, 1, script).await?;
    let bare = [method_request(&hub, "bare", "echo")?];
    let apart = [method_request(&hub, "apart", "echo")?];
    let real = [method_request(&hub, &agent.id(0), "echo")?];
    let mut to_bare = rest(&hub, &bare, 1).await?;
    let mut to_apart = rest(&hub, &apart, 1).await?;
    let mut to_real = rest(&hub, &real, 1).await?;
    let mut to_peer = topics(&peer, 1, 1, &mut load).await?;
    let [mut ours, mut theirs, mut bares, mut agents] = [(); 4].map(|()| Series::new("us"));
    for repeat in 0..=amount.repeats {
        let readings = [
            drive(&mut to_bare, amount.one_by_one).await?,
            drive(&mut to_peer, amount.one_by_one).await?,
            drive(&mut to_apart, amount.one_by_one).await?,
            drive(&mut to_real, amount.one_by_one).await?,
        ];
        // The first round warms up.
        if repeat > 0 {
            let [bare, mosquitto, apart, agent] = readings.map(|reading| reading.p50_micros);
            ours.push(bare);
            theirs.push(mosquitto);
            bares.push(apart);
            agents.push(agent);
        }
    }
    Ok(vec![
        Figure::new("P1", "method call p50, one in flight / Mosquitto request-response", ours, Some(theirs)),
        Figure::new(
            "P4",
            "the same with the agent and a Rhai handler / with a bare device, both processes",
            agents,
            Some(bares),
        ),
    ])
}

/// P2 and P3: 64 in flight over 1,000 devices.
pub(crate) async fn many_in_flight(iotplay: &Path, mosquitto: &str, amount: Load) -> Result<Vec<Figure>> {
    let (hub, peer) = (LocalHub::start(iotplay)?, Mosquitto::start(mosquitto)?);
    let mut load = JoinSet::new();
    let ids: Vec<String> = (0..amount.devices).map(|number| format!("d{number}")).collect();
    let mut requests = Vec::new();
    for connection in hub.devices(&ids).await? {
        load.spawn_local(answer(hub.device(&connection, &[DeviceFilter::Methods]).await?));
        requests.push(method_request(&hub, connection.identity.device.as_str(), "echo")?);
    }
    let requests: Arc<[Vec<u8>]> = requests.into();
    let mut to_hub = rest(&hub, &requests, IN_FLIGHT).await?;
    let mut to_peer = topics(&peer, IN_FLIGHT, amount.devices, &mut load).await?;
    let [mut our_rate, mut their_rate] = [(); 2].map(|()| Series::new("/s"));
    let [mut our_cpu, mut their_cpu] = [(); 2].map(|()| Series::new("us CPU"));
    for repeat in 0..=amount.repeats {
        let before = hub.process.cpu()?;
        let ours = drive(&mut to_hub, amount.together).await?;
        let hub_cpu = hub.process.cpu()? - before;
        let before = peer.process.cpu()?;
        let theirs = drive(&mut to_peer, amount.together).await?;
        let peer_cpu = peer.process.cpu()? - before;
        if repeat > 0 {
            let calls = (amount.together / IN_FLIGHT * IN_FLIGHT) as f64;
            our_rate.push(ours.per_second);
            their_rate.push(theirs.per_second);
            our_cpu.push(hub_cpu.as_secs_f64() * 1e6 / calls);
            their_cpu.push(peer_cpu.as_secs_f64() * 1e6 / calls);
        }
    }
    let what = format!("{IN_FLIGHT} in flight over {} devices", amount.devices);
    Ok(vec![
        Figure::new(
            "P2",
            format!("hub CPU per call, {what} / Mosquitto CPU per request-response"),
            our_cpu,
            Some(their_cpu),
        ),
        Figure::new(
            "P3",
            format!("method throughput, {what} / Mosquitto request-response rate"),
            our_rate,
            Some(their_rate),
        ),
    ])
}
