//! Runner scripts and variables: `run fix.rhai`, `-e`, and devices chosen by hand or by condition.

use crate::stage_set::empty;

const FIX: &str = r#"
let before = get_twin("sim-1");
let reply = invoke_method("sim-1", "rebootDevice", #{ method_number: "42" }, #{ response_timeout: "60s" });
wait_until("sim-1", |twin| twin.reported.rebootTime != before.reported.rebootTime, #{ timeout: "1m" });
print(`answered ${reply.status}`);
for result in parallel(devices(), |d| get_twin(d.id).reported.rebootTime) { print(`${result.device} ${result.ok}`); }
"#;

#[test]
fn a_runner_script_has_the_verbs_as_functions() {
    let set = empty().file("fix.rhai", FIX);
    let ended = set.iotplay.run(&["run", "fix.rhai", "--sim-reboot", "300ms", "--sim", "3"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.out, "answered 200\nsim-1 true\nsim-2 true\nsim-3 true");
}

#[test]
fn what_a_runner_script_throws_has_its_place_and_its_code() {
    let set = empty().file("fix.rhai", "let a = 1;\ninvoke_method(\"sim-1\", \"nothing\");\n");
    let ended = set.iotplay.run(&["run", "fix.rhai"]);
    assert_eq!(ended.code, Some(4), "{}", ended.err);
    assert!(ended.err.contains("fix.rhai:2:") && ended.err.contains("404"), "{}", ended.err);
}

#[test]
fn variables_take_the_type_of_their_default() {
    let play = "name: V\nvars: { times: 1, word: hello }\nsteps:\n  - log: \"${{ word }} ${{ times + 1 }}\"\n";
    let set = empty().file("v.yaml", play).file("vars.yaml", "word: from a file\n");
    let run = |extra: &[&str]| set.iotplay.run(&[&["run", "v.yaml"], extra].concat());
    assert_eq!(run(&[]).out, "hello 2");
    assert_eq!(run(&["-e", "times=41"]).out, "hello 42");
    assert_eq!(run(&["-e", "{\"word\": \"bye\"}"]).out, "bye 2");
    assert_eq!(run(&["-e", "@vars.yaml", "-e", "times=2"]).out, "from a file 3");
    let unknown = run(&["-e", "tims=2"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.err);
    assert!(unknown.err.contains("did you mean `times`?"), "{}", unknown.err);
}

#[test]
fn devices_are_chosen_by_name_pattern_or_condition() {
    let set = empty().file("who.yaml", "name: W\nsteps:\n  - log: \"${{ device.id }}\"\n");
    let run = |extra: &[&str]| set.iotplay.run(&[&["run", "who.yaml", "--sim", "4"], extra].concat());
    let sorted = |out: &str| {
        let mut lines: Vec<&str> = out.lines().collect();
        lines.sort_unstable();
        lines.join(" ")
    };
    assert_eq!(sorted(&run(&["-l", "sim-2,sim-4"]).out), "sim-2 sim-4");
    assert_eq!(sorted(&run(&["-l", "sim-[1-3]"]).out), "sim-1 sim-2 sim-3");
    assert_eq!(sorted(&run(&["-q", "deviceId = 'sim-3'"]).out), "sim-3");
    let none = run(&["-q", "tags.line = 'B'"]);
    assert_eq!(none.code, Some(2), "{}", none.err);
}
