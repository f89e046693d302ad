//! Each target for a few seconds, always from the same seed. Longer by command: `cargo run --profile fuzz -p iotplay-fuzz`.

use std::time::Duration;

use iotplay_fuzz::{Effort, all, judge};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// How long each target is tried in the gate.
const SHORT: Duration = Duration::from_secs(3);
/// As many inputs must have been tried however slow the machine is, and some of them must have been taken: a target whose
/// inputs are all refused at the first byte tries nothing.
const FEWEST: u64 = 50;

#[test]
fn no_target_panics_hangs_or_takes_64_megabytes() {
    for target in all() {
        let effort = Effort { seed: 1, runs: u64::MAX, time: SHORT };
        let mut tally = judge(&target, effort, &MEMORY).unwrap_or_else(|finding| {
            panic!("{}: {} on input {}: {}", target.name, finding.what, finding.number, finding.bytes.escape_ascii())
        });
        if tally.runs < FEWEST {
            let effort = Effort { runs: FEWEST, time: Duration::MAX, ..effort };
            tally =
                judge(&target, effort, &MEMORY).unwrap_or_else(|finding| panic!("{}: {}", target.name, finding.what));
        }
        println!("{:12} {:>8} inputs, {} % taken", target.name, tally.runs, tally.taken * 100 / tally.runs);
        assert!(tally.taken > 0, "{}: every input was refused", target.name);
    }
}
