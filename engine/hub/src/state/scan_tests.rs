//! How long queries take over 100,000 devices: printed, never asserted. By hand, on a quiet machine:
//! `cargo test --release -p iotplay-hub query_times -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use base::{Clock, Seed};
use serde_json::{Value, json};
use wire::{Identity, Twin};

use super::super::Document;
use super::super::record::Record;
use super::super::registry::Entry;
use super::*;
use crate::auth::Hosts;
use crate::exchange::Exchange;
use crate::query::Query;

const DEVICES: usize = 100_000;
const REPEATS: usize = 9;

fn entry(number: usize) -> (Identity, Entry) {
    let asked = json!({"deviceId": format!("device-{number:06}"), "status": if number % 5_000 == 0 { "disabled" } else { "enabled" }});
    let asked = Document::Device(serde_json::from_value(asked).unwrap());
    let mut twin = Twin::new(asked.identity(), SystemTime::UNIX_EPOCH);
    let service = json!({
        "tags": {"site": format!("site-{}", number % 500), "building": number % 40, "serial": format!("SN{number:08}"),
            "owner": {"team": format!("team-{}", number % 10), "cost": 1.5}},
        "properties": {"desired": {"interval": 30, "mode": "auto", "firmware": {"version": "2.1.0", "url": "https://example.com/fw"}}},
    });
    twin.patch_service(&service, SystemTime::UNIX_EPOCH).unwrap();
    let reported = json!({
        "firmware": {"version": if number % 2_500 == 7 { "1.9.9" } else { "2.1.0" }, "date": format!("2026-01-{}", number % 28)},
        "battery": number % 100, "uptime": number * 7, "ip": format!("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255),
        "network": {"rssi": -60, "ssid": "plant", "mac": format!("{number:012x}")}, "lastReboot": "2026-11-23T13:27:42Z",
        "sensors": {"t": {"unit": "C", "on": true}, "h": {"unit": "%", "on": number % 2 == 0}}, "errors": 0,
    });
    twin.patch_reported(reported.to_string().as_bytes(), SystemTime::UNIX_EPOCH).unwrap();
    (asked.identity(), Entry::new(Record::of(&asked), twin))
}

#[tokio::test]
#[ignore = "a measurement: run it by hand, see above"]
async fn query_times() {
    let hosts = Hosts::new("127.0.0.1".parse().unwrap(), &[]);
    let (state, _workers) =
        HubState::open(None, hosts, Arc::new(Exchange::default()), Clock::system(), Seed(1)).unwrap();
    for number in 0..DEVICES {
        let (identity, entry) = entry(number);
        state.inner().registry.insert(&identity, entry);
    }
    let started = Instant::now();
    for number in 0..DEVICES {
        let identity = format!("device-{number:06}").parse().unwrap();
        state.inner().registry.get_mut(&identity).unwrap().record.activity = None;
    }
    println!("a change follows into its signature in {:?}", started.elapsed() / 100_000);
    for text in [
        "SELECT * FROM devices WHERE deviceId = 'device-077777'",
        "SELECT * FROM devices WHERE deviceId IN ['device-000001', 'device-050000', 'device-099999']",
        "SELECT * FROM devices WHERE tags.serial = 'SN00077777'",
        "SELECT * FROM devices WHERE tags.site = 'site-77'",
        "SELECT * FROM devices WHERE tags.site = 'nowhere'",
        "SELECT * FROM devices WHERE properties.reported.firmware.version = '1.9.9'",
        "SELECT deviceId FROM devices WHERE properties.reported.firmware.version = '1.9.9'",
        "SELECT * FROM devices WHERE tags.serial IN ['SN00000077', 'SN00050000', 'SN00099999']",
        "SELECT * FROM devices WHERE tags.site = 'site-7' AND properties.reported.battery = 7 AND tags.building > 3",
        "SELECT * FROM devices WHERE status = 'disabled'",
        "SELECT COUNT() AS n FROM devices WHERE tags.site = 'site-77'",
        "SELECT * FROM devices",
        "SELECT * FROM devices WHERE tags.serial >= 'SN00099990'",
        "SELECT * FROM devices WHERE STARTSWITH(deviceId, 'device-09999')",
        "SELECT COUNT() AS n FROM devices",
        "SELECT tags.site, COUNT() AS n, AVG(properties.reported.battery) AS b FROM devices GROUP BY tags.site",
    ] {
        let query = Query::parse(text).unwrap();
        let mut times = Vec::new();
        let mut rows = 0;
        for _ in 0..REPEATS {
            let started = Instant::now();
            let page = state.query(&query, &PageStart::default(), 100).await;
            times.push(started.elapsed());
            rows = serde_json::from_slice::<Vec<Value>>(&page.rows).unwrap().len();
        }
        times.sort();
        let (least, median, most) = (times[0], times[REPEATS / 2], times[REPEATS - 1]);
        println!("{:>9.3?} ms ({:.3?} to {:.3?}) {rows:>4} rows  {text}", ms(median), ms(least), ms(most));
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
