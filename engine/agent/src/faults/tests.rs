//! Profiles, lots, and each fault on a device with a fake line.

use std::collections::BTreeSet;
use std::time::Duration;

use base::{Seed, Source};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{FaultPlan, FaultProfile};
use crate::event::AgentEvent;
use crate::lane::Habits;
use crate::link::Inbound;
use crate::link::fake::Did;
use crate::tests::rig::{Rig, habits, on_lane};

const GO: &str =
    "on_method('go', |device, request| 1); on_method('boot', |device, request| { device.reboot(); 'up' });";

fn profile(text: &str) -> FaultProfile {
    FaultProfile::parse(&Source::new("faults.yaml", text)).unwrap_or_else(|found| panic!("{found}"))
}

fn refused(text: &str) -> String {
    FaultProfile::parse(&Source::new("faults.yaml", text)).unwrap_err().to_string()
}

fn fleet(size: usize) -> Vec<String> {
    (1..=size).map(|number| format!("sim-{number}")).collect()
}

fn deal(text: &str, seed: u64, size: usize) -> Result<FaultPlan, String> {
    let ids = fleet(size);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    profile(text).deal(Seed(seed), &ids).map_err(|found| found.to_string())
}

#[test]
fn a_fleets_faults_in_one_line() {
    let text = "
slow_boot:     { share: 5%, takes: 60s }
never_returns: { share: 0.1% }
drops_reply:   { count: 10, methods: rebootDevice }
answers_late:  { share: 2%, by: 40s, methods: [ping, go] }
answers_twice: { devices: [sim-7] }
rejects:
  - { share: 7%, status: 409, payload: { error: busy }, times: 2 }
  - { count: 1, status: 503 }
offline:
  - { share: 5% }
  - { share: 10%, for: 20s }
  - { count: 4, after: 10s, for: 5s, every: 30s, waves: 2 }
";
    let plan = deal(text, 1, 200).unwrap();
    assert_eq!(
        plan.summary(),
        "10 of 200 take 1m to restart, 1 of 200 never returns from a restart, 10 of 200 drop the reply to rebootDevice, \
         4 of 200 answer 40s late on go and ping, 1 of 200 answers twice, 14 of 200 reject with 409, 2 times, \
         1 of 200 rejects with 503, 10 of 200 are offline, 20 of 200 are offline for 20s, \
         4 of 200 are offline for 5s after 10s every 30s in 2 waves"
    );
    assert_eq!((plan.devices(), plan.absent_at_start()), (75, 30));
    assert_eq!(plan.methods(), BTreeSet::from(["go", "ping", "rebootDevice"]));
    assert_eq!(deal("", 1, 3).unwrap().summary(), "none");
}

#[test]
fn the_profile_of_the_document_can_be_dealt() {
    let document = include_str!("../../../../docs/simulation.md");
    let example =
        document.split("```yaml faults\n").nth(1).and_then(|rest| rest.split("```").next()).expect("it has one");
    let plan = deal(example, 1, 200).unwrap();
    assert_eq!(plan.devices(), 10 + 4 + 10 + 3 + 1 + 4 + 1 + 10 + 20 + 20, "{}", plan.summary());
}

#[test]
fn every_slip_is_shown_at_its_place() {
    let mut wrong = Vec::new();
    for (text, place, words) in [
        ("drops_rply: { share: 5% }", "1:1", "`drops_rply` is no fault\n"),
        ("drops_rply: { share: 5% }", "1:1", "help: did you mean `drops_reply`?"),
        ("offline: { shre: 5% }", "1:12", "`shre` is no setting of a fault"),
        ("offline: { share: 5 }", "1:19", "`5` is no share"),
        ("offline: { share: 120% }", "1:19", "from 0% to 100%"),
        ("offline: { count: -1 }", "1:19", ""),
        ("offline: { count: 1, share: 5% }", "1:10", "Exactly one of"),
        ("offline:\n  - {}", "2:5", "Exactly one of"),
        ("offline: 5", "1:1", "a list of groups"),
        ("offline:", "1:", ""),
        ("offline: { count: 1, every: 5s }", "1:29", "`every` needs `for`"),
        ("offline: { count: 1, for: 5s, every: 5s }", "1:38", "too short"),
        ("offline: { count: 1, for: 5s, every: 10s, waves: 3 }", "1:38", "3 waves of it last 15s"),
        ("offline: { count: 1, for: 5s, waves: 0 }", "1:38", "at least 1"),
        ("offline: { count: 1, for: 1e9d }", "1:27", "is not a duration"),
        ("offline: { count: 1, for: 31d }", "1:27", "longer than 30d"),
        ("offline: { count: 1, by: 5s }", "1:26", "it belongs to answers_late"),
        ("slow_boot: { share: 5% }", "1:12", "slow_boot needs `takes`"),
        ("slow_boot: { share: 5%, takes: long }", "1:32", "`long` is not a duration"),
        ("never_returns: { share: 5%, methods: go }", "1:38", "no setting of never_returns"),
        ("rejects: { count: 1 }", "1:10", "needs a `status`"),
        ("rejects: { count: 1, status: no }", "1:30", ""),
        ("rejects: { count: 1, status: 409, times: 0 }", "1:42", "at least 1"),
        ("rejects: { count: 1, status: 409, methods: [] }", "1:44", "no method"),
        ("offline: { count: 1 }\noffline: { count: 2 }", "2:1", "duplicate"),
        ("[1, 2]", "1:1", ""),
        ("offline: { count: 1", "1:", ""),
    ] {
        let found = refused(text);
        if !found.contains(&format!("faults.yaml:{place}")) || !found.contains(words) {
            wrong.push(format!("{text}\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let both = refused("offline: { share: 5 }\nslow_boot: { share: 5% }");
    assert!(both.contains("faults.yaml:1:19") && both.contains("faults.yaml:2:12"), "all at once: {both}");
}

#[test]
fn a_fleet_that_does_not_fit_is_refused() {
    for (text, words) in [
        ("offline: { count: 11 }", "wants 11 of 10 devices"),
        ("offline: { share: 60% }\ndrops_reply: { share: 60% }", "and 4 are left without a fault"),
        ("offline: { devices: [sim-11] }", "`sim-11` is no device of this fleet"),
        ("offline: { devices: [sm-1] }", "did you mean `sim-1`?"),
        ("offline: { devices: [sim-1, sim-1] }", "named twice"),
        ("offline: { devices: sim-1 }\nrejects: { devices: [sim-1], status: 1 }", "named twice"),
    ] {
        let found = deal(text, 1, 10).unwrap_err();
        assert!(found.contains(words) && found.contains("faults.yaml:"), "{text}\n{found}");
    }
}

proptest! {
    // Each case deals a fleet several times.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn lots_are_exact_and_the_same_every_time(seed: u64, size in 20..300_usize, percent in 1..20_usize) {
        let text = format!("drops_reply: {{ share: {percent}% }}\noffline: {{ count: 3 }}\nrejects: {{ devices: [sim-2], status: 4 }}");
        let ids = fleet(size);
        let plan = deal(&text, seed, size).unwrap();
        prop_assert_eq!(&plan, &deal(&text, seed, size).unwrap());
        let share = (size * percent).div_ceil(100);
        prop_assert_eq!(plan.devices(), share + 3 + 1);
        prop_assert!(ids.iter().filter(|id| plan.of(id).is_some()).count() == share + 4, "only devices of the fleet");
        // Neither the order of the ids nor what else is in the profile moves a fault.
        let backwards: Vec<&str> = ids.iter().rev().map(String::as_str).collect();
        prop_assert_eq!(&plan, &profile(&text).deal(Seed(seed), &backwards).unwrap());
        let more = deal(&format!("{text}\nanswers_twice: {{ share: 0% }}"), seed, size).unwrap();
        prop_assert!(ids.iter().all(|id| plan.of(id) == more.of(id)));
    }
}

#[test]
fn another_seed_means_other_devices() {
    let chosen = |seed| {
        let plan = deal("offline: { share: 10% }", seed, 200).unwrap();
        fleet(200).into_iter().filter(|id| plan.of(id).is_some()).collect::<BTreeSet<_>>()
    };
    assert!(chosen(1).intersection(&chosen(2)).count() < 12, "20 of 200 twice have 2 in common, mostly");
    let tens = chosen(1).iter().filter(|id| id.starts_with("sim-1")).count();
    assert!((6..17).contains(&tens), "111 of 200 ids begin so, and {tens} of the 20");
}

/// The one device of a rig with this fault.
fn with_fault(text: &str) -> Habits {
    let plan = profile(text).deal(Seed(1), &["sim-1"]).unwrap_or_else(|found| panic!("{found}"));
    Habits { faults: plan, ..habits() }
}

async fn faulty(text: &str) -> Rig {
    let mut rig = Rig::with(GO, with_fault(text));
    rig.connect(1, json!({})).await;
    rig
}

fn shown(rig: &Rig) -> Vec<String> {
    rig.heard(|event| match event {
        AgentEvent::FaultShown { what, .. } => Some(what.clone()),
        _ => None,
    })
}

#[tokio::test(start_paused = true)]
async fn replies_are_dropped_late_or_twice() {
    on_lane(async {
        let mut rig = faulty("drops_reply: { count: 1, methods: go, times: 1 }").await;
        rig.call("go", "");
        rig.silent().await;
        assert_eq!(rig.ask("go", "").await.0, 200, "the second one is answered");
        assert_eq!(shown(&rig), ["the reply to go is dropped"]);
        let counters = rig.lane.counters.snapshot(false);
        assert_eq!((counters.faults, counters.replies, counters.replies_dropped), (1, 1, 1));

        let mut rig = faulty("answers_late: { count: 1, by: 40s }").await;
        let (before, asked) = (tokio::time::Instant::now(), rig.call("go", ""));
        rig.silent().await;
        assert!(rig.device().unanswered(), "a renewal waits for it");
        assert_eq!(rig.reply().await.0, asked);
        assert_eq!(before.elapsed(), Duration::from_secs(40));
        rig.settle().await;
        assert!(!rig.device().unanswered());

        let mut rig = faulty("answers_twice: { count: 1 }").await;
        let asked = rig.call("go", "");
        assert_eq!((rig.reply().await.0, rig.reply().await.0), (asked.clone(), asked));
        rig.silent().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn calls_are_rejected_without_a_handler() {
    on_lane(async {
        let mut rig =
            faulty("rejects: { count: 1, status: 409, payload: { why: busy }, methods: [go], times: 2 }").await;
        for _ in 0..2 {
            assert_eq!(rig.ask("go", "").await, (409, json!({ "why": "busy" })));
        }
        assert_eq!(rig.ask("go", "").await, (200, json!(1)));
        assert_eq!(rig.outcomes().len(), 1, "one handler ran");
        let mut rig = faulty("rejects: { count: 1, status: 503 }").await;
        assert_eq!(rig.ask("unknown", "").await, (503, Value::Null));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_takes_its_time_or_has_no_end() {
    on_lane(async {
        let mut rig = faulty("slow_boot: { count: 1, takes: 90s }").await;
        let before = tokio::time::Instant::now();
        assert_eq!(rig.ask("boot", "").await.0, 200);
        assert_eq!(before.elapsed(), Duration::from_secs(90));

        let mut rig = faulty("never_returns: { count: 1 }").await;
        assert_eq!(rig.ask("boot", "").await.0, 200, "it answers before it goes");
        let Did::Reconnect(why, pause) = rig.did().await else { panic!("it goes") };
        assert!(why == "gone after a restart" && pause > Duration::from_secs(1_000_000), "{why} {pause:?}");
        rig.silent().await;
        assert_eq!(shown(&rig), ["gone after a restart for good"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn absences_come_when_they_are_due_and_a_script_cannot_end_them() {
    on_lane(async {
        let script = "on_method('go', |device, request| 1); on_start(|device| { device.every('x', 60, |device| device.reconnect()); });";
        let mut rig = Rig::with(script, with_fault("offline: { count: 1, for: 100s }"));
        assert_eq!(rig.did().await, Did::Reconnect("offline".into(), Duration::from_secs(100)));
        let Did::Reconnect(_, left) = rig.did().await else { panic!("the script wishes for its connection") };
        assert!(left > Duration::from_secs(39) && left <= Duration::from_secs(40), "{left:?}");

        let mut rig = faulty("offline: { count: 1, after: 10s, for: 5s, every: 30s }").await;
        let before = tokio::time::Instant::now();
        for due in [10, 40] {
            assert_eq!(rig.did().await, Did::Reconnect("offline".into(), Duration::from_secs(5)));
            assert_eq!(before.elapsed().as_secs(), due);
            rig.say(Inbound::Down(crate::link::Down::Lost("offline".into())));
            rig.settle().await;
        }
        assert_eq!(shown(&rig), ["offline for 5s", "offline for 5s"]);
    })
    .await;
}
