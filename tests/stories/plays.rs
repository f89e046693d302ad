//! Plays that wait: for their hour, for another run, for a person.

use crate::stage_set::empty;

const GROUP: &str = "concurrency: { group: line-b }\nsteps:\n  - sleep: 60\n";

#[test]
fn a_second_run_of_a_group_ends_with_8_and_names_the_first() {
    let set = empty().file("group.yaml", GROUP);
    let mut first = set.iotplay.start(&["run", "group.yaml"]);
    first.line("play ");
    let second = set.iotplay.run(&["run", "group.yaml"]);
    assert_eq!(second.code, Some(8), "{}", second.err);
    assert!(
        second.err.contains("(group.yaml, process ") && second.err.contains("holds the group `line-b`"),
        "{}",
        second.err
    );
    // However the first one ends, the group is free.
    assert_eq!(first.signal("KILL").code, None);
    let quick = set.file("quick.yaml", &GROUP.replace("60", "0"));
    let third = quick.iotplay.run(&["run", "quick.yaml"]);
    assert_eq!(third.code, Some(0), "{}", third.err);
}

#[test]
fn outside_of_its_window_a_play_says_when_it_goes_on() {
    let hour = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 3600 % 24;
    let (from, to) = ((hour + 2) % 24, (hour + 4) % 24);
    let text = format!("window: {{ from: {from:02}:00, to: {to:02}:00, tz: UTC }}\nsteps:\n  - invoke_method: ping\n");
    let set = empty().file("night.yaml", &text);
    let mut run = set.iotplay.start(&["run", "night.yaml"]);
    run.line("window  shut: 1 device waits; goes on at ");
    let ended = run.signal("INT");
    assert_eq!(ended.code, Some(130), "{}", ended.err);
    assert!(ended.err.contains(&format!("{from:02}:00 UTC (in ")), "{}", ended.err);
    assert!(!ended.err.contains("invoke_method"), "nothing was sent: {}", ended.err);
}

#[test]
fn an_approval_without_a_terminal_ends_with_6_and_says_how_to_go_on() {
    let set = empty()
        .file("ask.yaml", "steps:\n  - approve: Reboot ${{ run.size }} devices?\n  - invoke_method: rebootDevice\n");
    let ended = set.iotplay.run(&["run", "ask.yaml", "--sim", "3", "--yes"]);
    assert_eq!(ended.code, Some(6), "{}", ended.err);
    assert!(ended.err.contains("waiting: Reboot 3 devices? There is no terminal to ask on"), "{}", ended.err);
    assert!(
        ended.err.contains("help: to go on: iotplay resume 2") && ended.err.contains(" --approve"),
        "{}",
        ended.err
    );
    assert!(!ended.err.contains("invoke_method"), "nothing was sent: {}", ended.err);
}

#[test]
fn check_knows_the_calls_of_every_kind_of_script() {
    let set = empty()
        .file("fix.rhai", "let d = devices();\ninvoke_metod(\"a\", \"m\");\nget_twin(\"a\", #{ retires: 3 });\n")
        .file("handler.rhai", "on_method(\"m\", |device, request| { reprot(1); device.reprot(#{}) });\n")
        .file("play.yaml", "steps:\n  - script: other.rhai\n  - include: more.yaml\n  - reboot: { deadlin: 5m }\n")
        .file("other.rhai", "invoke_method(device, \"m\", (), #{ response_timeout: \"1s\" });\n")
        .file("more.yaml", "- lgo: x\n");
    let cases: [(&str, &[&str]); 3] = [
        ("fix.rhai", &["fix.rhai:2:1", "did you mean `invoke_method`?", "fix.rhai:3:18", "did you mean `retries`?"]),
        ("handler.rhai", &["unknown function `reprot`", "handler.rhai:1:", "did you mean `report`?"]),
        (
            "play.yaml",
            &[
                "other.rhai:1:",
                "`response_timeout` is 5s to 300s",
                "more.yaml:1:3",
                "play.yaml:4:",
                "did you mean `deadline`?",
            ],
        ),
    ];
    for (file, words) in cases {
        let checked = set.iotplay.run(&["check", file]);
        assert_eq!(checked.code, Some(3), "{}", checked.err);
        for word in words {
            assert!(checked.err.contains(word), "{file}: no {word:?} in\n{}", checked.err);
        }
    }
}
