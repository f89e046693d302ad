//! The pace of one kind, moment by moment.

use super::*;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn start() -> Instant {
    // Far enough from the clock's own beginning that credit reaches back.
    Instant::now() + Duration::from_secs(3600)
}

fn limited(count: u32, window: Duration, now: Instant) -> Lane {
    let mut lane = Lane::new(window, now);
    lane.limit(Rate { count, window }, now);
    lane
}

/// Refuses a call that was sent just now.
fn refuse(lane: &mut Lane, epoch: u64, retry_after: Option<Duration>, now: Instant) {
    lane.sent(1, now);
    lane.refused(Sent { at: now, cost: 1, epoch }, retry_after, Duration::from_millis(250), now);
}

/// Takes as many turns as there are at this moment.
fn take_all(lane: &mut Lane, now: Instant, most: usize) -> usize {
    (0..most).take_while(|_| lane.take(1, now).is_ok()).count()
}

#[test]
fn nothing_is_paced_until_something_is_known() {
    let now = start();
    let mut lane = Lane::new(SECOND, now);
    assert!(lane.is_free(now));
    assert_eq!(take_all(&mut lane, now, 10_000), 10_000);
    assert_eq!((lane.turns(1_000, now), lane.within(SECOND, now)), (None, None));
}

#[test]
fn a_known_tier_gives_half_a_window_at_once_and_the_rest_at_its_rate() {
    for (count, window, at_once) in [(40, SECOND, 21), (100, SECOND, 51), (20, MINUTE, 11), (100, MINUTE, 51)] {
        let now = start();
        let mut lane = limited(count, window, now);
        assert_eq!(lane.within(window, now), Some(at_once + count as usize), "{count}");
        assert_eq!(take_all(&mut lane, now, 1_000), at_once, "{count} in {window:?}");
        let interval = window / count;
        assert_eq!(lane.take(1, now), Err(now + interval));
        assert_eq!(take_all(&mut lane, now + interval, 1_000), 1);
        let later = now + 100 * window;
        assert_eq!(take_all(&mut lane, later, 1_000), at_once, "rest fills the bucket, and no further");
    }
}

#[test]
fn a_large_call_counts_for_several() {
    let now = start();
    let mut lane = limited(40, SECOND, now);
    lane.take(21, now).unwrap();
    assert_eq!(lane.take(1, now), Err(now + SECOND / 40));
}

#[test]
fn retry_after_holds_everyone_and_is_made_up_for() {
    let now = start();
    let mut lane = limited(40, SECOND, now);
    take_all(&mut lane, now, 21);
    let epoch = lane.epoch();
    refuse(&mut lane, epoch, Some(3 * SECOND), now);
    // Another of the same burst: one cut, and the longer of the waits.
    refuse(&mut lane, epoch, Some(2 * SECOND), now);
    assert_eq!(lane.epoch(), epoch + 1);
    assert_eq!(lane.turns(1, now), Some(3 * SECOND));
    assert_eq!((lane.within(SECOND, now), lane.take(1, now)), (Some(0), Err(now + 3 * SECOND)));
    assert_eq!(lane.take(1, now + 3 * SECOND - Duration::from_millis(1)), Err(now + 3 * SECOND));
    let at_once = take_all(&mut lane, now + 3 * SECOND, 1_000);
    assert!((1..=22).contains(&at_once), "half a window at most: {at_once}");
}

#[test]
fn a_refusal_finds_the_rate_of_a_minute_too() {
    let now = start();
    let mut lane = Lane::new(MINUTE, now);
    for _ in 0..20 {
        lane.take(1, now).unwrap();
        lane.sent(1, now);
        lane.accepted(now + Duration::from_millis(50));
    }
    refuse(&mut lane, 0, None, now + Duration::from_millis(50));
    // 95 % of twenty in a minute.
    let later = now + SECOND;
    take_all(&mut lane, later, 100);
    let apart = lane.turns(2, later).unwrap() - lane.turns(1, later).unwrap();
    assert!((3_150..3_170).contains(&apart.as_millis()), "{apart:?}");
}

#[test]
fn a_burst_whose_answers_take_long_still_tells_the_rate() {
    let now = start();
    let mut lane = Lane::new(SECOND, now);
    (0..100).for_each(|_| lane.sent(1, now));
    // Sixty are refused at once, no device has answered yet.
    for _ in 0..60 {
        lane.refused(Sent { at: now, cost: 1, epoch: 0 }, None, Duration::from_millis(250), now);
    }
    assert_eq!((lane.epoch(), lane.interval()), (1, Some(SECOND.div_f64(38.0))));
}

#[test]
fn growth_ends_at_the_tier() {
    let now = start();
    let mut lane = limited(40, SECOND, now);
    refuse(&mut lane, 0, None, now);
    assert_eq!(lane.interval(), Some(SECOND), "nothing was taken: the slowest");
    for second in 1..200 {
        lane.accepted(now + second * SECOND);
    }
    assert_eq!(lane.interval(), Some(SECOND / 40));
}

#[test]
fn a_larger_tier_takes_the_place_of_a_smaller_one() {
    let now = start();
    let mut lane = limited(40, SECOND, now);
    lane.limit(Rate { count: 120, window: SECOND }, now);
    assert_eq!(lane.interval(), Some(SECOND / 120));
    refuse(&mut lane, 0, None, now);
    lane.limit(Rate { count: 6_144, window: SECOND }, now);
    assert_eq!(lane.interval(), Some(SECOND), "what the hub taught stays");
}

proptest! {
    /// Whatever is taken whenever: in no stretch of time more than half a window's worth and the rate.
    #[test]
    fn never_more_than_the_tier(count in 1_u32..200, gaps in proptest::collection::vec(0_u64..100, 1..300)) {
        let start = start();
        let mut lane = limited(count, SECOND, start);
        let (mut now, mut went) = (start, Vec::new());
        for gap in gaps {
            now += Duration::from_millis(gap);
            if lane.take(1, now).is_ok() {
                went.push(now);
            }
        }
        for (index, from) in went.iter().enumerate() {
            for (further, to) in went.iter().enumerate().skip(index) {
                let most = f64::from(count) * (BURST + to.duration_since(*from).as_secs_f64()) + 1.001;
                prop_assert!((further - index + 1) as f64 <= most);
            }
        }
    }
}
