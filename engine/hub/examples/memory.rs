//! What a device costs in the hub's memory: `cargo run -p iotplay-hub --example memory -- [DEVICES]`. A small twin: two tags, two
//! desired properties, and an empty reported section. Prints bytes per device, the registry's rows and the allocator's overhead
//! included; connections are not.

use base::Source;
use iotplay_hub::{Hub, HubConfig, Seeds};

fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4_096
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let devices: u64 = std::env::args().nth(1).map_or(Ok(50_000), |count| count.parse())?;
    let tags = "tags: { line: B, place: hall-7 }, desired: { interval: 30, mode: auto }";
    let fleet = |prefix: &str, count: u64| {
        let text = format!("devices: [{{ prefix: {prefix}, count: {count}, {tags} }}]");
        Seeds::parse(&Source::new("fleet", text)).map_err(|found| found.to_string())
    };
    let first = Hub::start(HubConfig { seeds: Some(fleet("warm-", 100)?), ..HubConfig::embedded() }).await?;
    let before = resident();
    let hub = Hub::start(HubConfig { seeds: Some(fleet("sim-", devices)?), ..HubConfig::embedded() }).await?;
    println!("{} bytes per device", (resident() - before) / devices);
    hub.stop().await;
    first.stop().await;
    Ok(())
}
