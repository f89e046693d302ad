//! What a person does with runs that have been: go on with one, try again, list them, look into them; and what is refused, in so
//! many words.

use std::time::Duration;

use crate::resumes::Fleet;
use crate::stage_set::empty;

const SLOW: &str = r#"
name: Slow
serial: [1, rest]
between_waves: { gate: "true" }
abort_if: { failed: 100%, min_sample: 1000, action: continue }
steps:
  - name: Take long
    invoke_method: { name: slow, payload: 20 }
  - log: done
"#;

const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn an_interrupted_run_says_how_to_go_on_and_its_call_is_named() {
    let fleet = Fleet::new(SLOW, 2);
    let mut program = fleet.iotplay().start(&["run", "fleet.yaml"]);
    program.line("wave    1");
    fleet.eventually_in_journal("\"kind\":\"call\"");
    let ended = program.signal("INT");
    assert_eq!(ended.code, Some(130), "{}", ended.err);
    let run = fleet.newest();
    assert!(ended.err.contains(&format!("to go on: iotplay resume {run}")), "{}", ended.err);
    let runs = fleet.iotplay().run(&["runs"]);
    assert!(runs.out.contains(&run) && runs.out.contains("interrupted, can be resumed"), "{}", runs.out);
    let shown = fleet.iotplay().run(&["show"]);
    assert!(shown.out.contains("in doubt  d-1  Take long"), "{}", shown.out);

    // What goes on is the run's own copy.
    let quick = SLOW.replace("payload: 20", "payload: 0").replace("log: done", "log: quick");
    std::fs::write(fleet.path().join("fleet.yaml"), quick).expect("a file");
    let mut resumed = fleet.iotplay().start(&["resume", "--tier", "S1"]);
    resumed.line("note    fleet.yaml changed since");
    resumed.line("wave    2");
    let second = fleet.iotplay().run(&["resume", &run]);
    assert_eq!(second.code, Some(8), "{}", second.err);
    assert!(second.err.contains("under way in another process"), "{}", second.err);
    assert!(fleet.iotplay().run(&["runs"]).out.contains("running"));
    resumed.kill();

    let last = fleet.iotplay().run(&["resume", &run[run.len() - 4..]]);
    assert_eq!(last.code, Some(4), "{}", last.err);
    assert!(last.err.contains("2 calls are in doubt") || last.err.contains("1 call is in doubt"), "{}", last.err);
    let device = fleet.iotplay().run(&["show", &run, "d-1"]);
    assert!(device.out.contains("d-1  timeout") && device.out.contains("in doubt"), "{}", device.out);
    let over = fleet.iotplay().run(&["resume"]);
    assert_eq!(over.code, Some(2), "{}", over.err);
    assert!(over.err.contains("nothing to go on with"), "{}", over.err);
    assert_eq!(fleet.iotplay().run(&["show", "nothing"]).code, Some(2));
    assert_eq!(fleet.iotplay().run(&["show", &run, "d-3"]).code, Some(2));

    // Once more over those two, as the playbook is now.
    let none = fleet.iotplay().run(&["retry", &run, "--unreachable"]);
    assert_eq!(none.code, Some(2), "{}", none.err);
    assert_eq!(fleet.iotplay().run(&["retry", &run, "--unreachable", "--allow-empty"]).code, Some(0));
    let which = fleet.iotplay().run(&["retry", &run]);
    assert!(which.code == Some(2) && which.err.contains("--failed"), "{}", which.err);
    let again = fleet.iotplay().start(&["retry", &run, "--timeout", "--tier", "S1"]).end(PATIENCE);
    assert!(again.err.contains("pace    S1, 1 unit"), "{}", again.err);
    assert_eq!((again.code, again.out.as_str()), (Some(0), "quick\nquick"), "{}", again.err);
    assert!(again.err.contains(&format!("retry   {run}, 2 of its 2 devices")), "{}", again.err);
    assert!(fleet.iotplay().run(&["show"]).out.contains(&format!("retry   of {run}")));
}

#[test]
fn an_approval_is_given_by_resume() {
    let gate = r#"
name: Gate
vars: { word: none }
serial: [1, rest]
between_waves: { gate: { approve: true } }
steps:
  - invoke_method: { name: ping }
  - fail: no
    when: device.id == "d-2"
  - log: "${{ device.id }} ${{ word }}"
"#;
    let fleet = Fleet::new(gate, 3);
    let asked = fleet.iotplay().run(&["run", "fleet.yaml", "-e", "word=a b"]);
    assert_eq!((asked.code, asked.out.as_str()), (Some(6), "d-1 a b"), "{}", asked.err);
    let run = fleet.newest();
    assert!(asked.err.contains(&format!("iotplay resume {run} --approve")), "{}", asked.err);
    assert!(fleet.iotplay().run(&["runs"]).out.contains("waits for an approval"));
    let done = fleet.iotplay().run(&["resume", &run, "--approve"]);
    assert_eq!((done.code, done.out.as_str()), (Some(4), "d-3 a b"), "{}", done.err);
    assert!(done.err.contains("ok 2   failed 1"), "{}", done.err);
    let again = fleet.iotplay().run(&["retry", "--failed", "--output", "json"]);
    assert_eq!(again.code, Some(4), "{}", again.err);
    let document: serde_json::Value = serde_json::from_str(&again.out).expect("a document");
    assert_eq!(document["plays"][0]["size"], 1, "{document:#}");

    // A full disk: the run ends before further calls, and can be gone on with when there is room.
    let arguments = "trap '' XFSZ; ulimit -f 8; exec \"$0\" run fleet.yaml";
    let binary = fleet.iotplay().binary().display().to_string();
    let long = format!("name: Long\nsteps:\n{}", "  - invoke_method: { name: ping }\n    register: r\n".repeat(40));
    std::fs::write(fleet.path().join("fleet.yaml"), long).expect("a file");
    let mut command = fleet.iotplay().command(&[] as &[&str]);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", arguments, &binary]).current_dir(fleet.path());
    shell.env_clear().envs(command.env_remove("PWD").get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let full = stage::Program::start("a run with little disk", &mut shell).end(PATIENCE);
    assert_eq!(full.code, Some(1), "{}", full.err);
    assert!(full.err.contains("cannot be written") && full.err.contains("No further call was sent"), "{}", full.err);
    assert!(full.err.contains("to go on: iotplay resume"), "{}", full.err);
    let rest = fleet.iotplay().run(&["resume"]);
    assert!(rest.err.contains("ok 3") || rest.err.contains("in doubt"), "{}", rest.err);
}

#[test]
fn what_cannot_be_resumed_says_why() {
    let set = empty().file("fix.rhai", "let r = get_twin(\"sim-1\"); print(r.id);");
    let nothing = set.iotplay.run(&["resume"]);
    assert!(nothing.code == Some(2) && nothing.err.contains("no run has been in this folder"), "{}", nothing.err);
    let ended = set.iotplay.run(&["run", "fix.rhai"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let shown = set.iotplay.run(&["show"]);
    assert!(shown.out.contains("get_twin"), "{}", shown.out);
    let script = set.iotplay.run(&["resume"]);
    assert!(script.code == Some(2) && script.err.contains("a hub in its own process"), "{}", script.err);
    let mut program = set.iotplay.start(&["run", "reboot.yaml", "--sim-reboot", "30s"]);
    program.line("Rebooting device");
    program.kill();
    let gone = set.iotplay.run(&["resume"]);
    assert!(gone.code == Some(2) && gone.err.contains("a hub in its own process"), "{}", gone.err);
    let again = set.iotplay.run(&["retry", "--skipped", "--check"]);
    assert_eq!(again.code, Some(0), "{}", again.err);
}
