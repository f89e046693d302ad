//! A board's agent killed after its machine's restart: at each thing that can be seen of it, and at random. However often, the hub
//! hears of the boot, and what was greeted to its end is not greeted again. `IOTPLAY_TEST_KILLS` says how often.

use std::time::Duration;

use base::Seed;
use rand::Rng as _;
use stage::{HubOptions, LocalHub};

use crate::board::Board;

/// What the gate has time for.
const KILLS: u64 = 4;

/// From a start to a boot that is greeted takes less.
const LONGEST_MS: u64 = 1_500;

#[test]
fn an_agent_killed_after_the_boot_still_tells_it() {
    let mut board = Board::new();
    let _hub = LocalHub::start(&board.set.iotplay, HubOptions::FreePorts);
    board.up().signal("TERM");
    for seen in ["device ", "connected", "booted", "told"] {
        let boot = board.boot();
        let mut agent = board.start();
        agent.line(seen);
        agent.kill();
        let agent = board.up();
        board.settles(&boot);
        let ended = agent.signal("TERM");
        assert!(ended.out.matches("booted").count() <= 1, "killed at {seen}: {}", ended.out);
        board.is_quiet();
    }
}

#[test]
fn an_agent_killed_at_random_tells_every_boot() {
    let kills = std::env::var("IOTPLAY_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let mut random = Seed(7).of("board").rng();
    let mut board = Board::new();
    let _hub = LocalHub::start(&board.set.iotplay, HubOptions::FreePorts);
    board.up().signal("TERM");
    let mut boot = String::new();
    for kill in 0..kills {
        // Every second kill comes in the boot of the one before.
        if kill % 2 == 0 {
            boot = board.boot();
        }
        let mut agent = board.start();
        agent.ends_within(Duration::from_millis(random.random_range(0..LONGEST_MS)));
        agent.kill();
        if kill % 2 == 1 || kill + 1 == kills {
            let agent = board.up();
            board.settles(&boot);
            agent.kill();
        }
    }
    board.is_quiet();
}
