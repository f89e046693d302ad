//! `iotplay run reboot.yaml` with nothing configured: hub, device and playbook in one process.

use crate::stage_set::{Set, empty};

const PROJECT_PLAYBOOK: &str = include_str!("../../playbooks/reboot.yaml");
const PROJECT_HANDLER: &str = include_str!("../../scripts/reboot.rhai");

fn project() -> Set {
    empty().file("playbooks/reboot.yaml", PROJECT_PLAYBOOK).file("scripts/reboot.rhai", PROJECT_HANDLER)
}

fn is_utc_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00.000Z"
}

#[test]
fn shows_a_person_what_happened() {
    let set = project();
    let ended = set.iotplay.run(&["run", "reboot.yaml", "--sim-reboot", "1s"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let time = ended.out.strip_prefix("Last reboot time: ").unwrap_or_else(|| panic!("{}", ended.out));
    assert!(is_utc_time(time), "stdout is the log line and nothing else: {:?}", ended.out);

    let lines: Vec<&str> = ended.err.lines().collect();
    assert_eq!(lines[0], "hub     local, in this process (no hub configured)");
    assert_eq!(lines[1], "device  sim-1, simulated, running scripts/reboot.rhai");
    assert_eq!(lines[2], "play    Reboot  (playbooks/reboot.yaml, 1 device)");
    assert!(ended.err.contains("sim-1 |    Rebooting device"), "{}", ended.err);
    let step = |name: &str| {
        let found = lines.iter().find(|line| line.contains(name));
        found.copied().unwrap_or_else(|| panic!("no line about {name:?} in\n{}", ended.err))
    };
    assert!(step("Remember the last reboot").contains("rebootTime: none"));
    assert!(step("Ask the device to reboot").contains(r#"200 {"Response":"This is the response from the device"}"#));
    assert!(step("Wait until it reports").contains(&format!("rebootTime: none -> {time}")));
    assert!(lines.iter().any(|line| line.starts_with("ok 1   failed 0   unreachable 0   skipped 0")), "{}", ended.err);
}

#[test]
fn a_simulated_device_answers_after_it_reported() {
    let set = project();
    let ended = set.iotplay.run(&["run", "reboot.yaml", "--sim-reboot", "500ms", "--output", "ndjson"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.lines().count() > 5, "one object per event: {}", ended.out);
    assert!(ended.out.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{}", ended.out);
}

#[test]
fn several_simulated_devices_are_run_at_once() {
    let set = project();
    let ended = set.iotplay.run(&["run", "reboot.yaml", "--sim", "25", "--sim-reboot", "1s"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.out.lines().count(), 25, "one log line per device: {}", ended.out);
    assert!(ended.err.contains("ok 25   failed 0"), "{}", ended.err);
}

#[test]
fn a_fleet_larger_than_the_machine_allows_is_refused_with_advice() {
    let set = project();
    let ended = set.iotplay.run(&["run", "reboot.yaml", "--sim", "5000000"]);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("open files") && ended.err.contains("help: "), "{}", ended.err);
}

#[test]
fn check_mode_changes_nothing_and_says_what_it_would_do() {
    let set = project();
    let ended = set.iotplay.run(&["run", "reboot.yaml", "--check", "--sim-reboot", "1s"]);
    assert!(!ended.err.contains("Rebooting device"), "{}", ended.err);
    assert!(ended.err.contains("rebootDevice"), "{}", ended.err);
}
