//! An agent that somebody looks after: numbers, health, log, systemd, recorded calls, a fleet shared by processes, its package.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use stage::{HubOptions, LocalHub};

use crate::stage_set::empty;

const ECHO: &str = "on_method(\"echo\", |device, request| {\n    device.report(#{ last: request.payload });\n    print(\"echo\");\n    #{ got: request.payload, at: now() }\n});\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the port");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn numbers_health_and_log_of_an_agent() {
    let set = empty().file("scripts/echo.rhai", ECHO);
    let hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent", "--metrics-port", "0", "--log-format", "json", "--watch"]);
    let told = agent.line("metrics http://");
    let address = told.trim_start_matches("metrics http://").split('/').next().unwrap_or_default().to_owned();
    let connected = agent.line(r#""event":"connected""#);
    assert!(connected.starts_with(r#"{"time":""#) && connected.contains(r#""device":"sim-1""#), "{connected}");
    assert!(get(&address, "/health").ends_with("ok\n"));
    let called = set.iotplay.run(&["invoke", "sim-1", "echo", "1"]);
    assert_eq!(called.code, Some(0), "{}", called.err);
    agent.line(r#""handler":"echo""#);
    let metrics = get(&address, "/metrics");
    for line in [
        "iotplay_agent_connections 1",
        "iotplay_agent_calls_total 1",
        "iotplay_agent_reported_patches_total{outcome=\"taken\"} 1",
        "iotplay_agent_handlers_total{handler=\"echo\",outcome=\"ok\"} 1",
        "iotplay_agent_handler_seconds_count{handler=\"echo\"} 1",
    ] {
        assert!(metrics.lines().any(|said| said == line), "{line}: {metrics}");
    }
    std::fs::write(set.path().join("scripts/echo.rhai"), "on_method(").expect("a script can be written");
    let broken = agent.line(r#""event":"broken""#);
    assert!(broken.contains("scripts/echo.rhai:1:"), "{broken}");
    let sick = get(&address, "/health");
    assert!(sick.contains("503") && sick.contains("do not load"), "{sick}");
    drop(hub);
    agent.line(r#""event":"disconnected""#);
    assert!(get(&address, "/health").contains("0 of 1 devices connected"));
}

/// A service manager: a socket that agent and hub are told of.
fn told_until(socket: &UnixDatagram, wanted: &str) -> Vec<String> {
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    let mut all = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        let size = socket.recv(&mut bytes).unwrap_or_else(|error| panic!("{wanted} was not said: {error}; {all:?}"));
        let said = String::from_utf8_lossy(&bytes[..size]).into_owned();
        let done = said.contains(wanted);
        all.push(said);
        if done {
            return all;
        }
    }
}

#[test]
fn systemd_is_told_that_agent_and_hub_are_ready_alive_and_stopping() {
    let set = empty().file("scripts/echo.rhai", ECHO);
    let path = set.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let service = |place: &str| set.iotplay.with("NOTIFY_SOCKET", place).with("WATCHDOG_USEC", "400000");
    let ports = ["hub", "--mqtt-port", "0", "--https-port", "0"];
    let mut hub = service(&path.display().to_string()).start(&ports);
    let said = told_until(&socket, "WATCHDOG=1");
    assert!(said[0].starts_with("READY=1\nSTATUS=MQTT 127.0.0.1:"), "{said:?}");
    hub.line("HTTPS");
    // A name without a file, as systemd uses in containers.
    let name = format!("iotplay-story-{}", std::process::id());
    let abstracted = SocketAddr::from_abstract_name(&name).expect("a name");
    let other = UnixDatagram::bind_addr(&abstracted).expect("a socket");
    let agent = service(&format!("@{name}")).start(&["agent"]);
    told_until(&other, "READY=1");
    told_until(&other, "STATUS=1 connected");
    told_until(&other, "WATCHDOG=1");
    assert_eq!(agent.signal("TERM").code, Some(0));
    told_until(&other, "STOPPING=1");
    assert_eq!(hub.signal("TERM").code, Some(0));
    told_until(&socket, "STOPPING=1");
}

#[test]
fn calls_are_recorded_and_played_again() {
    let set = empty().file("scripts/echo.rhai", ECHO);
    let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent", "--record", "scripts/echo.test.yaml"]);
    agent.line("connected");
    for payload in [r#"{"n":1}"#, r#"["two"]"#] {
        let called = set.iotplay.run(&["invoke", "sim-1", "echo", payload]);
        assert_eq!(called.code, Some(0), "{}", called.err);
    }
    let unknown = set.iotplay.run(&["invoke", "sim-1", "nobody"]);
    assert_eq!(unknown.code, Some(4), "{}", unknown.err);
    assert_eq!(agent.signal("TERM").code, Some(0));
    let text = std::fs::read_to_string(set.path().join("scripts/echo.test.yaml")).expect("the cases");
    let played = set.iotplay.run(&["test"]);
    assert!(played.code == Some(0) && played.err.contains("3 passed, 0 failed"), "{}\n{text}", played.err);
    let again = set.iotplay.run(&["agent", "--record", "scripts/echo.test.yaml"]);
    assert!(again.code == Some(2) && again.err.contains("--record"), "somebody's cases stay: {}", again.err);
    std::fs::write(set.path().join("scripts/echo.rhai"), ECHO.replace("got:", "had:")).expect("a script");
    assert_eq!(set.iotplay.run(&["test"]).code, Some(4), "what was recorded is a test");
}

#[test]
fn processes_share_a_fleet_and_its_faults() {
    let faults = "rejects: { count: 3, status: 409 }\n";
    let set = empty().file("scripts/echo.rhai", ECHO).file("faults.yaml", faults);
    let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let part =
        |shard: &str| set.iotplay.start(&["agent", "--count", "25", "--shard", shard, "--faults", "faults.yaml"]);
    let (mut one, mut two) = (part("1/2"), part("2/2"));
    assert!(one.line("device  sim-1").contains("13 of 25 simulated (shard 1/2)"));
    one.line("ready   13 devices connected (shard 1/2)");
    two.line("ready   12 devices connected (shard 2/2)");
    let play = "name: P\nsteps:\n  - invoke_method: { name: echo }\n";
    std::fs::write(set.path().join("play.yaml"), play).expect("a playbook");
    let run = set.iotplay.run(&["run", "play.yaml", "--output", "json"]);
    assert_eq!(run.code, Some(4), "{}", run.err);
    assert_eq!(run.out.matches("\"outcome\":\"rejected\"").count().max(3), 3, "three of the whole fleet: {}", run.out);
    for wrong in ["3/2", "0/2", "x"] {
        assert_eq!(set.iotplay.run(&["agent", "--count", "4", "--shard", wrong]).code, Some(2), "{wrong}");
    }
}

#[test]
fn every_kind_of_save_reaches_the_next_call() {
    let set = empty().file("scripts/v.rhai", "");
    let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let file = set.path().join("scripts/v.rhai");
    let version = |number: u32| format!("on_method(\"v\", |device, request| {number});\n");
    for flags in [&["agent", "--watch"][..], &["agent", "--watch", "--watch-poll", "200ms"]] {
        std::fs::write(&file, version(0)).expect("a script");
        let mut agent = set.iotplay.start(flags);
        agent.line("connected");
        let answers = |number: u32| {
            let called = set.iotplay.run(&["invoke", "sim-1", "v"]);
            assert_eq!(called.out.trim(), number.to_string(), "{flags:?} {}", called.err);
        };
        answers(0);
        std::fs::write(&file, version(1)).expect("a script");
        agent.nth_line("reloaded", 1);
        answers(1);
        let part = set.path().join("scripts/.v.swp");
        std::fs::write(&part, version(2)).expect("a script");
        std::fs::rename(&part, &file).expect("a rename");
        agent.nth_line("reloaded", 2);
        answers(2);
        std::fs::write(&file, "on_method(\"v\", |device, request| {\n    let = ;\n});\n").expect("a script");
        agent.line("scripts/v.rhai:2:");
        assert_eq!(agent.count("    let = ;"), 1, "the line is shown");
        answers(2);
        std::fs::remove_file(&file).expect("a file");
        std::fs::write(&file, version(4)).expect("a script");
        agent.nth_line("reloaded", 3);
        answers(4);
        assert_eq!(agent.signal("TERM").code, Some(0));
    }
}

/// Offline: the unit is read and judged as a file. Where the program is missing there is nothing to ask.
#[test]
fn the_agents_unit_is_sound_and_hardened() {
    let unit = root().join("docs/deploy/iotplay-agent.service");
    let judged =
        Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=15"]).arg(&unit).output();
    let Ok(judged) = judged else {
        eprintln!("SKIPPED: there is no systemd-analyze");
        return;
    };
    let said = String::from_utf8_lossy(&judged.stdout);
    assert!(judged.status.success(), "{said} {}", String::from_utf8_lossy(&judged.stderr));
}

#[test]
fn the_package_holds_what_a_board_needs() {
    if Command::new("dpkg-deb").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no dpkg-deb");
        return;
    }
    let set = empty();
    let built = Command::new(root().join(".ci/deb"))
        .arg(set.iotplay.binary())
        .arg(set.path())
        .env("DEB_COMPRESS", "none")
        .output()
        .expect("a script");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let package = String::from_utf8_lossy(&built.stdout).trim().to_owned();
    let dpkg = |arguments: &[&str]| {
        let done = Command::new("dpkg-deb").args(arguments).output().expect("dpkg-deb");
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    let info = dpkg(&["-I", &package]);
    for part in ["Package: iotplay", "Depends: libc6", "conffiles", "postinst", "prerm"] {
        assert!(info.contains(part), "{part}: {info}");
    }
    let place = set.path().join("root");
    dpkg(&["-x", &package, &place.display().to_string()]);
    for file in [
        "usr/lib/systemd/system/iotplay-agent.service",
        "usr/lib/systemd/system/iotplay-hub.service",
        "usr/share/polkit-1/rules.d/49-iotplay-agent.rules",
        "etc/iotplay/agent.env",
        "etc/iotplay/scripts/reboot.rhai",
        "usr/share/bash-completion/completions/iotplay",
    ] {
        assert!(place.join(file).is_file(), "{file}");
    }
    let version = Command::new(place.join("usr/bin/iotplay")).arg("--version").output().expect("the binary");
    assert!(version.status.success());
}
