//! A runner that is killed at random moments of a fleet's run and resumed until it is done: every device ends once, no call is
//! repeated, and what is in doubt is named. `IOTPLAY_TEST_KILLS` says how often it is killed; the gate has time for ten.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base::Seed;
use iothub::HubClient;
use serde_json::Value;
use stage::{HubOptions, Iotplay, LocalHub, Program};

use crate::kills::{client, rand_below};
use crate::stage_set::{Set, empty};

/// What the gate has time for.
const KILLS: u64 = 10;
/// A process gets at most so long before it is killed: a whole run takes about as long.
const LONGEST_MS: u64 = 1_100;
/// Enough for several waves.
const DEVICES: usize = 24;

/// Counts its calls where everybody can see it. The answer takes a while, so that kills find calls in flight.
const COUNT: &str = r#"
on_method("count", |device, request| {
    let n = (device.reported().counted ?? 0) + 1;
    sleep(0.05);
    device.report(#{ counted: n });
    #{ counted: n }
});
on_method("ping", |device, request| #{ ok: true });
on_method("slow", |device, request| { sleep(20); #{} });
"#;

/// Waves, soak, verify, a gate; a call that must not be repeated; a loop; a block. A failure stops nothing.
const FLEET: &str = r#"
name: Count once
targets: { query: status = 'enabled', order: random }
serial: [2, 25%, rest]
forks: 8
abort_if: { failed: 100%, min_sample: 1000, action: continue }
between_waves: { soak: 100ms, verify: [ { invoke_method: { name: ping, idempotent: true } } ], gate: "true" }
before:
  - log: begins
steps:
  - get_twin:
    register: before
  - name: Count
    invoke_method: { name: count }
    register: reply
  - block:
      - invoke_method: { name: ping, idempotent: true, payload: "${{ item }}" }
        loop: [1, 2]
      - assert: (before.reported.counted ?? 0) + 1 == reply.payload.counted
    always:
      - sleep: 50ms
after:
  - save: { file: ends.csv, content: "${{ devices.map(|d| #{ id: d.id, outcome: d.outcome }) }}" }
"#;

struct Fleet {
    set: Set,
    _agent: Program,
    hub: LocalHub,
    runtime: tokio::runtime::Runtime,
}

impl Fleet {
    fn new(playbook: &str, devices: usize) -> Self {
        let set = empty().file("scripts/count.rhai", COUNT).file("fleet.yaml", playbook);
        let hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
        let count = devices.to_string();
        let mut agent = set.iotplay.start(&["agent", "--count", &count, "--prefix", "d-"]);
        agent.line("connected");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let fleet = Self { set, _agent: agent, hub, runtime };
        stage::eventually(Duration::from_secs(60), "all devices answer", || {
            (fleet.counts().len() == devices
                && fleet.iotplay().run(&["invoke", &format!("d-{devices}"), "ping"]).code == Some(0))
            .then_some(())
        });
        fleet
    }

    fn iotplay(&self) -> &Iotplay {
        &self.set.iotplay
    }

    /// How often each device was called.
    fn counts(&self) -> BTreeMap<String, i64> {
        let client: HubClient = client(&self.hub);
        let rows = self.runtime.block_on(async {
            let mut pages = client.query_twins(None);
            let mut rows = Vec::new();
            while let Some(page) = pages.next().await.expect("a hub that runs") {
                rows.extend(page);
            }
            rows
        });
        let count = |row: &Value| row["properties"]["reported"]["counted"].as_i64().unwrap_or(0);
        rows.iter().map(|row| (row["deviceId"].as_str().unwrap_or_default().to_owned(), count(row))).collect()
    }

    /// The newest run, when it can be resumed.
    fn open_run(&self) -> Option<String> {
        let runs = self.json(&["runs", "--output", "json"]);
        let newest = runs.as_array().and_then(|runs| runs.first())?;
        newest["resumable"].as_bool()?.then(|| newest["run"].as_str().unwrap_or_default().to_owned())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.iotplay().run(arguments);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        serde_json::from_str(&ended.out).expect("a document")
    }
}

/// What a run that is done came to: every device ended once, and was called once, or is named.
fn check(fleet: &Fleet, before: &BTreeMap<String, i64>, code: Option<i32>, said: &str) -> usize {
    let shown = fleet.json(&["show", "--output", "json"]);
    let run = shown["run"].as_str().expect("an id").to_owned();
    let after = fleet.counts();
    let named = |row: &Value| (row["step"] == "Count").then(|| row["device"].as_str().unwrap_or_default().to_owned());
    let doubts: BTreeSet<String> = shown["in_doubt"].as_array().into_iter().flatten().filter_map(named).collect();
    for device in shown["devices"].as_array().expect("devices").iter().filter(|device| device["id"] != "") {
        let id = device["id"].as_str().expect("an id");
        let calls = after[id] - before[id];
        if doubts.contains(id) {
            assert!((0..=1).contains(&calls), "{id} was called {calls} times\n{device:#}\n{said}");
            assert_eq!(device["outcome"], "timeout", "{device:#}\n{said}");
        } else {
            assert_eq!(calls, 1, "{id}\n{device:#}\n{said}");
            assert_eq!(device["outcome"], "ok", "{device:#}\n{said}");
        }
    }
    let journal = std::fs::read_to_string(fleet.set.path().join(".iotplay/runs").join(&run).join("journal.jsonl"));
    let journal = journal.expect("a journal");
    let ended = journal.lines().filter(|line| line.contains(r#""kind":"device""#));
    let ids: Vec<String> = ended
        .map(|line| serde_json::from_str::<Value>(line).expect("a line")["device"].as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(ids.len(), DEVICES, "{run}");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), DEVICES, "{run}");
    assert_eq!(code, Some(if doubts.is_empty() { 0 } else { 4 }), "{said}");
    let saved = std::fs::read_to_string(fleet.set.path().join(".iotplay/runs").join(&run).join("files/ends.csv"));
    assert_eq!(saved.expect("what `after` saved").lines().count(), DEVICES + 1);
    doubts.len()
}

#[test]
fn a_runner_killed_at_random_moments_is_resumed_and_calls_nobody_twice() {
    let kills = std::env::var("IOTPLAY_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let seed = Seed::from_os();
    eprintln!("{kills} kills, seed {seed:?}");
    let fleet = Fleet::new(FLEET, DEVICES);
    let (mut killed, mut runs, mut resumes, mut doubts, mut round) = (0, 0, 0, 0, 0);
    let mut before = fleet.counts();
    while killed < kills || fleet.open_run().is_some() {
        round += 1;
        let open = fleet.open_run();
        let arguments = match &open {
            Some(run) => vec!["resume", run.as_str()],
            None => vec!["run", "fleet.yaml"],
        };
        resumes += usize::from(open.is_some());
        let mut program = fleet.iotplay().start(&arguments);
        if killed < kills {
            // The moment is what is random here: a sleep is not a wait for something to happen.
            let moment = Duration::from_millis(rand_below(seed, round, LONGEST_MS));
            if program.ends_within(moment).is_none() {
                program.kill();
                killed += 1;
                continue;
            }
        }
        let ended = program.end(Duration::from_secs(90));
        let now = fleet.counts();
        doubts += check(&fleet, &before, ended.code, &ended.err);
        before = now;
        runs += 1;
    }
    eprintln!(
        "{killed} kills, {resumes} resumes, {runs} runs of {DEVICES} devices done: no call repeated, {doubts} named in doubt"
    );
}
