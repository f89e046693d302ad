//! A hub with the limits of a tier: what is refused is sent again at the hub's pace, and no device pays for it. Official SDKs
//! meet the same limits, as services and as devices.

use std::time::Duration;

use stage::{HubOptions, LocalHub, Program, Sdk};

use crate::stage_set::empty;

/// Twenty queries and a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

const ECHO: &str = r#"
on_method("echo", |device, request| {
    device.report(#{ echoed: request.payload.number });
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
      payload: { number: 7, ballast: BALLAST }
  - patch_twin:
      tags: { seen: true }
  - wait_until:
      that: twin.reported.echoed == 7
      every: 1s
    timeout: 60s
";

#[test]
fn sixty_devices_on_a_unit_of_s1_lose_nothing_to_429() {
    // Each call counts for three: together they take seconds, so some are refused on the slowest machine too.
    let book = ALL_AT_ONCE.replace("BALLAST", &"x".repeat(9 * 1024));
    let set = empty().file("scripts/echo.rhai", ECHO).file("all.yaml", &book);
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
fn who_names_the_tier_is_not_refused_once_and_knows_how_long_it_takes() {
    let book = ALL_AT_ONCE.replace("BALLAST", &"x".repeat(9 * 1024));
    let set = empty().file("scripts/echo.rhai", ECHO).file("all.yaml", &book);
    // A second of shaping forgives a busy machine's late wake-ups; a client that does not keep the pace is 3.5 s ahead of it.
    let narrow = set.iotplay.with("IOTPLAY_TIER", "S1").with("IOTPLAY_SHAPE", "1s");
    let mut hub = LocalHub::start(&narrow, HubOptions::FreePorts);
    hub.program().line("throttled as S1, 1 unit");
    let mut agent = set.iotplay.start(&["agent", "--count", "60"]);
    agent.line("60 devices");
    hub.program().nth_line("  connected", 60);
    let ended = set.iotplay.run(&["run", "all.yaml", "--tier", "S1"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("pace    S1, 1 unit\n"), "{}", ended.err);
    assert!(ended.err.contains(" s at 40 direct methods/s, the hub's quota (S1, 1 unit))"), "{}", ended.err);
    assert_eq!(hub.program().count("throttled: "), 0, "{}", ended.err);
}

#[test]
fn the_end_of_the_days_messages_ends_the_run() {
    let book = "name: Chatty\nsteps:\n  - invoke_method: { name: echo, payload: { number: 1 } }\n    loop: [1, 2, 3, 4, 5, 6, 7, 8, 9]\n";
    let set = empty().file("scripts/echo.rhai", ECHO).file("chatty.yaml", book);
    let scarce = set.iotplay.with("IOTPLAY_TIER", "free").with("IOTPLAY_DAILY_MESSAGES", "20");
    let mut hub = LocalHub::start(&scarce, HubOptions::FreePorts);
    hub.program().line("throttled as free, 1 unit");
    let mut agent = set.iotplay.start(&["agent", "--count", "3"]);
    agent.line("3 devices");
    hub.program().nth_line("  connected", 3);
    let ended = set.iotplay.run(&["run", "chatty.yaml", "--tier", "free"]);
    assert_eq!(ended.code, Some(7), "{}", ended.err);
    assert!(
        ended.err.contains("the hub's messages of today are used up") && ended.err.contains("(403002 "),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("renewed at midnight UTC"), "{}", ended.err);
}

#[test]
fn a_tier_that_nobody_sells_starts_no_run() {
    let set = empty();
    for (arguments, said) in [
        (&["run", "reboot.yaml", "--tier", "S4"][..], "free, B1, B2, B3, S1, S2 or S3"),
        (&["run", "reboot.yaml", "--tier", "free", "--units", "2"][..], "a free hub has one unit"),
        (&["run", "reboot.yaml", "--units", "2"][..], "--tier S1 --units 2"),
    ] {
        let ended = set.iotplay.run(arguments);
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        assert!(ended.err.contains(said), "{}", ended.err);
    }
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

/// A program of an SDK that asks a hub with 20 queries a minute for more, until it is refused.
fn crowd(sdk: impl FnOnce(&std::path::Path) -> Option<Sdk>, file: &str, retry_after: &str) -> Option<String> {
    let set = empty();
    let sdk = sdk(set.iotplay.binary())?;
    let narrow = set.iotplay.with("IOTPLAY_TIER", "S1").with("IOTPLAY_SHAPE", "0s");
    let hub = LocalHub::for_sdks(&narrow.with("IOTPLAY_RETRY_AFTER", retry_after))?;
    let program: Program = sdk.program(file, hub.ca(), &[("SERVICE", &hub.service()), ("MOST", "100")]);
    let ended = program.end(PATIENCE);
    assert_eq!(ended.code, Some(0), "{} {}", ended.out, ended.err);
    Some(ended.out)
}

#[test]
fn the_python_sdk_knows_the_refusal() {
    let Some(said) = crowd(stage::python, "crowd.py", "0") else { return };
    assert!(said.contains("then 429 ThrottlingException\nretry-after None"), "{said}");
}

#[test]
fn the_node_sdk_knows_the_refusal() {
    let Some(said) = crowd(stage::node, "crowd.js", "1") else { return };
    assert!(said.contains("then 429 ThrottlingError\nretry-after "), "{said}");
    assert!(!said.contains("undefined"), "{said}");
}

/// A hub of the free tier, and a device of an SDK that asks too much of it; how long calls may queue there.
fn greedy(sdk: impl FnOnce(&std::path::Path) -> Option<Sdk>, file: &str, what: &str, shape: &str) -> Option<Greed> {
    let set = empty();
    let sdk = sdk(set.iotplay.binary())?;
    let free = set.iotplay.with("IOTPLAY_TIER", "F1").with("IOTPLAY_SHAPE", shape);
    let mut hub = LocalHub::for_sdks(&free)?;
    let connection = hub.device("greedy");
    let variables = [("DEVICE", connection.as_str()), ("WHAT", what), ("MOST", "300")];
    let ended = sdk.program(file, hub.ca(), &variables).end(PATIENCE);
    assert_eq!(ended.code, Some(0), "{} {}", ended.out, ended.err);
    let hub = hub.program();
    Some(Greed { said: ended.out, messages: hub.count("telemetry"), refusals: hub.count("throttled: More") })
}

/// What came of it.
struct Greed {
    said: String,
    messages: usize,
    refusals: usize,
}

impl Greed {
    /// Twin requests: 429, which the SDK shows its program, and later a yes.
    fn was_refused_its_twin(&self, patch: &str, get: &str) {
        for line in [patch, "patch taken again", get, "get taken again"] {
            assert!(self.said.lines().any(|said| said == line), "{line}: {}", self.said);
        }
        assert!(self.refusals >= 2, "{}", self.refusals);
    }

    /// Messages that queue: 300 of them at 100 a second are acknowledged late, and the connection stays.
    fn waited_for_its_messages(&self) {
        assert!(self.said.contains("acknowledged 300"), "{}", self.said);
        assert_eq!((self.messages, self.refusals), (300, 0), "each once");
    }

    /// Messages that may not queue: the connection ends, the SDK connects again, and what was not acknowledged is sent again.
    fn was_cut_off_and_lost_nothing(&self) {
        let sent = self.said.lines().find_map(|line| line.strip_prefix("acknowledged ")?.parse::<usize>().ok());
        assert!(self.said.lines().any(|line| line.eq_ignore_ascii_case("cut true")), "{}", self.said);
        assert!(self.refusals >= 1 && sent.is_some_and(|sent| self.messages >= sent), "{}", self.said);
    }
}

const FREE_TWINS: (&str, &str) = (
    "More twin updates than this hub (1 x free) takes: 50 a second.",
    "More twin reads than this hub (1 x free) takes: 100 a second.",
);

#[test]
fn a_python_device_is_told_429_for_its_twin() {
    let Some(greed) = greedy(stage::python, "greedy.py", "twins", "0s") else { return };
    let refused = |what: &str| format!("{what} refused ClientError ServiceError('twin operation returned status 429')");
    greed.was_refused_its_twin(&refused("patch"), &refused("get"));
}

#[test]
fn a_node_device_is_told_429_for_its_twin() {
    let Some(greed) = greedy(stage::node, "greedy.js", "twins", "0s") else { return };
    let refused = |what: &str, why: &str| format!("{what} refused Error {why}");
    greed.was_refused_its_twin(&refused("patch", FREE_TWINS.0), &refused("get", FREE_TWINS.1));
}

#[test]
fn a_python_device_waits_for_its_messages_acknowledgements() {
    let Some(greed) = greedy(stage::python, "greedy.py", "burst", "30s") else { return };
    greed.waited_for_its_messages();
}

#[test]
fn a_node_device_waits_for_its_messages_acknowledgements() {
    // Shorter than the 30 s after which this SDK sends again.
    let Some(greed) = greedy(stage::node, "greedy.js", "burst", "20s") else { return };
    greed.waited_for_its_messages();
}

#[test]
fn a_python_device_that_is_cut_off_loses_no_message() {
    let Some(greed) = greedy(stage::python, "greedy.py", "flood", "0s") else { return };
    greed.was_cut_off_and_lost_nothing();
}

#[test]
fn a_node_device_that_is_cut_off_loses_no_message() {
    let Some(greed) = greedy(stage::node, "greedy.js", "flood", "0s") else { return };
    greed.was_cut_off_and_lost_nothing();
}
