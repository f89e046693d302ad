//! Scripts of several calls, as a step of a playbook and as programs, killed at random moments and resumed until they are done: no call
//! is sent twice, and what is in doubt is named. `IOTPLAY_TEST_KILLS` says how often; the gate has time for a few.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use base::Seed;
use serde_json::Value;

use crate::kills::rand_below;
use crate::resumes::Fleet;

/// What the gate has time for.
const KILLS: u64 = 3;
/// A process gets at most so long before it is killed.
const LONGEST_MS: u64 = 1_200;
const DEVICES: usize = 12;
/// Calls of the script on each device.
const CALLS: i64 = 4;

/// Reads decide what is sent, and the time is looked at. Calls of one device come one by one: its handler counts no faster.
const PLAYBOOK: &str = r#"
name: Count by script
targets: { query: status = 'enabled' }
forks: 8
steps:
  - name: Fix
    script: |
      let begun = now();
      let before = get_twin(device).reported.counted ?? 0;
      let first = invoke_method(device, "count", before);
      sleep(0.05);
      for n in 0..2 { invoke_method(device, "count", #{ n: n, at: begun }); }
      if age(begun) < 0 { fail("time runs backwards") }
      wait_until(device, |twin| twin.reported.counted >= first.payload.counted + 2, #{ every: 0.2 });
      invoke_method(device, "count", first.payload.counted);
"#;

const PROGRAM: &str = r#"
parallel(devices("status = 'enabled'"), |d| {
    let before = get_twin(d).reported.counted ?? 0;
    let first = invoke_method(d, "count", before);
    for n in 0..2 { invoke_method(d, "count", #{ n: n, at: now() }); }
    wait_until(d, |twin| twin.reported.counted >= first.payload.counted + 2, #{ every: 0.2 });
    invoke_method(d, "count", first.payload.counted);
}, #{ forks: 8 });
"#;

/// What one device's calls come to: those that have ended well, and those that were sent.
type Bounds = BTreeMap<String, (i64, i64)>;

fn journals(fleet: &Fleet) -> Vec<PathBuf> {
    let runs = std::fs::read_dir(fleet.path().join(".iotplay/runs")).into_iter().flatten().flatten();
    let mut runs: Vec<PathBuf> =
        runs.map(|run| run.path().join("journal.jsonl")).filter(|file| file.is_file()).collect();
    runs.sort();
    runs
}

/// A journal's lines about what scripts called; no call is there twice.
fn called(journal: &PathBuf, bounds: &mut Bounds) -> usize {
    let text = std::fs::read_to_string(journal).expect("a journal");
    let mut open: BTreeMap<(String, String), bool> = BTreeMap::new();
    for line in text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line")) {
        if line["name"] != "invoke_method count" || !line["deed"].is_string() {
            continue;
        }
        let key = (line["device"].as_str().unwrap_or_default().to_owned(), line["deed"].to_string());
        match line["kind"].as_str() {
            Some("call") => assert!(open.insert(key, false).is_none(), "called twice: {line}\n{text}"),
            Some("not_sent") => drop(open.remove(&key)),
            Some("step") => drop(open.insert(key, line["outcome"] == "ok")),
            _ => {}
        }
    }
    let mut doubts = 0;
    for ((device, _), ended) in open {
        let (least, most) = bounds.entry(device).or_default();
        *least += i64::from(ended);
        *most += 1;
        doubts += usize::from(!ended);
    }
    doubts
}

fn killed_and_resumed(file: &str) {
    let kills = std::env::var("IOTPLAY_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let seed = Seed::from_os();
    eprintln!("{kills} kills of {file}, seed {seed:?}");
    let fleet = Fleet::new(PLAYBOOK, DEVICES);
    std::fs::write(fleet.path().join("count.rhai"), PROGRAM).expect("a file can be written");
    let (mut killed, mut round, mut resumes) = (0, 0, 0);
    while killed < kills || fleet.open_run().is_some() {
        round += 1;
        let open = fleet.open_run();
        resumes += usize::from(open.is_some());
        let arguments = open.as_ref().map_or_else(|| vec!["run", file], |run| vec!["resume", run.as_str()]);
        let mut program = fleet.iotplay().start(&arguments);
        // The moment is what is random here: a sleep is not a wait for something to happen.
        let moment = Duration::from_millis(rand_below(seed, round, LONGEST_MS));
        if killed < kills && program.ends_within(moment).is_none() {
            program.kill();
            killed += 1;
            continue;
        }
        let ended = program.end(Duration::from_secs(90));
        let mut own = Bounds::new();
        let doubts = called(journals(&fleet).last().expect("a run"), &mut own);
        let whole = own.values().all(|(least, _)| *least == CALLS);
        // A script may catch what is in doubt, as the branches of `parallel` do: then it has ended well.
        let expected = if doubts == 0 { &[Some(0)][..] } else { &[Some(0), Some(4)] };
        assert!(expected.contains(&ended.code), "{:?}: {}", ended.code, ended.err);
        assert!(whole && own.len() == DEVICES || doubts > 0, "{own:?}\n{}", ended.err);
        let shown = fleet.iotplay().run(&["show"]);
        assert!(doubts == 0 || shown.out.contains("in doubt"), "{}", shown.out);
    }
    // A late call is counted, never missed: the hub is asked first.
    let (counts, mut bounds) = (fleet.counts(), Bounds::new());
    let doubts: usize = journals(&fleet).iter().map(|journal| called(journal, &mut bounds)).sum();
    for (device, (least, most)) in &bounds {
        let calls = counts[device];
        assert!((*least..=*most).contains(&calls), "{device}: {calls} is not in {least}..={most}");
    }
    eprintln!("{killed} kills, {resumes} resumes: no call repeated, {doubts} in doubt");
}

#[test]
fn a_step_that_is_a_script_is_killed_and_calls_nothing_twice() {
    killed_and_resumed("fleet.yaml");
}

#[test]
fn a_runner_script_is_killed_and_calls_nothing_twice() {
    killed_and_resumed("count.rhai");
}
