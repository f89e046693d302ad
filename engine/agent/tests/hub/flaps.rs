//! A connection that is cut again and again under load: nothing is lost, and memory stays flat, which is looked at when it
//! runs alone: `IOTPLAY_TEST_FLAPS=1000 cargo test -p iotplay-agent --test hub flaps -- --nocapture`.

use std::time::Duration;

use hub::HubConfig;
use iotplay_agent::Agent;
use serde_json::json;
use stage::{FaultyLine, Weather};
use wire::HostPort;

use crate::scene::{Taken, quick};
use crate::stage::{Ear, Stage, built_in, eventually};

/// Cuts in the gate.
const FEW: u64 = 50;

/// What a process may grow while it is cut so often: far less than one connection's buffers for each cut.
const GROWTH: u64 = 6 << 20;

const SCRIPT: &str = "on_method('go', |device, request| { device.send(#{ n: request.payload }); device.report(#{ n: request.payload }); request.payload });
on_start(|device| device.every('tick', 0.1, |device| { let n = device.state.n ?? 0; device.state.n = n + 1; device.send(#{ tick: n }); }));";

fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test]
async fn a_connection_that_flaps_loses_nothing_and_costs_no_memory() {
    let flaps = std::env::var("IOTPLAY_TEST_FLAPS").map_or(FEW, |text| text.parse().expect("a number of cuts"));
    let (taken, ear) = (Taken::default(), Ear::default());
    let stage = Stage::with(HubConfig { log: taken.log(), ..HubConfig::embedded() }).await;
    let line = FaultyLine::to(stage.hub.mqtt()).await.unwrap();
    let mut device = stage.add("d").await;
    device.gateway = Some(HostPort::with_port("localhost", line.at().port()));
    let mut config = stage.config(vec![device], built_in(SCRIPT), &ear);
    quick(&mut config.link);
    let agent = Agent::start(config).unwrap();
    agent.ready().await.unwrap();
    let (mut answered, mut warm) = (Vec::new(), 0);
    for flap in 0..flaps {
        let (status, _) = stage.call("d", "go", json!(flap)).await;
        if status == 200 {
            answered.push(flap);
        }
        let connects = agent.status().connects;
        line.set(if flap % 2 == 0 { Weather::Reset } else { Weather::Close });
        eventually("back again", async || agent.status().connects > connects).await;
        if flap == flaps / 5 {
            warm = resident();
            ear.forget();
        }
        if flap % 10 == 0 {
            ear.forget();
        }
    }
    eventually("everything arrives", async || {
        let has = |n: &u64| taken.has(&json!({"n": n}));
        answered.iter().all(has)
    })
    .await;
    assert!(answered.len() as u64 > flaps / 2, "{} of {flaps} calls were answered", answered.len());
    let last = answered.last().copied().unwrap_or_default();
    eventually("the last report", async || stage.twin("d").await["properties"]["reported"]["n"].as_u64() >= Some(last))
        .await;
    taken.check_marks("flaps");
    let grown = resident().saturating_sub(warm);
    eprintln!(
        "{flaps} flaps: {} calls answered, {} messages, grown by {grown} bytes",
        answered.len(),
        taken.distinct()
    );
    // Beside other tests of the same process the figure says nothing. What the test itself keeps of each message is about
    // 600 bytes.
    if flaps != FEW {
        assert!(grown < GROWTH + taken.distinct() as u64 * 600, "grown by {grown} bytes");
    }
    agent.stop(Duration::ZERO).await;
    stage.hub.stop().await;
}
