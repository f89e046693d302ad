//! The limits of one hub, all kinds of operations together, and the latency of its answers.

use std::sync::Mutex;
use std::time::Duration;

use base::{Clock, Seed};
use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep, sleep_until};
use wire::limits::METHOD_METER;
use wire::{ErrorCode, HubError};

use super::Kind;
use super::daily::Daily;
use super::settings::{Latency, Quota};
use super::throttle::Throttle;

/// See the module's description. One per hub, shared by all of its parts.
#[derive(Debug)]
pub(crate) struct Quotas {
    limits: Option<Limits>,
    latency: Latency,
    random: Mutex<StdRng>,
}

#[derive(Debug)]
struct Limits {
    quota: Quota,
    /// In the order of [`Kind::ALL`].
    throttles: [Throttle; Kind::ALL.len()],
    daily: Daily,
}

/// Why an operation is not taken now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) error: HubError,
    /// When to ask again, if the hub says so.
    pub(crate) retry_after: Option<Duration>,
    /// When it could be taken, for those whom the hub need not tell.
    pub(crate) wait: Duration,
}

impl Quotas {
    /// Without a quota there are no limits.
    pub(crate) fn new(quota: Option<Quota>, latency: Latency, clock: &Clock, seed: Seed) -> Self {
        let limits = quota.map(|quota| Limits::new(quota, clock.clone(), Instant::now()));
        Self { limits, latency, random: Mutex::new(seed.of("latency").rng()) }
    }

    /// No limits, no latency.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self::new(None, Latency::default(), &Clock::system(), Seed(0))
    }

    /// Takes `count` operations that carry `bytes`: the moment at which they may go (none: at once), or the refusal. A refusal
    /// costs nothing.
    pub(crate) fn take(&self, kind: Kind, count: usize, bytes: usize) -> Result<Option<Instant>, Refusal> {
        match &self.limits {
            None => Ok(None),
            Some(limits) => limits.take(kind, count, bytes, Instant::now()),
        }
    }

    /// Takes one operation and waits for its turn.
    pub(crate) async fn pass(&self, kind: Kind, bytes: usize) -> Result<(), Refusal> {
        self.pass_many(kind, 1, bytes).await
    }

    /// Takes `count` operations at once and waits for their turn.
    pub(crate) async fn pass_many(&self, kind: Kind, count: usize, bytes: usize) -> Result<(), Refusal> {
        if let Some(at) = self.take(kind, count, bytes)? {
            sleep_until(at).await;
        }
        Ok(())
    }

    /// Takes a method call by the size of its payload and waits for its turn.
    pub(crate) async fn pass_method(&self, payload: usize) -> Result<(), Refusal> {
        self.pass_many(Kind::Methods, payload.div_ceil(METHOD_METER).max(1), payload).await
    }

    /// Waits for as long as an answer takes on its way.
    pub(crate) async fn travel(&self) {
        if self.latency == Latency::default() {
            return;
        }
        let part = self.random.lock().expect("a generator is plain data: no panic while held").random::<f64>();
        sleep(self.latency.at(part)).await;
    }
}

impl Limits {
    fn new(quota: Quota, clock: Clock, now: Instant) -> Self {
        let throttles = Kind::ALL.map(|kind| Throttle::new(quota.size.rate(kind), quota.queue, now));
        let daily = Daily::new(quota.daily(), quota.size.tier().meter(), clock);
        Self { quota, throttles, daily }
    }

    fn take(&self, kind: Kind, count: usize, bytes: usize, now: Instant) -> Result<Option<Instant>, Refusal> {
        let (tier, units) = (self.quota.size.tier(), self.quota.size.units());
        if !tier.has(kind) {
            let text = format!("A hub of tier {tier} has no {kind}.");
            let error = HubError::new(ErrorCode::NOT_IN_TIER, text);
            return Err(Refusal { error, retry_after: None, wait: Duration::MAX });
        }
        if let Some(wait) = self.daily.exhausted().filter(|_| kind.is_metered()) {
            let text =
                format!("The {} messages that this hub ({units} x {tier}) has a day are used up.", self.daily.limit());
            return Err(self.refusal(ErrorCode::QUOTA_EXCEEDED, text, wait));
        }
        let many = u32::try_from(count).unwrap_or(u32::MAX);
        let at = self.throttles[kind as usize].take(many, now).map_err(|wait| {
            let rate = tier.rate(kind, units);
            let text = format!("More {kind} than this hub ({units} x {tier}) takes: {rate}.");
            self.refusal(ErrorCode::THROTTLED, text, wait)
        })?;
        if kind.is_metered() {
            self.daily.count(bytes);
        }
        Ok((at > now).then_some(at))
    }

    fn refusal(&self, code: ErrorCode, text: String, wait: Duration) -> Refusal {
        Refusal { error: HubError::new(code, text), retry_after: self.quota.retry_after.then_some(wait), wait }
    }
}
