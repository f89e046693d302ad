//! A hub with the limits of a tier: what is refused is sent again at the hub's pace, and no device pays for it.

use stage::{HubOptions, LocalHub};

use crate::stage_set::empty;

const ECHO: &str = r#"
on_method("echo", |device, request| {
    device.report(#{ echoed: request.payload });
    reply(200, #{ device: device.id });
});
"#;

const ALL_AT_ONCE: &str = "
name: All at once
forks: 60
steps:
  - get_twin:
    register: before
  - invoke_method:
      name: echo
      payload: 7
  - patch_twin:
      tags: { seen: true }
  - wait_until:
      that: twin.reported.echoed == 7
      every: 1s
    timeout: 60s
";

#[test]
fn sixty_devices_on_a_unit_of_s1_lose_nothing_to_429() {
    let set = empty().file("scripts/echo.rhai", ECHO).file("all.yaml", ALL_AT_ONCE);
    // No queue: everything that comes too fast is refused.
    let narrow = set.iotplay.with("IOTPLAY_TIER", "S1").with("IOTPLAY_SHAPE", "0s");
    let mut hub = LocalHub::start(&narrow, HubOptions::FreePorts);
    hub.program().line("throttled as S1, 1 unit");
    let mut agent = set.iotplay.start(&["agent", "--count", "60"]);
    agent.line("60 devices");
    hub.program().nth_line("  connected", 60);
    let ended = set.iotplay.run(&["run", "all.yaml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("ok 60   failed 0   unreachable 0"), "{}", ended.err);
    assert!(hub.program().count("throttled: More direct methods than this hub") > 0, "it was refused, and sent again");
}

#[test]
fn a_hub_that_nobody_sells_does_not_start() {
    let set = empty();
    for (arguments, said) in [
        (&["hub", "--tier", "S4"][..], "free, B1, B2, B3, S1, S2 or S3"),
        (&["hub", "--tier", "free", "--units", "2"][..], "a free hub has one unit"),
        (&["hub", "--latency", "80ms..20ms"][..], "20ms..80ms"),
    ] {
        let ended = set.iotplay.run(arguments);
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        assert!(ended.err.contains(said), "{}", ended.err);
    }
}
