//! `--report`, `GITHUB_STEP_SUMMARY`, `--output`: a run is told to a CI server, to a person and to a program, and all hear the same.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use stage::Program;

use crate::reports_read::{page, validated};
use crate::stage_set::{Set, empty};

/// Every tenth device refuses, with a reply that would like to be a page; every tenth is busy at first.
const HANDLER: &str = r#"
on_method("check", |device, request| {
    if device.id.ends_with("3") {
        throw #{ status: 409, payload: #{ why: "</script><img src=x onerror=alert(1)>" } };
    }
    if device.id.ends_with("5") && device.state.asked != true {
        device.state.asked = true;
        throw #{ status: 503, payload: "busy" };
    }
    "fine"
});
"#;

const CHECK: &str = "\
name: Check the line
serial: [10, rest]
abort_if: { failed: 50%, min_sample: 20 }
steps:
  - name: Look
    get_twin:
  - name: Ask
    invoke_method: { name: check }
    retries: 1
    delay: 50ms
  - block:
      - name: Collect
        invoke_method: { name: missing }
    rescue:
      - name: Mend
        set: { mended: true }
";

fn checked() -> Set {
    empty().file("check.yaml", CHECK).file("scripts/check.rhai", HANDLER)
}

#[test]
fn a_run_tells_all_its_readers_the_same() {
    let set = checked();
    let iotplay = set.iotplay.with("GITHUB_STEP_SUMMARY", "summary.md");
    let arguments = "run check.yaml --sim 40 --output json --report junit=out/ci/junit.xml --report html=out/page.html";
    let ended = iotplay.run(&arguments.split(' ').collect::<Vec<_>>());
    assert_eq!(ended.code, Some(4), "{}", ended.err);
    let document: Value = serde_json::from_str(&ended.out).expect("one JSON document");
    let counts = json!({ "ok": 36, "failed": 4, "unreachable": 0, "skipped": 0 });
    assert_eq!((&document["counts"], document["exit"].as_u64()), (&counts, Some(4)));
    assert!(ended.err.contains("\nok 36   failed 4   unreachable 0   skipped 0 "), "{}", ended.err);
    let devices = document["plays"][0]["devices"].as_array().expect("its devices");
    let mut waves: Vec<u64> = devices.iter().filter_map(|device| device["wave"].as_u64()).collect();
    waves.sort_unstable();
    assert_eq!((waves.iter().filter(|wave| **wave == 1).count(), waves.len()), (10, 40));
    let of = |outcome: &str| {
        let ids = devices.iter().filter(|device| device["outcome"] == outcome);
        let mut ids: Vec<&str> = ids.filter_map(|device| device["device"].as_str()).collect();
        ids.sort_unstable();
        ids.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of("rejected"), ["sim-13", "sim-23", "sim-3", "sim-33"]);

    let summary = fs::read_to_string(set.path().join("summary.md")).expect("a summary");
    assert!(summary.contains("| 36 | 4 | 0 | 0 |"), "{summary}");
    assert!(summary.contains("| 4 | rejected | Ask |") && summary.contains("Waves of Check the line"), "{summary}");

    if let Some(told) = validated(&set, &["out/ci/junit.xml"]) {
        let told = &told[0];
        assert_eq!([&told["tests"], &told["failures"], &told["errors"], &told["skipped"]], [40, 4, 0, 0]);
        assert_eq!(sorted(&told["kinds"]["rejected"]), of("rejected"));
        assert_eq!(sorted(&told["kinds"]["ok"]), of("ok"));
        assert_eq!(sorted(&told["flaky"]), ["sim-15", "sim-25", "sim-35", "sim-5"]);
    }
    let acts = json!([
        { "do": "tile", "outcome": "rejected" }, { "do": "filter", "outcome": "rescued", "step": "Collect" },
        { "do": "filter", "wave": 1, "outcome": "bad" }, { "do": "open", "device": "sim-13" },
    ]);
    if let Some(seen) = page(&set, "out/page.html", &acts) {
        assert_eq!(seen["tiles"], json!({ "ok": 36, "rejected": 4 }));
        assert_eq!(sorted(&seen["answers"][0]["ids"]), of("rejected"));
        assert_eq!(sorted(&seen["answers"][1]["ids"]), of("ok"), "all others were rescued");
        assert_eq!(sorted(&seen["answers"][2]["ids"]).len(), first_wave(devices));
        let detail = seen["answers"][3]["detail"].as_str().expect("a detail");
        assert!(detail.contains("attempt 1:") && detail.contains("</script><img src=x"), "{detail}");
    }
}

fn first_wave(devices: &[Value]) -> usize {
    devices.iter().filter(|device| device["wave"] == 1 && device["outcome"] == "rejected").count()
}

fn sorted(ids: &Value) -> Vec<String> {
    let ids = ids.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let mut ids: Vec<String> = ids.collect();
    ids.sort_unstable();
    ids
}

#[test]
fn ndjson_names_the_new_events_and_fields() {
    let set = checked();
    let ended = set.iotplay.run(&["run", "check.yaml", "--sim", "12", "--output", "ndjson"]);
    let events: Vec<Value> =
        ended.out.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect();
    let of = |name: &str| events.iter().filter(|event| event["event"] == name).collect::<Vec<_>>();
    assert_eq!((&of("play_started")[0]["waves"], &of("play_started")[0]["devices"]), (&json!(2), &json!(12)));
    assert!(of("play_started")[0].get("estimate").is_some());
    assert_eq!((of("device_started").len(), of("device_ended").len()), (12, 12));
    assert!(of("device_ended").iter().all(|end| end["waited"].is_number() && end["wave"].is_number()));
    let rescued = of("step_ended").into_iter().filter(|end| end["rescued"] == true).count();
    assert_eq!(rescued, 11, "all but sim-3");
}

#[test]
fn an_unknown_report_or_a_file_that_cannot_be_written_ends_before_anything_is_sent() {
    let set = checked().file("taken", "");
    for (report, words) in [
        ("junti=x.xml", "did you mean `junit`?"),
        ("junit", "which file? `junit=FILE`"),
        ("html=taken/page.html", "the report html cannot be written to taken/page.html"),
        ("html=.", "it is a folder"),
    ] {
        let ended = set.iotplay.run(&["run", "check.yaml", "--report", report]);
        assert_eq!(ended.code, Some(2), "{report}: {}", ended.err);
        assert!(ended.err.contains(words), "{report}: {}", ended.err);
        assert!(!ended.err.contains("play    "), "{report}: {}", ended.err);
    }
    let twice = set.iotplay.run(&["run", "check.yaml", "--report", "junit=a", "--report", "html=a"]);
    assert_eq!(twice.code, Some(2), "{}", twice.err);
    assert!(!set.path().join("a").exists());
}

#[test]
fn retry_refuses_a_report_that_cannot_be_written_before_it_opens_a_hub() {
    let set = empty().file("taken", "").file("fails.yaml", "steps:\n  - fail: no\n");
    assert_eq!(set.iotplay.run(&["run", "fails.yaml"]).code, Some(4));
    let ended = set.iotplay.run(&["retry", "--failed", "--report", "html=taken/page.html"]);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("the report html cannot be written to taken/page.html"), "{}", ended.err);
    assert!(!ended.err.contains("hub     "), "{}", ended.err);
}

#[test]
fn a_summary_that_cannot_be_written_is_a_warning_and_a_report_is_an_error() {
    let set = checked();
    let ended = set.iotplay.with("GITHUB_STEP_SUMMARY", "no/such/file").run(&["run", "check.yaml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("warning: the summary (GITHUB_STEP_SUMMARY) cannot be written"), "{}", ended.err);

    let set = empty();
    let mut run = set.iotplay.start(&["run", "reboot.yaml", "--sim-reboot", "3s", "--report", "junit=sub/junit.xml"]);
    run.line("Remember the last reboot");
    fs::remove_dir(set.path().join("sub")).expect("the folder was made before the run");
    fs::write(set.path().join("sub"), "").expect("a file in its place");
    let ended = run.end(Duration::from_secs(90));
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("error: the report junit cannot be written to sub/junit.xml"), "{}", ended.err);
}

#[test]
fn an_interrupted_run_leaves_its_reports() {
    let set = empty();
    let arguments = "run reboot.yaml --sim 2 --sim-reboot 60s --report junit=junit.xml --report html=page.html";
    let mut run: Program = set.iotplay.start(&arguments.split(' ').collect::<Vec<_>>());
    run.nth_line("Rebooting device", 2);
    let ended = run.signal("INT");
    assert_eq!(ended.code, Some(130), "{}", ended.err);
    let junit = fs::read_to_string(set.path().join("junit.xml")).expect("a report");
    assert!(junit.contains("type=\"exit 130\"") && junit.contains("errors=\"1\""), "{junit}");
    if let Some(told) = validated(&set, &["junit.xml"]) {
        assert_eq!([&told[0]["tests"], &told[0]["skipped"], &told[0]["errors"]], [3, 2, 1]);
    }
    if let Some(seen) = page(&set, "page.html", &json!([{ "do": "open", "device": "sim-2" }])) {
        assert_eq!(seen["tiles"], json!({ "skipped": 2 }));
        let detail = seen["answers"][0]["detail"].as_str().expect("a detail");
        assert!(detail.contains("stopped Ask the device to reboot"), "{detail}");
    }
}

#[test]
fn a_refused_plan_is_red_in_ci() {
    let set = checked();
    let ended = set.iotplay.run(&["run", "check.yaml", "-l", "sim-9", "--report", "junit=junit.xml"]);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    if let Some(told) = validated(&set, &["junit.xml"]) {
        assert_eq!([&told[0]["tests"], &told[0]["errors"]], [1, 1]);
    }
}

#[test]
fn a_thousand_devices_off_a_terminal_are_a_few_lines() {
    let set = empty()
        .file("seed.yaml", "devices:\n  - { prefix: press-, count: 1000 }\n")
        .file("ping.yaml", "steps:\n  - name: Ping\n    invoke_method: { name: ping }\n");
    let mut hub = set.iotplay.start(&["hub", "--mqtt-port", "0", "--https-port", "0", "--seed", "seed.yaml"]);
    hub.line("iotplay devices add");
    let ended = set.iotplay.run(&["run", "ping.yaml", "--report", "junit=junit.xml"]);
    assert_eq!(ended.code, Some(5), "{}", ended.err);
    assert!(ended.err.lines().count() < 60, "{}", ended.err);
    assert!(ended.err.contains("unreachable 1000 (997 not shown)"), "{}", ended.err);
}

#[test]
fn a_wait_in_vain_is_told_in_local_time_and_blames_no_call_that_was_not_made() {
    let wait = "  - name: Wait\n    wait_until: twin.reported.never == 1\n    timeout: 1s\n";
    let call = "  - invoke_method: { name: check }\n";
    let set =
        checked().file("wait.yaml", &format!("steps:\n{wait}")).file("both.yaml", &format!("steps:\n{call}{wait}"));
    // Nine hours east of Greenwich, in the words that need no table of zones.
    let iotplay = set.iotplay.with("TZ", "JST-9");
    let ended = iotplay.run(&["run", "wait.yaml"]);
    assert_eq!(ended.code, Some(4), "{}", ended.err);
    assert!(ended.err.contains("last heard 20") && ended.err.contains(" +09:00"), "{}", ended.err);
    assert!(!ended.err.contains("may still be at work"), "{}", ended.err);
    let ended = iotplay.run(&["run", "both.yaml"]);
    assert!(ended.err.contains("sim-1 may still be at work"), "{}", ended.err);
}
