//! `iotplay test`: handlers against cases, without a hub and without waiting.

use std::path::Path;
use std::time::{Duration, Instant};

use stage::Iotplay;

use crate::stage_set::empty;

const COUNTER: &str = "on_method(\"count\", |device, request| {\n    device.state.n = (device.state.n ?? 0) + 1;\n    device.report(#{ n: device.state.n });\n    device.state.n\n});\n";

const CASES: &str = "cases:\n  - name: counts\n    method: count\n    expect: { payload: 1, reported: { n: 1 } }\n";

#[test]
fn the_shipped_handlers_pass_their_cases() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there");
    let ended = Iotplay::new(env!("CARGO_BIN_EXE_iotplay"), &root).run(&["test"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for script in ["config", "ping", "reboot", "telemetry"] {
        assert!(ended.err.contains(&format!("ok      scripts/{script}.test.yaml:")), "{script}: {}", ended.err);
    }
}

#[test]
fn a_case_fails_with_its_place_and_passes_when_the_handler_is_mended() {
    let set =
        empty().file("scripts/counter.rhai", &COUNTER.replace("+ 1", "+ 2")).file("scripts/counter.test.yaml", CASES);
    let failed = set.iotplay.run(&["test"]);
    assert_eq!(failed.code, Some(4), "{}", failed.err);
    for part in [
        "FAILED  scripts/counter.test.yaml:2:11  counts",
        "error: payload is 2, expected 1\n --> scripts/counter.test.yaml:4:24",
        "error: reported.n is 2, expected 1\n --> scripts/counter.test.yaml:4:42",
        "cases   0 passed, 1 failed",
    ] {
        assert!(failed.err.contains(part), "{part}: {}", failed.err);
    }
    std::fs::write(set.path().join("scripts/counter.rhai"), COUNTER).unwrap();
    let passed = set.iotplay.run(&["test", "scripts/counter.rhai"]);
    assert_eq!(passed.code, Some(0), "{}", passed.err);
    assert!(passed.err.contains("cases   1 passed, 0 failed"), "{}", passed.err);
}

#[test]
fn a_program_reads_the_outcome() {
    let set = empty().file("scripts/counter.rhai", COUNTER).file(
        "scripts/counter.test.yaml",
        &format!("{CASES}  - name: counts too far\n    method: count\n    expect: {{ payload: 7 }}\n"),
    );
    let lines = set.iotplay.run(&["test", "--output", "ndjson", "--report", "junit=out/cases.xml"]);
    assert_eq!(lines.code, Some(4), "{}", lines.err);
    let objects: Vec<serde_json::Value> = lines.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 3, "{}", lines.out);
    assert_eq!((&objects[0]["outcome"], &objects[1]["outcome"]), (&"passed".into(), &"failed".into()));
    assert_eq!(objects[1]["findings"][0]["at"], "scripts/counter.test.yaml:7:24");
    assert_eq!((&objects[2]["passed"], &objects[2]["failed"]), (&1.into(), &1.into()));
    let report = std::fs::read_to_string(set.path().join("out/cases.xml")).unwrap();
    assert!(report.contains("tests=\"2\" failures=\"1\"") && report.contains("payload is 1, expected 7"), "{report}");
    let one = set.iotplay.run(&["test", "--output", "json", "-k", "too far"]);
    let document: serde_json::Value = serde_json::from_str(&one.out).unwrap();
    assert_eq!((document["cases"].as_array().unwrap().len(), &document["failed"]), (1, &1.into()), "{}", one.out);
}

#[test]
fn a_sleeping_handler_costs_no_time() {
    let slow = "on_method(\"slow\", |device, request| { sleep(3600); reply(200, now()); });";
    let cases = "given: { now: 2026-11-23T13:00:00Z }\ncases:\n  - name: late\n    method: slow\n    expect:\n      status: 504\n  - name: early enough\n    method: quick\n    expect: { payload: \"2026-11-23T13:04:00.000Z\" }\n";
    let quick = "on_method(\"quick\", |device, request| { sleep(240); now() });";
    let set =
        empty().file("scripts/slow.rhai", slow).file("scripts/quick.rhai", quick).file("scripts/slow.test.yaml", cases);
    let began = Instant::now();
    let ended = set.iotplay.run(&["test", "-k", "early"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(began.elapsed() < Duration::from_secs(60), "four minutes pass in no time");
    let late = set.iotplay.run(&["test", "-k", "late"]);
    // Answered in the handler's stead after five minutes; ended after thirty.
    assert!(late.code == Some(4) && late.err.contains("slow failed after its answer"), "{}", late.err);
}

#[test]
fn what_cannot_be_played_is_said() {
    let set = empty().file("scripts/counter.rhai", COUNTER);
    let none = set.iotplay.run(&["test"]);
    assert!(none.code == Some(2) && none.err.contains("no file *.test.yaml in scripts"), "{}", none.err);
    for (cases, words) in [
        ("cases: []\n", "at least one case"),
        ("cases:\n  - name: a\n    mehtod: count\n", "did you mean `method`?"),
        ("cases:\n  - name: a\n    method: count\n    desired: {}\n", "method and desired are two things"),
        ("cases:\n  - name: a\n    method: count\n    expect: { that: \"payload ==\" }\n", "scripts/c.test.yaml:4:21"),
        ("cases:\n  - name: a\n    desired: { x: 1 }\n    expect: { status: 200 }\n", "only a method is answered"),
        ("cases: [\n", "scripts/c.test.yaml:"),
        ("scripts: nowhere\ncases:\n  - name: a\n    method: count\n", "no handlers at scripts/nowhere"),
    ] {
        std::fs::write(set.path().join("scripts/c.test.yaml"), cases).unwrap();
        let ended = set.iotplay.run(&["test"]);
        assert!(ended.code == Some(2) && ended.err.contains(words), "{words}: {:?} {}", ended.code, ended.err);
    }
    std::fs::write(set.path().join("scripts/c.test.yaml"), CASES).unwrap();
    let filtered = set.iotplay.run(&["test", "-k", "cuonts"]);
    assert!(filtered.code == Some(2) && filtered.err.contains("did you mean `counts`?"), "{}", filtered.err);
    std::fs::write(set.path().join("scripts/counter.rhai"), "on_method(").unwrap();
    let broken = set.iotplay.run(&["test"]);
    assert!(broken.code == Some(3) && broken.err.contains("scripts/counter.rhai:1:"), "{}", broken.err);
}

#[test]
fn errors_nobody_expected_fail_a_case_with_their_place_in_the_script() {
    let cases = "cases:\n  - name: unforeseen\n    method: throws\n  - name: foreseen\n    method: throws\n    expect: { status: 500, error: no luck }\n  - name: unknown\n    method: thros\n    expect: { status: 404, that: \"payload.error.contains(\\\"throws\\\")\" }\n";
    let set = empty()
        .file("scripts/t.rhai", "on_method(\"throws\", |device, request| {\n    throw \"no luck\";\n});\n")
        .file("scripts/t.test.yaml", cases);
    let ended = set.iotplay.run(&["test"]);
    assert_eq!(ended.code, Some(4), "{}", ended.err);
    assert!(ended.err.contains("cases   2 passed, 1 failed"), "{}", ended.err);
    assert!(ended.err.contains("--> scripts/t.rhai:2:5"), "{}", ended.err);
}

#[test]
fn cases_are_played_again_when_something_is_saved() {
    let set = empty().file("scripts/counter.rhai", COUNTER).file("scripts/counter.test.yaml", CASES);
    let mut test = set.iotplay.start(&["test", "--watch"]);
    test.line("cases   1 passed, 0 failed");
    test.nth_line("watching", 1);
    std::fs::write(set.path().join("scripts/counter.rhai"), COUNTER.replace("+ 1", "+ 2")).unwrap();
    test.line("cases   0 passed, 1 failed");
    test.nth_line("watching", 2);
    std::fs::write(set.path().join("scripts/counter.test.yaml"), CASES.replace("1", "2")).unwrap();
    test.nth_line("cases   1 passed, 0 failed", 2);
    let ended = test.signal("INT");
    assert_eq!(ended.code, Some(130), "{}", ended.err);
}
