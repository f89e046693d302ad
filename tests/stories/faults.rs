//! `--faults` and `--sim-faults`: profiles that are wrong, and an agent's fleet that shows its numbers.

use stage::{HubOptions, LocalHub};

use crate::stage_set::empty;

const PING: &str = "on_method('ping', |device, request| device.id);";

#[test]
fn a_profile_that_is_wrong_is_shown_and_nothing_is_started() {
    for (profile, words) in [
        ("drops_rply: { share: 5% }", &["faults.yaml:1:1", "did you mean `drops_reply`?"][..]),
        ("drops_reply:\n  share: 5\n", &["faults.yaml:2:10", "`5` is no share"]),
        ("offline: { count: 9 }", &["faults.yaml:1:19", "offline wants 9 of 5 devices"]),
    ] {
        let set = empty()
            .file("scripts/ping.rhai", PING)
            .file("faults.yaml", profile)
            .file("p.yaml", "steps: [ { log: x } ]");
        let ended = set.iotplay.run(&["run", "p.yaml", "--sim", "5", "--sim-faults", "faults.yaml"]);
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        assert!(words.iter().all(|word| ended.err.contains(word)) && ended.out.is_empty(), "{}", ended.err);
    }
    let missing =
        empty().file("p.yaml", "steps: [ { log: x } ]").iotplay.run(&["run", "p.yaml", "--sim-faults", "none.yaml"]);
    assert_eq!(missing.code, Some(2), "{}", missing.err);
    assert!(missing.err.contains("none.yaml"), "{}", missing.err);
}

#[test]
fn a_fleet_shows_its_faults_and_its_numbers() {
    let faults = "offline: { count: 3 }\nrejects: { count: 4, status: 409, methods: ping }\ndrops_reply: { count: 1, methods: pong }";
    let set = empty()
        .file("scripts/ping.rhai", PING)
        .file("faults.yaml", faults)
        .file("ping.yaml", "steps:\n  - invoke_method: { name: ping }\n    offline: skip\n");
    let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent", "--count", "30", "--faults", "faults.yaml"]);
    agent
        .line("faults  1 of 30 drops the reply to pong, 4 of 30 reject with 409 on ping, 3 of 30 are offline (seed 1)");
    agent.line("warning: the faults name the method `pong`, and no handler does: did you mean `ping`?");
    agent.line("ready   27 devices connected, 3 offline");
    let ran = set.iotplay.run(&["run", "ping.yaml"]);
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(ran.err.contains("ok 23   failed 4   unreachable 0   skipped 3"), "{}", ran.err);
    let ended = agent.signal("TERM");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("fleet   27 of 30 connected, 27 calls, 27 answers, 7 faults shown"), "{}", ended.err);
}

#[test]
fn faults_belong_to_simulated_devices() {
    let set = empty().file("faults.yaml", "offline: { share: 5% }");
    let board = ["agent", "--faults", "faults.yaml", "--reboot-command", "true"];
    assert_eq!(set.iotplay.run(&board).code, Some(2));
}

#[test]
fn what_fails_once_is_mended_by_a_retry() {
    let faults = "rejects: { count: 3, status: 409, times: 1 }\ndrops_reply: { count: 2, times: 1 }";
    let set = empty()
        .file("scripts/ping.rhai", PING)
        .file("faults.yaml", faults)
        .file("ping.yaml", "steps:\n  - invoke_method: { name: ping, response_timeout: 5s }\n");
    let _hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent", "--count", "20", "--faults", "faults.yaml"]);
    agent.line("ready");
    for (arguments, code, counts) in [
        (&["run", "ping.yaml"][..], 4, "ok 15   failed 5   unreachable 0   skipped 0"),
        (&["retry", "--failed"], 0, "ok 5   failed 0   unreachable 0   skipped 0"),
        (&["run", "ping.yaml"], 0, "ok 20   failed 0   unreachable 0   skipped 0"),
    ] {
        let ended = set.iotplay.run(arguments);
        assert_eq!(ended.code, Some(code), "{}", ended.err);
        assert!(ended.err.contains(counts), "{arguments:?}: {}", ended.err);
    }
}
