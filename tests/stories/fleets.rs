//! Rollouts over fleets that misbehave: every class is counted exactly, budgets and gates hold, nobody who sleeps holds up a wave.

use serde_json::{Value, json};
use stage::Iotplay;

use crate::stage_set::{Set, empty};
use crate::told::{Told, told};

const PING: &str = "
on_method('ping', |device, request| device.id);
on_method('verify', |device, request| 'fine');
";

/// One call each; the shortest time that IoT Hub allows for an answer.
const CALL: &str = "steps:\n  - invoke_method: { name: ping, response_timeout: 5s }\n";

fn fleet(faults: &str, book: &str) -> Set {
    empty().file("scripts/ping.rhai", PING).file("faults.yaml", faults).file("book.yaml", book)
}

fn run(iotplay: &Iotplay, devices: usize) -> Told {
    told(iotplay, "book.yaml", &["--sim", &devices.to_string(), "--sim-faults", "faults.yaml"])
}

/// Runs a book over so many devices with these faults.
fn rollout(faults: &str, book: &str, devices: usize) -> Told {
    run(&fleet(faults, book).iotplay, devices)
}

#[test]
fn each_fault_is_counted_in_its_class_and_hits_the_same_devices_again() {
    let faults = "
offline: { share: 5% }
drops_reply: { count: 4 }
answers_late: { count: 2, by: 60s }
rejects: { count: 5, status: 409 }
answers_twice: { share: 10% }
";
    let set = fleet(faults, CALL);
    let first = run(&set.iotplay, 60);
    first.exits(4);
    assert_eq!(first.counts(), [46, 5, 6, 3, 0, 0], "ok, rejected, timeout, unreachable, failed, skipped");
    let said = "faults  4 of 60 drop the reply, 2 of 60 answer 1m late, 6 of 60 answer twice, 5 of 60 reject with 409, \
                3 of 60 are offline (seed 1)";
    assert!(first.ended.err.contains(said), "{}", first.ended.err);
    let again = run(&set.iotplay, 60);
    for outcome in ["rejected", "timeout", "unreachable"] {
        assert_eq!(first.devices(outcome), again.devices(outcome));
    }
    let other = run(&set.iotplay.with("IOTPLAY_SIM_SEED", "2"), 60);
    assert_eq!(other.counts(), first.counts());
    assert_ne!(other.devices("rejected"), first.devices("rejected"));
}

#[test]
fn who_is_not_connected_is_unreachable_or_skipped() {
    let faults = "offline: { count: 3 }";
    let fails = rollout(faults, CALL, 20);
    fails.exits(5);
    assert_eq!(fails.counts(), [17, 0, 0, 3, 0, 0]);
    let skips = rollout(faults, &format!("{CALL}    offline: skip\n"), 20);
    skips.exits(0);
    assert_eq!(skips.counts(), [17, 0, 0, 0, 0, 3]);
    let step = rollout(faults, &format!("{CALL}    offline: skip_step\n  - log: on\n"), 20);
    step.exits(0);
    assert_eq!((step.counts(), step.said().len()), ([20, 0, 0, 0, 0, 0], 20));
}

#[test]
fn sleepers_do_not_hold_up_the_waves() {
    let book = "
serial: [25%, 25%, rest]
between_waves: { gate: wave.failed == 0 and wave.unreachable == 0 }
steps:
  - invoke_method: { name: ping }
    offline: { wait: 12s }
";
    // Two of the first wave's ten, and one of the last's.
    let ran = rollout("offline: { devices: [sim-1, sim-10, sim-9] }", book, 40);
    ran.exits(5);
    assert_eq!(ran.counts(), [37, 0, 0, 3, 0, 0]);
    let wave = |kind: &'static str, index: u64| move |event: &Value| event["event"] == kind && event["index"] == index;
    let waits = |event: &&Value| event["event"] == "wave_ended" && event["waiting"] == json!(2);
    assert!(ran.all("wave_ended").any(|event| waits(&event) && event["index"] == 1), "{}", ran.ended.out);
    let over = ran.at("sim-1 is given up", |event| event["event"] == "device_ended" && event["device"] == "sim-1");
    let last = ran.at("the last wave ends", wave("wave_ended", 3));
    assert!(ran.at("the second wave", wave("wave_started", 2)) < last && last < over, "{}", ran.ended.out);
}

#[test]
fn sleepers_that_come_back_are_called_after_all() {
    let book = "
serial: [10, rest]
steps:
  - invoke_method: { name: ping }
    offline: { wait: 80s }
    register: reply
  - log: ${{ reply.payload }}
";
    let ran = rollout("offline: { share: 5%, for: 4s }", book, 40);
    ran.exits(0);
    assert_eq!(ran.counts(), [40, 0, 0, 0, 0, 0]);
    let mut answers = ran.said();
    answers.sort_unstable();
    answers.dedup();
    assert_eq!(answers.len(), 40, "each once");
}

#[test]
fn budgets_trip_where_they_must() {
    // One after the other, in the order of the ids: who is reached before the budget is spent is known.
    let faults = "rejects: { devices: [sim-2, sim-4, sim-5, sim-8], status: 500 }";
    for (keys, code, counts) in [
        ("abort_if: { rejected: 3 }", 6, [2, 3, 0, 0, 0, 4]),
        ("abort_if: { failed: 3 }", 6, [2, 3, 0, 0, 0, 4]),
        ("abort_if: { unreachable: 1, timeout: 1 }", 4, [5, 4, 0, 0, 0, 0]),
        ("abort_if: { failed: 25%, min_sample: 5 }", 6, [2, 3, 0, 0, 0, 4]),
        ("abort_if: { failed: 25%, min_sample: 4 }", 6, [2, 2, 0, 0, 0, 5]),
        ("abort_if: { failed: 90%, min_sample: 1 }", 4, [5, 4, 0, 0, 0, 0]),
        ("abort_if: { rejected: 2, per_wave: true }\nserial: 3", 6, [2, 3, 0, 0, 0, 4]),
        ("abort_if: { rejected: 3, per_wave: true }\nserial: 3", 4, [5, 4, 0, 0, 0, 0]),
        ("abort_if: { rejected: 2, action: continue }", 4, [5, 4, 0, 0, 0, 0]),
        ("abort_if: { rejected: 2, action: pause }", 6, [2, 2, 0, 0, 0, 5]),
    ] {
        let ran = rollout(faults, &format!("forks: 1\n{keys}\n{CALL}"), 9);
        ran.exits(code);
        assert_eq!(ran.counts(), counts, "{keys}\n{}", ran.ended.err);
        let word = if keys.contains("pause") { "paused: " } else { "aborted: " };
        assert_eq!(ran.ended.err.contains(word), code == 6, "{keys}\n{}", ran.ended.err);
    }
}

#[test]
fn waves_are_gated() {
    let faults = "rejects: { devices: [sim-2], status: 409, methods: ping }\nanswers_late: { devices: [sim-3], by: 60s, methods: verify }";
    let verify = "between_waves: { verify: [ { invoke_method: { name: verify, response_timeout: 5s } } ] }";
    for (keys, code, counts) in [
        // Without a budget and a gate of its own, a wave with a failure is the last.
        ("serial: [1, 3, rest]", 6, [3, 1, 0, 0, 0, 5]),
        ("serial: [1, 3, rest]\nbetween_waves: { gate: wave.rejected <= 1 }", 4, [8, 1, 0, 0, 0, 0]),
        ("serial: [1, 3, rest]\nabort_if: { failed: 3 }", 4, [8, 1, 0, 0, 0, 0]),
        ("serial: [1, rest]\nbetween_waves: { gate: wave.ok > 1 }", 6, [1, 0, 0, 0, 0, 8]),
        // What `verify` finds counts against the wave: sim-3 answered its call, and not the check after it.
        (&format!("serial: [1, 3, rest]\nabort_if: {{ failed: 9 }}\n{verify}"), 4, [7, 1, 1, 0, 0, 0]),
        (&format!("serial: [1, 3, rest]\nabort_if: {{ timeout: 1 }}\n{verify}"), 6, [2, 1, 1, 0, 0, 5]),
    ] {
        let ran = rollout(faults, &format!("{keys}\n{CALL}"), 9);
        ran.exits(code);
        let sum = ran.all("run_ended").next().map(|end| end["counts"].clone()).unwrap_or_default();
        let [ok, rejected, timeout, unreachable, failed, skipped] = counts;
        let expected =
            json!({ "ok": ok, "failed": rejected + timeout + failed, "unreachable": unreachable, "skipped": skipped });
        assert_eq!(sum, expected, "{keys}\n{}", ran.ended.err);
    }
}

#[test]
fn rescue_and_always_run_where_they_belong() {
    let faults = "
rejects: { devices: [sim-1], status: 409 }
drops_reply: { devices: [sim-2] }
offline: { devices: [sim-3] }
";
    let book = "
steps:
  - block:
      - invoke_method: { name: ping, response_timeout: 5s }
    rescue:
      - log: rescued ${{ device.id }} ${{ error.class }} ${{ error.status ?? '-' }}
    always:
      - log: always ${{ device.id }}
";
    let ran = rollout(faults, book, 5);
    ran.exits(0);
    assert_eq!(ran.counts(), [5, 0, 0, 0, 0, 0]);
    let mut said = ran.said();
    said.sort_unstable();
    let rescued: Vec<&str> = said.iter().copied().filter(|line| line.starts_with("rescued")).collect();
    assert_eq!(rescued[0], "rescued sim-1 rejected 409");
    assert!(rescued[1].starts_with("rescued sim-2 timeout") && rescued[2].starts_with("rescued sim-3 unreachable"));
    assert_eq!((rescued.len(), said.len() - rescued.len()), (3, 5), "{said:?}");
}

#[test]
fn an_abort_is_cleaned_up_and_told() {
    let faults = "rejects: { devices: [sim-2], status: 409 }";
    let book = "
serial: [3, rest]
on_abort:
  - log: back ${{ device.id }}
after:
  - save: { file: ends.json, content: '${{ devices.map(|d| [d.id, d.outcome, d.class ?? \"-\"]) }}' }
  - log: ${{ run.rejected }} of ${{ run.size }}
steps:
  - invoke_method: { name: ping }
";
    let set = fleet(faults, book);
    let flags = ["--sim", "6", "--sim-faults", "faults.yaml", "--out", "out"];
    let ran = told(&set.iotplay, "book.yaml", &flags);
    ran.exits(6);
    let mut said = ran.said();
    said.sort_unstable();
    assert_eq!(said, ["1 of 6", "back sim-1", "back sim-3"], "those of the wave that ended well");
    let saved = std::fs::read_to_string(set.path().join("out/ends.json")).expect("`after` runs after an abort");
    let mut ends: Vec<Vec<String>> = serde_json::from_str(&saved).expect("it is JSON");
    ends.sort();
    let expected =
        [("ok", "-"), ("rejected", "rejected"), ("ok", "-"), ("skipped", "-"), ("skipped", "-"), ("skipped", "-")];
    for (number, (end, (outcome, class))) in ends.iter().zip(expected).enumerate() {
        assert_eq!(*end, [format!("sim-{}", number + 1), outcome.to_owned(), class.to_owned()]);
    }
}

#[test]
fn success_is_what_the_play_says_it_is() {
    for (condition, code) in [("run.rejected <= 2", 0), ("run.rejected < 2", 4), ("run.ok == run.size", 4)] {
        let ran = rollout("rejects: { count: 2, status: 409 }", &format!("success_if: {condition}\n{CALL}"), 10);
        ran.exits(code);
        assert_eq!(ran.counts(), [8, 2, 0, 0, 0, 0], "{condition}");
    }
}

#[test]
fn retries_repeat_what_may_be_repeated() {
    let faults = "rejects: { devices: [sim-1], status: 503, times: 2 }\ndrops_reply: { devices: [sim-2], times: 1 }";
    let retried = "    retries: 2\n    delay: 100ms\n";
    let blind = rollout(faults, &format!("{CALL}{retried}"), 3);
    blind.exits(4);
    assert_eq!(
        (blind.devices("ok"), blind.devices("timeout")),
        (vec!["sim-1", "sim-3"], vec!["sim-2"]),
        "not sent again blindly"
    );
    let book = CALL.replace("response_timeout: 5s", "response_timeout: 5s, idempotent: true");
    let harmless = rollout(faults, &format!("{book}{retried}"), 3);
    harmless.exits(0);
    let attempts = |device: &str| {
        let ends: Vec<&Value> = harmless.all("step_ended").filter(|end| end["device"] == device).collect();
        ends[0]["attempts"].as_u64()
    };
    assert_eq!((attempts("sim-1"), attempts("sim-2"), attempts("sim-3")), (Some(3), Some(2), Some(1)));
}

#[test]
fn a_reboot_that_has_no_end_is_found_out() {
    let book = "
steps:
  - get_twin:
    register: before
  - invoke_method: { name: rebootDevice, response_timeout: 30s }
  - wait_until: { that: twin.reported.rebootTime != before.reported.rebootTime, every: 1s }
    timeout: 6s
";
    let set = empty()
        .file("scripts/reboot.rhai", include_str!("../../scripts/reboot.rhai"))
        .file("book.yaml", book)
        .file("faults.yaml", "never_returns: { devices: [sim-2, sim-5] }\nslow_boot: { devices: [sim-3], takes: 3s }");
    let flags = ["--sim", "8", "--sim-reboot", "200ms", "--sim-faults", "faults.yaml"];
    let ran = told(&set.iotplay, "book.yaml", &flags);
    ran.exits(4);
    assert_eq!((ran.counts(), ran.devices("timeout")), ([6, 0, 2, 0, 0, 0], vec!["sim-2", "sim-5"]));
    assert!(ran.ended.err.contains("sim-2  fault: gone after a restart for good"), "{}", ran.ended.err);
    assert!(ran.ended.err.contains("sim-3  fault: the restart takes 3s"), "{}", ran.ended.err);
}
