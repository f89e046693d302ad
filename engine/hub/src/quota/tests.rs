//! The limits of a whole hub: kinds apart, the day's messages, basic tiers, seeded latency.

use std::time::{Duration, UNIX_EPOCH};

use base::{Clock, ManualClock, Seed};
use tokio::time::Instant;
use wire::ErrorCode;

use super::{Kind, Latency, Quota, Quotas, Tier};

fn quotas(change: impl FnOnce(&mut Quota), tier: Tier) -> (Quotas, ManualClock) {
    let mut quota = Quota::new(tier, 1).unwrap();
    change(&mut quota);
    let (clock, hand) = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    (Quotas::new(Some(quota), Latency::default(), &clock, Seed(1)), hand)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_calls_take_as_long_as_the_limit_says() {
    let (quotas, _hand) = quotas(|quota| quota.queue = Duration::from_secs(60), Tier::S1);
    let start = Instant::now();
    for _ in 0..1_000 {
        quotas.pass_method(10).await.unwrap();
    }
    assert_eq!(start.elapsed().as_secs(), 24, "40 at once, 960 at 40 a second");
}

#[tokio::test(start_paused = true)]
async fn a_large_payload_counts_for_several_calls() {
    let (quotas, _hand) = quotas(|_| {}, Tier::S1);
    let start = Instant::now();
    for _ in 0..10 {
        quotas.pass_method(4 * 4 * 1024).await.unwrap();
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    quotas.pass_method(0).await.unwrap();
    // Timers count whole milliseconds.
    assert!(start.elapsed().abs_diff(Duration::from_millis(25)) <= Duration::from_millis(1));
}

#[tokio::test(start_paused = true)]
async fn each_kind_has_its_own_limit() {
    let (quotas, _hand) = quotas(|quota| quota.queue = Duration::ZERO, Tier::S1);
    let taken = |kind| (0..200).take_while(|_| quotas.take(kind, 1, 0).is_ok()).count();
    assert_eq!(Kind::ALL.map(taken), [100, 100, 100, 20, 40, 100, 50, 100, 100, 10, 100]);
    let refused = quotas.take(Kind::Queries, 1, 0).unwrap_err();
    assert_eq!(refused.error.code, ErrorCode::THROTTLED);
    assert_eq!(refused.error.message, "More queries than this hub (1 x S1) takes: 20 a minute.");
    assert_eq!(refused.retry_after, None);
}

#[tokio::test(start_paused = true)]
async fn says_when_to_come_back_if_asked_to() {
    let change = |quota: &mut Quota| (quota.retry_after, quota.queue) = (true, Duration::from_secs(1));
    let (quotas, _hand) = quotas(change, Tier::S1);
    quotas.take(Kind::Identities, 100, 0).unwrap();
    quotas.take(Kind::Identities, 100, 0).unwrap();
    let refused = quotas.take(Kind::Identities, 1, 0).unwrap_err();
    // A hundred are a minute's worth.
    assert!(refused.retry_after.unwrap().abs_diff(Duration::from_millis(59_600)) < Duration::from_millis(1));
}

#[tokio::test(start_paused = true)]
async fn the_messages_of_a_day_are_for_what_carries_something() {
    use Kind::{Identities, JobDevices, Messages, Methods, Queries, Telemetry, TwinReads, TwinWrites};
    let (quotas, hand) = quotas(|quota| quota.messages = Some(4), Tier::Free);
    for (kind, bytes) in [(Telemetry, 513), (TwinReads, 0), (Identities, 100), (Methods, 1)] {
        quotas.take(kind, 1, bytes).unwrap();
    }
    let metered: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| quotas.take(*kind, 1, 0).is_err()).collect();
    assert_eq!(metered, [Telemetry, Queries, Methods, TwinReads, TwinWrites, Messages, JobDevices]);
    assert_eq!(quotas.take(Telemetry, 1, 0).unwrap_err().error.code, ErrorCode::QUOTA_EXCEEDED);
    hand.advance(Duration::from_secs(86_400));
    assert!(quotas.take(Telemetry, 1, 0).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_basic_hub_has_no_methods() {
    let (quotas, _hand) = quotas(|_| {}, Tier::B1);
    assert_eq!(quotas.take(Kind::Methods, 1, 0).unwrap_err().error.code, ErrorCode::NOT_IN_TIER);
    assert!(quotas.take(Kind::Telemetry, 1, 0).is_ok());
}

#[tokio::test(start_paused = true)]
async fn without_a_quota_nothing_is_counted() {
    let quotas = Quotas::none();
    let start = Instant::now();
    for kind in Kind::ALL {
        assert_eq!(quotas.take(kind, 1_000_000, usize::MAX), Ok(None));
    }
    quotas.travel().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_travels_as_long() {
    let travel = async |seed: u64| {
        let latency: Latency = "20ms..80ms".parse().unwrap();
        let quotas = Quotas::new(None, latency, &Clock::system(), Seed(seed));
        let mut times = Vec::new();
        for _ in 0..20 {
            let start = Instant::now();
            quotas.travel().await;
            times.push(start.elapsed().as_millis());
        }
        times
    };
    let times = travel(1).await;
    assert!(times.iter().all(|time| (20..=81).contains(time)), "{times:?}");
    assert_eq!(times, travel(1).await);
    assert_ne!(times, travel(2).await);
}
