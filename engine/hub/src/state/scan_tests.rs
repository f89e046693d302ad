//! Queries over a fleet answer what a look at every row answers, and how long that takes: printed, never asserted. By hand:
//! `IOTPLAY_QUERY_DEVICES=100000 cargo test --release -p iotplay-hub --lib fleet_answers -- --nocapture`.

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

/// Enough for several turns and pages.
const DEVICES: usize = 3_000;
const REPEATS: usize = 9;

fn devices() -> usize {
    std::env::var("IOTPLAY_QUERY_DEVICES").ok().map_or(DEVICES, |devices| devices.parse().unwrap())
}

fn entry(number: usize) -> (Identity, Entry) {
    let asked = json!({"deviceId": format!("device-{number:06}"), "status": if number.is_multiple_of(5_000) { "disabled" } else { "enabled" }});
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
        "sensors": {"t": {"unit": "C", "on": true}, "h": {"unit": "%", "on": number.is_multiple_of(2)}}, "errors": 0,
    });
    twin.patch_reported(reported.to_string().as_bytes(), SystemTime::UNIX_EPOCH).unwrap();
    (asked.identity(), Entry::new(Record::of(&asked), twin))
}

/// The ids that the rows of all pages have, in their order.
async fn by_pages(state: &HubState, query: &Query) -> Vec<String> {
    let mut start = PageStart::default();
    let mut found = Vec::new();
    loop {
        let page = state.query(query, &start, 100).await;
        let rows: Vec<Value> = serde_json::from_slice(&page.rows).unwrap();
        found.extend(rows.iter().map(|row| row["deviceId"].as_str().unwrap().to_owned()));
        match page.next {
            Some(next) => start = next,
            None => return found,
        }
    }
}

fn by_looking(state: &HubState, query: &Query) -> Vec<String> {
    let inner = state.inner();
    let rows = inner.registry.devices_after(None).map(|(_, device)| EntryRow::of(device.entry()));
    rows.filter(|row| query.condition.as_ref().unwrap().passes(row)).map(|row| row.key()).collect()
}

async fn first_page(state: &HubState, query: &Query) -> (usize, Vec<Duration>) {
    let mut times = Vec::new();
    let mut rows = 0;
    for _ in 0..REPEATS {
        let started = Instant::now();
        let page = state.query(query, &PageStart::default(), 100).await;
        times.push(started.elapsed());
        rows = serde_json::from_slice::<Vec<Value>>(&page.rows).unwrap().len();
    }
    times.sort();
    (rows, times)
}

#[tokio::test]
async fn a_fleet_answers_as_if_every_row_were_looked_at() {
    let devices = devices();
    let hosts = Hosts::new("127.0.0.1".parse().unwrap(), &[]);
    let (state, _workers) =
        HubState::open(None, hosts, Arc::new(Exchange::default()), Clock::system(), Seed(1)).unwrap();
    for number in 0..devices {
        let (identity, entry) = entry(number);
        state.inner().registry.insert(&identity, entry);
    }
    let started = Instant::now();
    for number in 0..devices {
        let identity = format!("device-{number:06}").parse().unwrap();
        state.inner().registry.get_mut(&identity).unwrap().record.activity = None;
    }
    println!("a change follows into its signature in {:?}", started.elapsed() / u32::try_from(devices).unwrap());
    for condition in [
        "deviceId = 'device-002777'",
        "deviceId IN ['device-000001', 'device-000500', 'device-099999']",
        "tags.serial = 'SN00002777'",
        "tags.site = 'site-77'",
        "tags.site = 'nowhere'",
        "properties.reported.firmware.version = '1.9.9'",
        "tags.serial IN ['SN00000077', 'SN00000500', 'SN00099999']",
        "tags.site = 'site-7' AND properties.reported.battery = 7 AND tags.building > 3",
        "status = 'disabled'",
        "tags.owner.team = 'team-3'",
        "true",
        "tags.serial >= 'SN00099990'",
        "STARTSWITH(deviceId, 'device-09999')",
        "properties.reported.sensors.h.on = false AND properties.reported.battery % 7 = 1",
    ] {
        let query = Query::parse(&format!("SELECT * FROM devices WHERE {condition}")).unwrap();
        assert_eq!(by_pages(&state, &query).await, by_looking(&state, &query), "{condition}");
    }
    for text in TIMED {
        let query = Query::parse(text).unwrap();
        let (rows, times) = first_page(&state, &query).await;
        let [least, median, most] = [0, REPEATS / 2, REPEATS - 1].map(|at| times[at].as_secs_f64() * 1_000.0);
        println!("{median:>9.3} ms ({least:.3} to {most:.3}) {rows:>4} rows  {text}");
    }
}

const TIMED: [&str; 16] = [
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
];
