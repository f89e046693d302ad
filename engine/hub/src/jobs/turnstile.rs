//! How fast a job may go on to its next device: the tier's rate of job device operations, which all jobs of the hub share. A job
//! waits for its turns, however long: nobody is there whom a refusal would tell anything.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::quota::{Kind, Quotas};

/// How long a turn that was refused is not asked for again at most: by the day's end the quota is there, and the clock may be set.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// One job's turns. It takes one ahead at most, so that no job holds what another could use.
pub(super) struct Turnstile<'a> {
    quotas: &'a Quotas,
    /// What one operation carries, for the messages of the day.
    bytes: usize,
    /// A turn that is paid for, and when it comes.
    paid: Option<Instant>,
    /// Refused: when to ask again.
    refused: Option<Instant>,
}

impl<'a> Turnstile<'a> {
    pub(super) fn new(quotas: &'a Quotas, bytes: usize) -> Self {
        Self { quotas, bytes, paid: None, refused: None }
    }

    /// One device's turn, if it has come.
    pub(super) fn passes(&mut self, now: Instant) -> bool {
        if let Some(at) = self.paid {
            if at > now {
                return false;
            }
            self.paid = None;
            return true;
        }
        if self.refused.is_some_and(|at| at > now) {
            return false;
        }
        self.refused = None;
        match self.quotas.take(Kind::JobDevices, 1, self.bytes) {
            Ok(None) => true,
            Ok(at) => {
                self.paid = at;
                false
            }
            Err(refusal) => {
                self.refused = Some(now + refusal.wait.min(ASK_AGAIN));
                false
            }
        }
    }

    /// When the next turn comes or can be asked for; none when nobody waits for one.
    fn next(&self) -> Option<Instant> {
        self.paid.or(self.refused)
    }

    /// Whether somebody waits for a turn that has not come.
    pub(super) fn is_shut(&self, now: Instant) -> bool {
        self.next().is_some_and(|at| at > now)
    }

    /// Until [`Turnstile::passes`] is worth asking.
    pub(super) async fn opens(&self) {
        if let Some(at) = self.next() {
            sleep_until(at).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Clock, Seed};
    use std::time::UNIX_EPOCH;

    use crate::quota::{Latency, Quota, Tier};

    #[tokio::test(start_paused = true)]
    async fn several_jobs_share_one_rate_whatever_the_hub_shapes() {
        for queue in [0, 5] {
            let mut quota = Quota::new(Tier::S1, 1).unwrap();
            quota.queue = Duration::from_secs(queue);
            let (clock, _hand) = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
            let quotas = Quotas::new(Some(quota), Latency::default(), &clock, Seed(1));
            let mut jobs: Vec<_> = (0..3).map(|_| Turnstile::new(&quotas, 10)).collect();
            let start = Instant::now();
            let mut went = 0_u32;
            while went < 110 {
                let now = Instant::now();
                went += jobs.iter_mut().map(|job| u32::from(job.passes(now))).sum::<u32>();
                if jobs.iter().all(|job| job.is_shut(now)) {
                    let first = jobs.iter().filter_map(Turnstile::next).min().unwrap();
                    sleep_until(first).await;
                }
            }
            // Ten at once, a hundred at ten a second.
            let took = start.elapsed();
            assert!(took.abs_diff(Duration::from_secs(10)) < Duration::from_millis(400), "{queue}: {took:?}");
        }
    }
}
