//! Profiles by table and by property; who is hit, how often, and when.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Seed, Source};
use proptest::prelude::*;
use tokio::time::advance;
use wire::{DeviceId, Identity};

use super::{Deed, FaultProfile, Faults, Operation, Point, Registered};
use crate::seam::{HubEvent, HubLog};

fn profile(text: &str) -> FaultProfile {
    FaultProfile::parse(&Source::new("faults.yaml", text)).unwrap_or_else(|found| panic!("{found}"))
}

fn refused(text: &str) -> String {
    FaultProfile::parse(&Source::new("faults.yaml", text)).unwrap_err().to_string()
}

/// Devices `sim-1` to `sim-N`.
pub(super) struct Fleet(pub(super) usize);

impl Registered for Fleet {
    fn total(&self) -> usize {
        self.0
    }

    fn ids(&self) -> Vec<DeviceId> {
        (1..=self.0).map(|number| format!("sim-{number}").parse().unwrap()).collect()
    }
}

fn faults(text: &str, seed: u64) -> Faults {
    let faults = Faults::new(Arc::new(Fleet(200)), HubLog::none(), Seed(seed), true);
    faults.place(&profile(text)).unwrap();
    faults
}

fn sim(number: usize) -> Identity {
    format!("sim-{number}").parse().unwrap()
}

/// Which of 200 devices lose the acknowledgement of a message now.
fn hit(faults: &Faults) -> Vec<usize> {
    (1..=200).filter(|number| faults.meet(Point::Telemetry, Some(&sim(*number))).deed.is_some()).collect()
}

#[test]
fn the_profile_of_the_document_says_what_it_does() {
    let document = include_str!("../../../../docs/faults.md");
    let example =
        document.split("```yaml hub-faults\n").nth(1).and_then(|rest| rest.split("```").next()).expect("it has one");
    let told = profile(example).told();
    assert_eq!(
        told,
        [
            "rest and telemetry is 20ms..80ms late",
            "the connection of 5% of the devices ends with a reset, after 10s, for 30s",
            "telemetry of line-* falls silent, once each",
            "telemetry ends with a close, 1% of the time",
            "telemetry of 5% of the devices is answered, and the answer gets lost",
            "c2d is sent twice",
            "connect is refused with code 3, for 10s",
            "rest is refused with 429, 2 times each",
            "the connection of sim-7 goes at 1000 bytes a second",
        ]
        .map(str::to_owned),
        "{told:#?}"
    );
}

#[test]
fn every_slip_is_shown_at_its_place() {
    let mut wrong = Vec::new();
    for (text, place, words) in [
        ("drop_reply: { on: twin }", "1:1", "did you mean `drops_reply`?"),
        ("cuts: { hw: reset }", "1:9", "did you mean `how`?"),
        ("cuts: { how: rest }", "1:14", "reset, close or silence"),
        ("cuts: { on: twins }", "1:13", "did you mean `twin`?"),
        ("cuts: { on: [] }", "1:13", "no operation"),
        ("duplicates: { on: c2d }", "1:19", "no setting of duplicates"),
        ("stalls: { takes: 5s, on: rest }", "1:26", "stalls cannot be on `rest`"),
        ("stalls: {}", "1:9", "needs `takes`"),
        ("drops_reply: {}", "1:14", "needs `on`: one or more of telemetry, methods"),
        ("rejects: { on: rest }", "1:10", "needs a `status`"),
        ("rejects: { on: rest, status: 200 }", "1:30", "from 400 to 599"),
        ("rejects: { on: connect, status: 503 }", "1:33", "with a code of CONNACK"),
        ("rejects: { on: connect, code: 6 }", "1:31", "from 1 to 5"),
        ("rejects: { on: rest, status: 503, code: 3 }", "1:41", "`on: connect` only"),
        ("rejects: { on: c2d, status: 503 }", "1:16", "rejects cannot be on `c2d`"),
        ("answers_late: { on: rest }", "1:15", "needs `by`"),
        ("answers_late: { on: rest, by: 80ms..20ms }", "1:31", "20ms..80ms"),
        ("clock_skew: { by: long }", "1:19", "is not a duration"),
        ("clock_skew: { by: -40d }", "1:19", "more than 30d"),
        ("slow: {}", "1:7", "needs a `rate`"),
        ("slow: { rate: 1 }", "1:15", "from 16"),
        ("slow: { rate: 1000, times: 2 }", "1:28", "no setting of slow"),
        ("slices: { share: 5 }", "1:18", "`5` is no share"),
        ("slices: { share: 5%, count: 1 }", "1:9", "At most one of"),
        ("slices: { devices: [] }", "1:20", "no device"),
        ("duplicates: { chance: lots }", "1:23", "`lots` is no chance"),
        ("duplicates: { times: 0 }", "1:22", "at least 1"),
        ("duplicates: { for: 0s }", "1:20", "never shows"),
        ("duplicates: { after: 31d }", "1:22", "longer than 30d"),
        ("cuts: {}\ncuts: {}", "2:1", "duplicate"),
        ("cuts:", "1:", ""),
        ("[1]", "1:1", ""),
        ("cuts: { how: reset", "1:", ""),
    ] {
        let found = refused(text);
        if !found.contains(&format!("faults.yaml:{place}")) || !found.contains(words) {
            wrong.push(format!("{text}\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let both = refused("slow: {}\nstalls: {}");
    assert!(both.contains("faults.yaml:1:7") && both.contains("faults.yaml:2:9"), "all at once: {both}");
}

proptest! {
    #[test]
    fn the_parser_takes_any_text(text in ".{0,200}") {
        let _ = FaultProfile::parse(&Source::new("f", text));
    }

    #[test]
    fn whatever_the_form_allows_is_read_or_placed(
        kind in "answers_late|clock_skew|cuts|drops_reply|duplicates|early_expiry|rejects|slices|slow|stalls",
        settings in proptest::collection::btree_map(
            "share|count|devices|on|chance|times|after|for|by|how|status|code|retry_after|takes|rate",
            "5%|3|x-\\*|rest|twin|connect|10s|-5m|reset|silence|503|\\[rest, twin\\]", 0..6),
    ) {
        let settings: Vec<String> = settings.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        let text = format!("{kind}: {{ {} }}", settings.join(", "));
        match FaultProfile::parse(&Source::new("f", text.clone())) {
            Ok(read) => prop_assert_eq!(read.told().len(), 1),
            Err(found) => prop_assert!(found.to_string().contains("f:1:"), "{}\n{}", text, found),
        }
    }

    #[test]
    fn the_same_seed_hits_the_same_devices(seed: u64, percent in 1..40_usize) {
        let text = format!("drops_reply: {{ on: telemetry, share: {percent}% }}");
        let first = hit(&faults(&text, seed));
        prop_assert_eq!(first.len(), percent * 2);
        prop_assert_eq!(first, hit(&faults(&text, seed)));
    }
}

#[tokio::test(start_paused = true)]
async fn faults_come_and_go_with_time() {
    let faults = faults("drops_reply: { on: telemetry, devices: sim-1, after: 10s, for: 20s }", 1);
    for (second, hits) in [(0, 0), (9, 0), (10, 1), (29, 1), (30, 0)] {
        assert_eq!(hit(&faults).len(), hits, "{second}");
        advance(Duration::from_secs(match second {
            0 => 9,
            9 | 29 => 1,
            _ => 19,
        }))
        .await;
    }
}

#[test]
fn times_are_each_devices_own_and_chances_are_the_seeds() {
    let twice = faults("drops_reply: { on: telemetry, share: 50%, times: 2 }", 1);
    assert_eq!((hit(&twice).len(), hit(&twice).len(), hit(&twice).len()), (100, 100, 0));
    let text = "drops_reply: { on: telemetry, chance: 20% }";
    let (first, same, other) = (hit(&faults(text, 1)), hit(&faults(text, 1)), hit(&faults(text, 2)));
    assert!(first == same && first != other && (20..=60).contains(&first.len()), "{first:?}");
}

#[test]
fn delays_add_up_and_the_first_of_the_others_decides() {
    let both = faults(
        "answers_late: [{ on: telemetry, by: 1s }, { on: telemetry, by: 2s }]\ncuts: { on: telemetry }\ndrops_reply: { on: telemetry }",
        1,
    );
    let shown = both.meet(Point::Telemetry, Some(&sim(1)));
    assert_eq!(shown.wait, Duration::from_secs(3));
    assert!(matches!(shown.deed, Some(Deed::Cut(_))), "{shown:?}");
}

#[test]
fn calls_about_no_device_meet_what_everybody_meets() {
    let some = faults("rejects: [{ on: query, status: 503, devices: sim-1 }]", 1);
    assert_eq!(some.meet(Point::Rest(&[Operation::Rest, Operation::Query]), None).deed, None);
    let all = faults("rejects: { on: query, status: 503 }", 1);
    assert!(all.meet(Point::Rest(&[Operation::Rest, Operation::Query]), None).deed.is_some());
    assert_eq!(all.meet(Point::Rest(&[Operation::Rest, Operation::Registry]), None).deed, None);
}

#[test]
fn whatever_shows_is_said() {
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let log = {
        let heard = Arc::clone(&heard);
        HubLog::new(move |event| {
            if let HubEvent::FaultShown { id, kind, identity, what } = event {
                heard.lock().unwrap().push(format!("{id} {kind} {identity:?} {what}"));
            }
        })
    };
    let faults = Faults::new(Arc::new(Fleet(3)), log, Seed(1), true);
    faults.place(&profile("rejects: { on: rest, status: 429, times: 1 }")).unwrap();
    faults.meet(Point::Rest(&[Operation::Rest]), None);
    faults.meet(Point::Rest(&[Operation::Rest]), None);
    assert_eq!(*heard.lock().unwrap(), ["1 rejects None the call of a service is refused with 429"]);
}
