//! Runs that are killed and resumed beside what else is there: a hub of another folder, a second run of the group, a window, jobs
//! of the hub. Nobody is called twice.

use std::time::{Duration, SystemTime};

use stage::{Iotplay, LocalHub, eventually};

use crate::kills::client;
use crate::resumes::Fleet;
use crate::stage_set::empty;

const LONG: Duration = Duration::from_secs(90);

/// Every device was called this often.
fn called(fleet: &Fleet, times: i64) {
    let counts = fleet.counts();
    assert!(counts.values().all(|count| *count == times), "{counts:?}");
}

/// These devices are all at the slow call, which may be repeated: no call that must not be is on its way any more.
fn all_slow(journal: &str, devices: &[&str]) -> bool {
    devices.iter().all(|id| journal.contains(&format!(r#""kind":"call","device":"{id}","step":1"#)))
}

/// The journal of the only run in a folder.
fn journal(iotplay: &Iotplay) -> String {
    let runs = std::fs::read_dir(iotplay.folder().join(".iotplay/runs")).into_iter().flatten().flatten();
    let newest = runs.map(|run| run.path()).filter(|path| path.join("run.json").is_file()).max();
    newest.and_then(|run| std::fs::read_to_string(run.join("journal.jsonl")).ok()).unwrap_or_default()
}

#[test]
fn a_run_against_a_hub_of_another_folder_is_resumed_when_the_hub_is_named_again() {
    const BOOK: &str = "name: Elsewhere\nserial: [2, rest]\nabort_if: { failed: 100 }\nsteps:\n  - name: Count\n    invoke_method: { name: count }\n  \
                        - name: Slow\n    invoke_method: { name: slow, payload: 3, idempotent: true }\n";
    let fleet = Fleet::new(BOOK, 6);
    let away = empty().file("elsewhere.yaml", BOOK);
    let hub: &LocalHub = fleet.hub();
    let ca = hub.ca().display().to_string();
    let named = away.iotplay.with("IOTHUB_CONNECTION_STRING", &hub.service()).with("SSL_CERT_FILE", &ca);
    let mut runner = named.start(&["run", "elsewhere.yaml", "--all", "--yes"]);
    // In its second wave; the slow calls of everybody there are on their way.
    let second = ["d-3", "d-4", "d-5", "d-6"];
    eventually(Duration::from_secs(60), "the second wave", || all_slow(&journal(&named), &second).then_some(()));
    assert!(runner.ends_within(Duration::ZERO).is_none());
    runner.kill();

    let lost = away.iotplay.run(&["resume"]);
    assert_eq!(lost.code, Some(2), "{}", lost.err);
    assert!(lost.err.contains("IOTHUB_CONNECTION_STRING") || lost.err.contains("--hub"), "{}", lost.err);
    let ended = named.run(&["resume", "--yes"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("ok 6   failed 0"), "{}", ended.err);
    called(&fleet, 1);
}

#[test]
fn a_resumed_run_holds_its_group_and_keeps_to_its_window() {
    const BOOK: &str = "name: Grouped\nconcurrency: { group: line }\nwindow: { days: DAYS, tz: UTC }\nsteps:\n  - name: Count\n    \
                        invoke_method: { name: count }\n  - name: Slow\n    invoke_method: { name: slow, payload: 3, idempotent: true }\n";
    let fleet = Fleet::new(&BOOK.replace("DAYS", "[mon-sun]"), 4);
    let runner = fleet.iotplay().start(&["run", "fleet.yaml"]);
    let all = ["d-1", "d-2", "d-3", "d-4"];
    eventually(Duration::from_secs(60), "the slow calls", || all_slow(&journal(fleet.iotplay()), &all).then_some(()));
    runner.kill();
    let mut again = fleet.iotplay().start(&["resume"]);
    again.line("play    ");
    let refused = fleet.iotplay().run(&["run", "fleet.yaml"]);
    assert_eq!(refused.code, Some(8), "{}", refused.err);
    assert!(refused.err.contains("holds the group `line`"), "{}", refused.err);
    let ended = again.end(LONG);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    called(&fleet, 1);

    // Open in two days: the run waits, is killed, and waits again when it is resumed.
    let days = SystemTime::UNIX_EPOCH.elapsed().expect("a time after 1970").as_secs() / 86_400;
    let names = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
    let day = names[usize::try_from((days + 2) % 7).expect("a small number")];
    std::fs::write(fleet.path().join("later.yaml"), BOOK.replace("DAYS", &format!("[{day}]"))).expect("a file");
    for command in [&["run", "later.yaml"][..], &["resume"]] {
        let mut runner = fleet.iotplay().start(command);
        runner.line("window");
        runner.kill();
    }
    called(&fleet, 1);
}

#[test]
fn a_run_killed_in_the_middle_of_its_job_finds_it_again() {
    const BOOK: &str = "name: By job\nserial: [2, rest]\nsteps:\n  - name: Count\n    \
                        invoke_method: { name: patient, via: job, response_timeout: 60s }\n";
    let fleet = Fleet::new(BOOK, 8);
    let mut runner = fleet.iotplay().start(&["run", "fleet.yaml", "--output", "ndjson"]);
    runner.line("-w2-");
    runner.kill();
    let (run, before) = (fleet.newest(), fleet.counts());
    assert!(before.values().any(|count| *count == 0), "it was killed in the middle: {before:?}");
    let ended = fleet.iotplay().run(&["resume", &run]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("ok 8   failed 0"), "{}", ended.err);
    called(&fleet, 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let jobs = runtime.block_on(async {
        client(fleet.hub()).query("SELECT * FROM devices.jobs").collect(100).await.expect("a query")
    });
    let names: std::collections::BTreeSet<_> = jobs.iter().map(|row| row["jobId"].to_string()).collect();
    assert_eq!(names.len(), 2, "one a wave: {names:?}");
}
