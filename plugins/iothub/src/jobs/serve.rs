//! A batch of devices as jobs: those who ask for the same share one, others have others.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{LocalBoxFuture, join_all};
use runner::{Batch, Class, Failure};
use serde_json::Value;
use wire::limits::JOB_EXECUTION_MAX;
use wire::{Identity, JobAction};

use super::crew::Crew;
use super::end::JobEnd;
use super::places::Places;
use crate::client::HubClient;

/// More kinds of work in one batch than this are worth a word: each is a job of its own, and hubs run few at once.
const MANY: usize = 20;
/// What a hub may take to find a job's devices and to note their ends.
const OVERHEAD: Duration = Duration::from_secs(60);
/// Devices a second that jobs of the smallest tier go on by.
const SLOWEST: u64 = 10;

/// What a job does to each of its devices.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) action: JobAction,
    /// How long the hub may take for it.
    pub(crate) time: Duration,
}

/// What is asked for, as text, and within which time: the same for all devices of a job.
type Kind = (String, Option<Duration>);

/// A verb whose work jobs can do.
pub(crate) trait Hosts {
    /// The job for so many devices that ask for the same.
    fn work(&self, asked: &Value, time: Option<Duration>, devices: usize) -> Result<Work, Failure>;

    /// A device's turn is over: tells the batch.
    fn ended<'a>(&'a self, batch: &'a Batch, index: usize, end: JobEnd) -> LocalBoxFuture<'a, ()>;
}

/// How long a job may take: the step's `timeout:`, or else time enough for its devices in the smallest tier.
pub(crate) fn longest(timeout: Option<Duration>, each: Duration, devices: usize) -> Duration {
    let turns = Duration::from_secs(u64::try_from(devices).unwrap_or(u64::MAX).div_ceil(SLOWEST));
    let time = timeout.unwrap_or_else(|| (each + OVERHEAD).saturating_add(turns));
    let whole = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0)).max(1);
    Duration::from_secs(whole).min(JOB_EXECUTION_MAX)
}

/// Serves all of them; soon over when the run is stopped.
pub(crate) async fn serve(host: &dyn Hosts, client: &HubClient, places: &Places, batch: &Batch) {
    let mut kinds: BTreeMap<Kind, Vec<(Identity, usize)>> = BTreeMap::new();
    for index in 0..batch.len() {
        match batch.device(index).id.parse::<Identity>() {
            Ok(identity) => {
                let kind = (batch.share(index).to_string(), batch.timeout(index));
                kinds.entry(kind).or_default().push((identity, index));
            }
            Err(error) => batch.end(index, Failure::new(Class::Failed, error.to_string()).into()),
        }
    }
    if kinds.len() > MANY {
        let count = kinds.len();
        batch.warn(format!(
            "{count} jobs for {} devices: devices share a job only when all parameters are the same",
            batch.len()
        ));
    }
    join_all(kinds.into_iter().map(|((asked, timeout), members)| async move {
        let value = batch.share(members[0].1);
        match host.work(value, timeout, members.len()) {
            Ok(work) => Crew::new(host, client, places, batch, (asked, work), members).run().await,
            Err(failure) => members.iter().for_each(|(_, index)| batch.end(*index, failure.clone().into())),
        }
    }))
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_job() {
        let seconds = Duration::from_secs;
        for (timeout, each, devices, expected) in [
            (None, 30, 1, 91),
            (None, 30, 50, 95),
            (None, 300, 100_000, 10_360),
            (Some(Duration::from_millis(1_500)), 30, 50, 2),
            (Some(Duration::ZERO), 30, 50, 1),
            (Some(seconds(u64::MAX)), 30, 50, 2_592_000),
        ] {
            assert_eq!(longest(timeout, seconds(each), devices), seconds(expected), "{timeout:?} {devices}");
        }
    }
}
