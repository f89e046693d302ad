//! The summary of a job's step.

use iotplay_runner::{Class, Counts};

use super::stream::{Stream, failure, mixed};

#[test]
fn a_summary_has_counts_failures_and_waves() {
    let expected = "\
### \u{274c} reboot&#46;yaml

fake&#46;example \u{b7} run r1 \u{b7} 61.5 s \u{b7} exit 4

| ok | failed | unreachable | skipped |
| --- | --- | --- | --- |
| 3 | 1 | 1 | 1 |

| devices | outcome | step | why | which |
| --- | --- | --- | --- | --- |
| 1 | timeout | Ask | did not answer in time | late |
| 1 | unreachable | Ask | is not connected | away |

Waves of Reboot

| wave | ok | failed | unreachable | skipped | time |
| --- | --- | --- | --- | --- | --- |
| 1 | 2 | 0 | 0 | 0 | 0&#46;0 s |
| 2 | 1 | 1 | 1 | 1 | 0&#46;0 s |

";
    assert_eq!(mixed().papers().summary, expected);
}

#[test]
fn a_thousand_ways_of_failing_are_twenty_lines() {
    let mut run = Stream::begin(&["Ask"], 2_000, 1);
    for n in 0..2_000 {
        let id = format!("dev-{n:04}");
        // Every second one says the same with its own id in it.
        let why = if n % 2 == 0 { format!("{id} did not come back") } else { format!("error {n}") };
        run.device(&id, 1).step(&id, 0, "Ask", failure(Class::Failed, &why)).ended(&id, 1, "failed", Some(&why));
    }
    run.end(Counts { failed: 2_000, ..Counts::default() }, 4, None);
    let summary = run.papers().summary;
    assert!(summary.lines().count() < 50, "{summary}");
    let first = "| 1000 | failed | Ask | \u{2026} did not come back | dev&#45;0000, dev&#45;0002, dev&#45;0004, dev&#45;0006, dev&#45;0008, &#46;&#46; |";
    assert!(summary.contains(first), "{summary}");
    assert!(summary.contains("981 more ways of failing, 981 devices"), "{summary}");
}
