//! A runner that is killed at random moments of a fleet's run and resumed until it is done: every device ends once, no call is
//! repeated, and what is in doubt is named. `IOTPLAY_TEST_KILLS` says how often it is killed; the gate has time for ten.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
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
on_method("patient", |device, request| {
    sleep(2);
    let n = (device.reported().counted ?? 0) + 1;
    device.report(#{ counted: n });
    #{ counted: n }
});
on_method("ping", |device, request| #{ ok: true });
on_method("slow", |device, request| { sleep(request.payload); #{} });
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
      - assert: reply.payload.counted > (before.reported.counted ?? 0)
    always:
      - sleep: 50ms
after:
  - save: { file: ends.csv, content: "${{ devices.map(|d| #{ id: d.id, outcome: d.outcome }) }}" }
"#;

/// A hub, its simulated devices `d-1`, .. and a playbook `fleet.yaml`.
pub(crate) struct Fleet {
    set: Set,
    _agent: Program,
    hub: LocalHub,
    runtime: tokio::runtime::Runtime,
    /// The folders of all runs so far.
    seen: RefCell<BTreeSet<PathBuf>>,
}

impl Fleet {
    pub(crate) fn new(playbook: &str, devices: usize) -> Self {
        let set = empty().file("scripts/count.rhai", COUNT).file("fleet.yaml", playbook);
        let hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
        let count = devices.to_string();
        let mut agent = set.iotplay.start(&["agent", "--count", &count, "--prefix", "d-"]);
        agent.line("connected");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let fleet = Self { set, _agent: agent, hub, runtime, seen: RefCell::default() };
        stage::eventually(Duration::from_secs(60), "all devices answer", || {
            (fleet.counts().len() == devices
                && fleet.iotplay().run(&["invoke", &format!("d-{devices}"), "ping"]).code == Some(0))
            .then_some(())
        });
        fleet
    }

    pub(crate) fn iotplay(&self) -> &Iotplay {
        &self.set.iotplay
    }

    pub(crate) fn path(&self) -> &Path {
        self.set.path()
    }

    /// The hub, which is a program of its own.
    pub(crate) fn hub(&self) -> &LocalHub {
        &self.hub
    }

    /// The newest run.
    pub(crate) fn newest(&self) -> String {
        let runs = self.json(&["runs", "--output", "json"]);
        runs[0]["run"].as_str().expect("a run").to_owned()
    }

    /// Waits until the newest run's journal has such a line.
    pub(crate) fn eventually_in_journal(&self, words: &str) {
        stage::eventually(Duration::from_secs(60), "a line of the journal", || {
            let run =
                std::fs::read_dir(self.path().join(".iotplay/runs")).ok()?.flatten().map(|run| run.path()).max()?;
            std::fs::read_to_string(run.join("journal.jsonl")).ok()?.contains(words).then_some(())
        });
    }

    /// How often each device was called.
    pub(crate) fn counts(&self) -> BTreeMap<String, i64> {
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
    pub(crate) fn open_run(&self) -> Option<String> {
        let runs = self.json(&["runs", "--output", "json"]);
        let newest = runs.as_array().and_then(|runs| runs.first())?;
        newest["resumable"].as_bool()?.then(|| newest["run"].as_str().unwrap_or_default().to_owned())
    }

    /// How many runs have been begun; old ones are taken away in the end.
    fn runs(&self) -> usize {
        let folders = std::fs::read_dir(self.path().join(".iotplay/runs")).into_iter().flatten().flatten();
        self.seen
            .borrow_mut()
            .extend(folders.filter(|run| run.path().join("run.json").is_file()).map(|run| run.path()));
        self.seen.borrow().len()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.iotplay().run(arguments);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        serde_json::from_str(&ended.out).expect("a document")
    }
}

/// How often a device was called for certain, and at most: a call in doubt may be carried out long after its run.
type Bounds = BTreeMap<String, (i64, i64)>;

/// What a run that is done came to: every device ended once, and was called once, or is named.
fn check(fleet: &Fleet, bounds: &mut Bounds, code: Option<i32>, said: &str) -> usize {
    let shown = fleet.json(&["show", "--output", "json"]);
    let run = shown["run"].as_str().expect("an id").to_owned();
    // Read after the run's own account: a late call is then counted, never missed.
    let after = fleet.counts();
    let named = |row: &Value| (row["step"] == "Count").then(|| row["device"].as_str().unwrap_or_default().to_owned());
    let doubts: BTreeSet<String> = shown["in_doubt"].as_array().into_iter().flatten().filter_map(named).collect();
    for device in shown["devices"].as_array().expect("devices").iter().filter(|device| device["id"] != "") {
        let id = device["id"].as_str().expect("an id");
        let doubt = doubts.contains(id);
        assert_eq!(device["outcome"], if doubt { "timeout" } else { "ok" }, "{device:#}\n{said}");
        let (least, most) = bounds.entry(id.to_owned()).or_default();
        *least += i64::from(!doubt);
        *most += 1;
        let calls = after[id];
        assert!((*least..=*most).contains(&calls), "{id}: {calls} is not in {least}..={most}\n{device:#}\n{said}");
    }
    let journal = std::fs::read_to_string(fleet.set.path().join(".iotplay/runs").join(&run).join("journal.jsonl"));
    let journal = journal.expect("a journal");
    let ended = journal.lines().filter(|line| line.contains(r#""kind":"device""#));
    let ids: Vec<String> = ended
        .map(|line| serde_json::from_str::<Value>(line).expect("a line")["device"].as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(ids.len(), DEVICES, "{run}");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), DEVICES, "{run}");
    let expected = if doubts.is_empty() { 0 } else { 4 };
    assert_eq!(shown["exit"], expected, "{said}");
    // Killed between its last line and its last breath: then there is no code.
    assert!(code.is_none_or(|code| code == expected), "{code:?}: {said}");
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
    let mut bounds = Bounds::new();
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
                if fleet.open_run().is_none() && fleet.runs() > runs {
                    doubts += check(&fleet, &mut bounds, None, "killed after its end");
                    runs += 1;
                }
                continue;
            }
        }
        let ended = program.end(Duration::from_secs(90));
        doubts += check(&fleet, &mut bounds, ended.code, &ended.err);
        runs += 1;
    }
    eprintln!(
        "{killed} kills, {resumes} resumes, {runs} runs of {DEVICES} devices done: no call repeated, {doubts} named in doubt"
    );
}
