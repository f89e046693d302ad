//! The first ten minutes of somebody who has the binary and nothing else.

use std::time::Duration;

use crate::stage_set::empty;
use stage::{HubOptions, LocalHub};

#[test]
fn the_binary_alone_in_an_empty_folder_does_the_main_job() {
    let set = empty();
    let ended = set.iotplay.run(&["run", "reboot.yaml", "--sim-reboot", "1s"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.starts_with("Last reboot time: "), "{}", ended.out);
    assert!(ended.err.contains("built-in"), "the built-in files are named: {}", ended.err);
    let left: Vec<_> = std::fs::read_dir(set.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".iotplay"], "nothing but what the run did is left behind");
    let kept: Vec<_> =
        std::fs::read_dir(set.path().join(".iotplay")).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(kept, ["runs"]);
    assert!(ended.err.contains("(iotplay show: what happened, call by call)"), "{}", ended.err);
    let shown = set.iotplay.run(&["show"]);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    assert!(shown.out.contains("sim-1  ok") && shown.out.contains("Ask the device to reboot"), "{}", shown.out);
}

#[test]
fn init_makes_a_folder_that_is_ready_to_run() {
    let set = empty();
    let made = set.iotplay.run(&["init", "press"]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    let inside = stage::Iotplay::new(env!("CARGO_BIN_EXE_iotplay"), &set.path().join("press"));
    let checked = inside.run(&["check", "playbooks/reboot.yaml", "scripts/reboot.rhai"]);
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    let ended = inside.run(&["run", "reboot.yaml", "--sim-reboot", "1s"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("playbooks/reboot.yaml") && ended.err.contains("scripts/reboot.rhai"), "{}", ended.err);

    let again = set.iotplay.run(&["init", "press"]);
    assert_eq!(again.code, Some(2), "what is there is never overwritten");
}

#[test]
fn hub_agent_and_run_in_three_terminals_find_each_other() {
    let set = empty();
    let mut hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
    let mut agent = set.iotplay.start(&["agent", "--sim-reboot", "1s"]);
    agent.line("connected");
    let ended = set.iotplay.run(&["run", "reboot.yaml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.lines().next().unwrap().contains("running for this folder"), "{}", ended.err);
    assert!(ended.out.starts_with("Last reboot time: "), "{}", ended.out);
    agent.line("Rebooting device");
    hub.program().line("sim-1");
    let stopped = agent.signal("INT");
    assert_eq!(stopped.code, Some(0), "{}", stopped.err);
}

#[test]
fn an_agent_without_anything_says_how_to_start_one() {
    let set = empty();
    let ended = set.iotplay.start(&["agent"]).end(Duration::from_secs(20));
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(
        ended.err.contains("iotplay hub") && ended.err.contains("IOTHUB_DEVICE_CONNECTION_STRING"),
        "{}",
        ended.err
    );
}

#[test]
fn help_names_every_command_and_wrong_words_are_refused() {
    let set = empty();
    let help = set.iotplay.run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for command in
        ["run", "check", "invoke", "twin", "devices", "agent", "hub", "init", "plugins", "schema", "completions"]
    {
        assert!(help.out.contains(command), "{command}");
        assert_eq!(set.iotplay.run(&[command, "--help"]).code, Some(0), "{command}");
    }
    let wrong = set.iotplay.run(&["rum", "reboot.yaml"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.err);
    assert!(set.iotplay.run(&["--version"]).out.starts_with("iotplay "));
    for shell in ["bash", "zsh", "fish"] {
        assert!(set.iotplay.run(&["completions", shell]).out.contains("sim-reboot"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let set = empty();
    for command in ["schema", "completions bash", "plugins list", "--help"] {
        let mut pipe = std::process::Command::new("sh");
        pipe.arg("-c").arg(format!("\"$0\" {command} | head -c 1")).arg(set.iotplay.binary());
        let ended = stage::Program::start(command, &mut pipe).end(Duration::from_secs(20));
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{command}");
    }
}
