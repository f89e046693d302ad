//! Starts the jobs that are due and sees them through: one task, asleep until a job comes, is due or ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::run::Run;
use crate::exchange::Exchange;
use crate::quota::Quotas;
use crate::seam::HubLog;
use crate::state::{HubState, JobPlan};

/// See the module's description.
pub(crate) struct JobRunner {
    state: Arc<HubState>,
    exchange: Arc<Exchange>,
    quotas: Arc<Quotas>,
    log: HubLog,
}

impl JobRunner {
    pub(crate) fn new(state: Arc<HubState>, exchange: Arc<Exchange>, quotas: Arc<Quotas>, log: HubLog) -> Self {
        Self { state, exchange, quotas, log }
    }

    /// Until `stop`; then calls under way have `grace`, and jobs go on at the next start.
    pub(crate) async fn run(self, stop: CancellationToken, grace: Duration) {
        let mut running = JoinSet::new();
        while !stop.is_cancelled() {
            let (plans, next) = self.state.take_jobs();
            for plan in plans {
                running.spawn(self.prepare(plan, &stop).through());
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.state.jobs_wake().notified() => {}
                () = at(next) => {}
                Some(ended) = running.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a job's task failed");
                    }
                }
            }
        }
        let all = async { while running.join_next().await.is_some() {} };
        // Dropping the set ends what is left.
        let _ = tokio::time::timeout(grace, all).await;
    }

    fn prepare(&self, plan: JobPlan, stop: &CancellationToken) -> Run {
        Run {
            state: Arc::clone(&self.state),
            exchange: Arc::clone(&self.exchange),
            quotas: Arc::clone(&self.quotas),
            log: self.log.clone(),
            plan,
            stop: stop.clone(),
        }
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
