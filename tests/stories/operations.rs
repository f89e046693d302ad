//! A hub that somebody looks after: its numbers for people and for Prometheus, its log for programs, its unit and its container.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use stage::{HubOptions, LocalHub};

use crate::stage_set::empty;

#[test]
fn status_metrics_and_log_say_the_same() {
    let set = empty();
    let watched = set.iotplay.with("IOTPLAY_METRICS_PORT", "0").with("IOTPLAY_LOG_FORMAT", "json");
    let mut hub = LocalHub::start(&watched, HubOptions::FreePorts);
    let told = hub.program().line("metrics http://");
    let address = told.trim_start_matches("metrics http://").trim_end_matches("/metrics").to_owned();
    hub.device("asleep");
    let mut agent = set.iotplay.start(&["agent"]);
    agent.line("connected");
    let connected = hub.program().line(r#""event":"connected""#);
    assert!(
        connected.contains(r#""device":"sim-1""#) && connected.contains(r#""sessionPresent":false"#),
        "{connected}"
    );
    let failed = set.iotplay.run(&["invoke", "asleep", "rebootDevice"]);
    assert_eq!(failed.code, Some(5), "{}", failed.err);
    hub.program().line(r#""error":{"code":404103,"name":"DeviceNotOnline"}"#);

    let status = set.iotplay.run(&["hub", "status"]);
    assert_eq!(status.code, Some(0), "{}", status.err);
    assert!(status.out.contains("devices             total 2, disabled 0, connected 1"), "{}", status.out);
    assert!(status.out.contains("methods             called 1, failed 1"), "{}", status.out);
    let json = set.iotplay.run(&["hub", "status", "--output", "json"]);
    assert!(json.out.contains(r#""devices":{"total":2,"disabled":0,"connected":1}"#), "{}", json.out);

    let mut stream = TcpStream::connect(address).expect("the metrics' port");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").expect("a request");
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics).expect("an answer");
    for line in
        ["iotplay_hub_connections 1", "iotplay_hub_devices 2", "iotplay_hub_methods_total{outcome=\"failed\"} 1"]
    {
        assert!(metrics.lines().any(|said| said == line), "{line}: {metrics}");
    }
    assert!(!metrics.contains("iotplay_hub_store_commits_total 0\n"), "{metrics}");
}

#[test]
fn a_port_that_is_taken_is_said() {
    let set = empty();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let ended = set.iotplay.run(&["hub", "--mqtt-port", "0", "--https-port", "0", "--metrics-port", &port]);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("in use") && ended.err.contains("--metrics-port"), "{}", ended.err);
    let none = set.iotplay.run(&["hub", "status"]);
    assert_eq!(none.code, Some(2), "{}", none.err);
}

/// Offline: the unit is read and judged as a file, nothing is started. Where the program is missing there is nothing to ask.
#[test]
fn the_unit_is_sound_and_hardened() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/deploy/iotplay-hub.service");
    let judged =
        Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=15"]).arg(&unit).output();
    let Ok(judged) = judged else {
        eprintln!("SKIPPED: there is no systemd-analyze");
        return;
    };
    let said = String::from_utf8_lossy(&judged.stdout);
    assert!(judged.status.success(), "{said} {}", String::from_utf8_lossy(&judged.stderr));
    assert!(said.contains("Overall exposure level"), "{said}");
}
