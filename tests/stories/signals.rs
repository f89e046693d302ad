//! Ctrl-C and `kill`: a run ends with 130 or 143 and says so; hub and agent end well.

use stage::{HubOptions, LocalHub};

use crate::stage_set::empty;

#[test]
fn an_interrupted_run_says_so() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let set = empty();
        let mut run = set.iotplay.start(&["run", "reboot.yaml", "--sim-reboot", "60s"]);
        run.line("Rebooting device");
        let ended = run.signal(signal);
        assert_eq!(ended.code, Some(code), "{}", ended.err);
        assert_eq!(ended.out, "", "nothing is claimed: {}", ended.out);
    }
}

#[test]
fn a_hub_that_is_asked_to_stop_stops_well() {
    for signal in ["INT", "TERM"] {
        let set = empty();
        let hub = LocalHub::start(&set.iotplay, HubOptions::FreePorts);
        let mut agent = set.iotplay.start(&["agent"]);
        agent.line("connected");
        let ended = hub.stop(signal);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(stage_found(&set).is_none(), "nobody finds a hub that is gone");
    }
}

fn stage_found(set: &crate::stage_set::Set) -> Option<String> {
    let env = set.iotplay.run(&["hub", "env"]);
    (env.code == Some(0)).then_some(env.out)
}
