//! Where output goes, and what is said when it cannot go there. Flags of `run` that only the binary wires.

use std::process::{Command, Stdio};

use stage::{HubOptions, LocalHub};

use crate::stage_set::{Set, empty};

const TWO_LINES: &str = "steps:\n  - log: one\n  - log: two\n";
const DRIFT: &str = "steps:\n  - patch_twin: { desired: { interval: 30 } }\n";

/// stdout is a disk that is full.
fn to_a_full_disk(set: &Set, arguments: &[&str]) -> (Option<i32>, String) {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has /dev/full");
    let mut command: Command = set.iotplay.command(arguments);
    let ended = command.stdout(full).stderr(Stdio::piped()).output().expect("the binary runs");
    (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
}

#[test]
fn what_cannot_be_written_is_said_and_is_no_bug() {
    let set = empty().file("two.yaml", TWO_LINES);
    for arguments in [
        &["plugins", "list"][..],
        &["completions", "bash"],
        &["schema"],
        &["run", "two.yaml"],
        &["run", "two.yaml", "--output", "json"],
    ] {
        let (code, said) = to_a_full_disk(&set, arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {said}");
        assert!(said.contains("stdout cannot be written") && !said.contains("internal error"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_fault() {
    let set = empty();
    for arguments in [&["completions", "bash"][..], &["schema"], &["--help"]] {
        let mut command = set.iotplay.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        drop(child.stdout.take());
        let ended = child.wait_with_output().expect("the binary ends");
        assert!(ended.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
        assert!(ended.stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    }
}

#[test]
fn check_can_fail_on_change_and_save_can_go_elsewhere() {
    let set = empty().file("drift.yaml", DRIFT).file("save.yaml", "steps:\n  - save: { file: a.json, content: 1 }\n");
    let drift = set.iotplay.run(&["run", "drift.yaml", "--check", "--fail-on-change"]);
    assert_eq!(drift.code, Some(4), "{}", drift.err);
    assert!(drift.err.contains("interval: none -> 30"), "{}", drift.err);
    assert_eq!(set.iotplay.run(&["run", "drift.yaml", "--fail-on-change"]).code, Some(2), "it belongs to --check");

    let saved = set.iotplay.run(&["run", "save.yaml", "--out", "here"]);
    assert_eq!(saved.code, Some(0), "{}", saved.err);
    assert!(set.path().join("here/a.json").is_file(), "{}", saved.err);
}

#[test]
fn a_hub_without_devices_says_how_to_have_one() {
    let set = empty();
    let hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let ended = set.iotplay.run(&["run", "reboot.yaml", "--sim", "3"]);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    for words in ["no devices", "iotplay agent", "--sim, --sim-reboot, --sim-faults and --scripts"] {
        assert!(ended.err.contains(words), "no {words:?} in\n{}", ended.err);
    }
    let unknown = set.iotplay.run(&["twin", "get", "press-8"]);
    assert!(unknown.err.contains("knows no device `press-8` (404001 DeviceNotFound)"), "{}", unknown.err);
    hub.device("press-7");
    let offline = set.iotplay.run(&["invoke", "press-7", "ping"]);
    assert!(
        offline.err.contains("press-7 is not connected") && offline.err.contains("Nothing was sent"),
        "{}",
        offline.err
    );
}

#[test]
fn a_tag_that_no_step_has_is_named() {
    let set = empty().file("tags.yaml", "steps:\n  - log: one\n    tags: [slow]\n");
    let ended = set.iotplay.run(&["run", "tags.yaml", "-t", "slwo", "--skip-tags", "always"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("warning: no step has the tag `slwo`: did you mean `slow`?"), "{}", ended.err);
    assert!(!ended.err.contains("`always`"), "{}", ended.err);
}
