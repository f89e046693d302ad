//! Callers against a hub that takes so much and no more, in paused time.

use super::*;
use futures_util::future::join_all;
use std::cell::RefCell;
use wire::Tier;

/// How long a refused call waits when the hub does not say.
const PAUSE: Duration = Duration::from_millis(250);

/// A hub that takes `rate` calls a second out of a bucket of as many.
struct Bucket {
    rate: f64,
    level: f64,
    at: Instant,
    refusals: u32,
}

impl Bucket {
    fn takes(&mut self) -> bool {
        let now = Instant::now();
        self.level = (self.level + now.duration_since(self.at).as_secs_f64() * self.rate).min(self.rate);
        self.at = now;
        let takes = self.level >= 1.0;
        if takes {
            self.level -= 1.0;
        } else {
            self.refusals += 1;
        }
        takes
    }
}

/// How a test's hub and its callers are.
#[derive(Clone, Copy)]
struct Case {
    rate: f64,
    calls: usize,
    forks: usize,
    retry_after: Option<Duration>,
}

async fn run(governor: &Governor, case: Case) -> (Duration, u32) {
    let start = Instant::now();
    let bucket = RefCell::new(Bucket { rate: case.rate, level: case.rate, at: start, refusals: 0 });
    let left = RefCell::new(case.calls);
    join_all((0..case.forks).map(|_| async {
        while left.replace_with(|left| left.saturating_sub(1)) > 0 {
            loop {
                let turn = governor.turn(Kind::Methods, 1).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
                if bucket.borrow_mut().takes() {
                    governor.accepted(turn);
                    break;
                }
                governor.refused(turn, case.retry_after, PAUSE);
                tokio::time::sleep(case.retry_after.unwrap_or(PAUSE)).await;
            }
        }
    }))
    .await;
    (start.elapsed(), bucket.into_inner().refusals)
}

#[tokio::test(start_paused = true)]
async fn keeps_close_to_what_the_hub_takes() {
    for retry_after in [None, Some(Duration::from_secs(1))] {
        for (rate, calls, forks) in
            [(40.0, 1000, 100), (40.0, 1000, 500), (100.0, 1000, 100), (2.0, 60, 50), (500.0, 5000, 200)]
        {
            let (took, refusals) = run(&Governor::new(), Case { rate, calls, forks, retry_after }).await;
            // A bucket full at once, then at the rate.
            let best = (calls as f64 - rate) / rate;
            let most = match retry_after {
                None => 1.05,
                // A second is the worth of two calls: each overshoot costs both.
                Some(_) if rate < 10.0 => 1.4,
                Some(_) => 1.15,
            };
            assert!(took.as_secs_f64() < best * most, "{rate}/s: {took:?} instead of {best} s, {retry_after:?}");
            assert!((refusals as usize) < forks + 30, "{rate}/s: {refusals}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_known_tier_nothing_is_refused() {
    for (tier, units, rate) in [(Tier::S1, 1, 40.0), (Tier::S1, 5, 200.0), (Tier::S2, 1, 120.0)] {
        let governor = Governor::new();
        governor.expect_size(HubSize::new(tier, units).unwrap());
        let (took, refusals) = run(&governor, Case { rate, calls: 1000, forks: 1000, retry_after: None }).await;
        assert_eq!(refusals, 0, "{tier}");
        assert!(took.as_secs_f64() < 1000.0 / rate, "{tier}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_deadline_is_for_the_call_and_not_for_its_queue() {
    let governor = Governor::new();
    governor.expect_size(HubSize::new(Tier::S1, 1).unwrap());
    let start = Instant::now();
    let call = |works: u64| {
        let governor = &governor;
        runner::within(Duration::from_secs(1), async move {
            governor.turn(Kind::Methods, 1).await;
            tokio::time::sleep(Duration::from_millis(works)).await;
        })
    };
    let done = join_all((0..400).map(|n| call(if n % 10 == 0 { 2_000 } else { 500 }))).await;
    assert_eq!(done.iter().filter(|done| done.is_some()).count(), 360, "only those that took too long by themselves");
    assert!(start.elapsed() > Duration::from_secs(5), "most had to queue: {:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_is_too_large_is_found_out() {
    let governor = Governor::new();
    governor.expect_size(HubSize::new(Tier::S1, 5).unwrap());
    let (took, refusals) = run(&governor, Case { rate: 40.0, calls: 1000, forks: 100, retry_after: None }).await;
    assert!(took.as_secs_f64() < 24.0 * 1.1, "{took:?}");
    assert!(refusals < 150, "{refusals}");
}

#[tokio::test(start_paused = true)]
async fn does_not_slow_down_who_was_never_refused() {
    let case = Case { rate: 1_000_000.0, calls: 1000, forks: 100, retry_after: None };
    let (took, refusals) = run(&Governor::new(), case).await;
    assert!(took < Duration::from_millis(100), "{took:?}");
    assert_eq!(refusals, 0);
}

#[tokio::test(start_paused = true)]
async fn one_cut_for_a_burst_and_only_its_own_kind() {
    let governor = Governor::new();
    let turns = [governor.turn(Kind::TwinReads, 1).await, governor.turn(Kind::TwinReads, 1).await];
    for turn in turns {
        governor.refused(turn, None, Duration::from_secs(3));
    }
    let start = Instant::now();
    governor.turn(Kind::Methods, 1).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    governor.turn(Kind::TwinReads, 1).await;
    governor.turn(Kind::TwinReads, 1).await;
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(3) && took <= Duration::from_millis(4_010), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_kept_by_all_callers_of_the_kind() {
    let governor = Governor::new();
    let turn = governor.turn(Kind::Queries, 1).await;
    governor.refused(turn, Some(Duration::from_secs(30)), Duration::ZERO);
    let start = Instant::now();
    let waits = join_all((0..5).map(|_| async { governor.turn(Kind::Queries, 1).await.sent.at - start })).await;
    assert!(waits.iter().all(|wait| *wait >= Duration::from_secs(30)), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn says_what_is_soonest() {
    let governor = Governor::new();
    // Nothing is known: by the number of calls in flight and the time of one.
    assert_eq!(governor.soonest(Kind::TwinReads, 320, 32), ANSWER * 10);
    assert_eq!(governor.within(Kind::TwinReads, Duration::from_secs(1), 32), 320);
    assert_eq!(governor.soonest(Kind::TwinReads, 0, 32), Duration::ZERO);
    governor.expect_size(HubSize::new(Tier::S1, 1).unwrap());
    let reads = governor.soonest(Kind::TwinReads, 1_000, 32);
    assert!(reads.abs_diff(Duration::from_millis(9_590)) < Duration::from_millis(5), "{reads:?}");
    let pages = governor.soonest(Kind::Queries, 10, 4);
    assert!(pages < reads, "half a minute's worth goes at once: {pages:?}");
    assert!(governor.soonest(Kind::Queries, 100, 4) > Duration::from_secs(260));
}

#[test]
fn the_least_time_is_that_of_the_slowest_kind() {
    let governor = Governor::new();
    assert_eq!(governor.least(&[(Kind::Methods, 1_000)]), None);
    governor.expect_size(HubSize::new(Tier::S1, 1).unwrap());
    for (calls, millis) in [
        (&[(Kind::Methods, 10)][..], 0),
        (&[(Kind::Methods, 1_000), (Kind::TwinReads, 1_000)], 24_475),
        (&[(Kind::Methods, 100), (Kind::TwinReads, 1_000)], 9_490),
    ] {
        let (least, _) = governor.least(calls).unwrap();
        assert!(least.abs_diff(Duration::from_millis(millis)) < Duration::from_millis(5), "{calls:?}: {least:?}");
    }
}
