//! The agent as a process whose line, token or life ends: what it confirmed goes on. `IOTPLAY_TEST_KILLS` says how often it is
//! killed; the gate has time for a few.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base::{Clock, Seed};
use rand::Rng;
use stage::{HubOptions, Line, LocalHub, eventually};
use wire::{DeviceConnection, DeviceCredential, device_resource, sign};

use crate::stage_set::{Set, empty};

/// What the gate has time for.
const KILLS: u64 = 5;
/// The longest that messages flow before the line is cut, and then before the kill.
const LONGEST_MS: u64 = 700;
/// Within which everything that was confirmed has arrived.
const PATIENCE: Duration = Duration::from_secs(60);

/// Says which messages were confirmed. RUN tells one life from the next.
const TALKER: &str = r#"
on_start(|device| device.every("talk", "100ms", |device| for i in 0..5 {
    let n = (device.state.n ?? 0) + 1;
    device.state.n = n;
    device.send(#{ at: `RUN-${n}` });
    print(`confirmed RUN-${n}.`);
}));
"#;

/// What the hub has taken: ids by body.
fn taken(set: &Set) -> BTreeMap<String, Vec<String>> {
    let shown = set.iotplay.run(&["hub", "tail", "--output", "ndjson", "-n", "10000"]);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    let mut taken: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in shown.out.lines() {
        let part = |name: &str| {
            let after = line.split_once(&format!("\"{name}\":\"")).unwrap_or_else(|| panic!("no {name}: {line}")).1;
            after.split('"').next().expect("a text ends").to_owned()
        };
        taken.entry(part("at")).or_default().push(part("message-id"));
    }
    taken
}

#[test]
fn what_was_confirmed_arrives_whenever_the_agent_is_killed() {
    let kills = std::env::var("IOTPLAY_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let seed = Seed::from_os();
    eprintln!("{kills} kills, seed {seed:?}");
    let mut moments = seed.of("kills").rng();
    let set = empty().file("scripts/talk.rhai", "");
    let hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let first = Line::new(([127, 0, 0, 1], 0).into(), hub.endpoint().mqtt);
    let front = first.at();
    let device = format!("{};GatewayHostName=localhost:{}", hub.device("talker").trim(), front.port());
    let iotplay = set.iotplay.with("IOTHUB_DEVICE_CONNECTION_STRING", &device);
    let script = set.path().join("scripts/talk.rhai");
    let mut confirmed = BTreeSet::new();
    let mut line = Some(first);
    for run in 0..kills {
        line.get_or_insert_with(|| Line::new(front, hub.endpoint().mqtt));
        std::fs::write(&script, TALKER.replace("RUN", &run.to_string())).expect("a script can be written");
        let mut agent = iotplay.start(&["agent", "--outbox-disk"]);
        agent.line("confirmed");
        // The moments are what is random here: a sleep is not a wait for something to happen.
        std::thread::sleep(Duration::from_millis(moments.random_range(0..LONGEST_MS)));
        line = None;
        std::thread::sleep(Duration::from_millis(moments.random_range(0..LONGEST_MS)));
        let ended = agent.signal("KILL");
        let said = |line: &str| Some(line.split_once("confirmed ")?.1.strip_suffix('.')?.to_owned());
        confirmed.extend(ended.out.lines().filter_map(said));
    }
    std::fs::write(&script, "on_method('go', |device, request| 1);").expect("a script can be written");
    let _line = Line::new(front, hub.endpoint().mqtt);
    let agent = iotplay.start(&["agent", "--outbox-disk"]);
    let arrived = eventually(PATIENCE, "everything that was confirmed has arrived", || {
        let taken = taken(&set);
        confirmed.iter().all(|at| taken.contains_key(at)).then_some(taken)
    });
    assert_eq!(agent.signal("TERM").code, Some(0));
    let twice: Vec<_> = arrived.iter().filter(|(_, ids)| ids.len() > 1).collect();
    for (at, ids) in &twice {
        assert!(ids.iter().all(|id| *id == ids[0]), "{at} came twice with two ids: {ids:?}");
    }
    eprintln!("{} confirmed, {} arrived, {} of them more than once", confirmed.len(), arrived.len(), twice.len());
    assert!(confirmed.len() as u64 >= kills, "messages flowed");
}

#[test]
fn a_token_in_a_file_is_enough_and_its_end_is_told() {
    let set = empty().file("scripts/go.rhai", "on_method('go', |device, request| 1);");
    let hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let whole = hub.device("board").trim().to_owned();
    let device: DeviceConnection = whole.parse().expect("a device's string");
    let DeviceCredential::Key(key) = &device.credential else { panic!("a device with keys") };
    let resource = device_resource(&device.host.host, &device.identity);
    let token = |life: u64| sign(&resource, key, Clock::system().unix_seconds() + life, None).expose().to_owned();
    let without = whole.split(';').filter(|part| !part.starts_with("SharedAccessKey=")).collect::<Vec<_>>().join(";");
    let file = set.path().join("token");
    std::fs::write(&file, token(5)).expect("a file can be written");
    let iotplay = set.iotplay.with("IOTHUB_DEVICE_CONNECTION_STRING", &without);
    let mut agent = iotplay.start(&["agent", "--token-file", "token"]);
    agent.line("board  connected");
    agent.line("replace the file");
    std::fs::write(&file, token(600)).expect("a file can be written");
    agent.nth_line("board  connected", 2);
    assert_eq!(set.iotplay.run(&["invoke", "board", "go"]).code, Some(0));
    assert_eq!(agent.signal("TERM").code, Some(0));

    let nobody = set.iotplay.run(&["agent", "--token-file", "token"]);
    assert_eq!(nobody.code, Some(2), "{}", nobody.err);
    assert!(nobody.err.contains("whose token is it"), "{}", nobody.err);
}

#[test]
fn an_outbox_has_one_owner() {
    let set = empty().file("scripts/go.rhai", "on_method('go', |device, request| 1);");
    let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent", "--outbox-disk"]);
    agent.line("connected");
    let second = set.iotplay.run(&["agent", "--outbox-disk"]);
    assert_eq!(second.code, Some(4), "{}", second.err);
    assert!(second.err.contains("in use by another process"), "{}", second.err);
}
