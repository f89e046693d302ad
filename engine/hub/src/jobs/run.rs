//! One job from its condition to its end.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::{HubError, JobAction};

use super::{condition, methods, twins};
use crate::exchange::Exchange;
use crate::query::{Collection, Query};
use crate::quota::Quotas;
use crate::seam::HubLog;
use crate::state::{HubState, JobEnd, JobPlan};

/// A job under way.
pub(super) struct Run {
    pub(super) state: Arc<HubState>,
    pub(super) exchange: Arc<Exchange>,
    pub(super) quotas: Arc<Quotas>,
    pub(super) log: HubLog,
    pub(super) plan: JobPlan,
    /// The hub stops: nothing new is begun, the job stays open.
    pub(super) stop: CancellationToken,
}

/// Why a run came to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Every device had its turn, or the time is over.
    Done,
    /// The job ended otherwise, or the hub stops.
    Left,
}

impl Run {
    /// Runs the job; an error that is not a device's ends it as failed.
    pub(super) async fn through(self) {
        let result = match self.devices().await {
            Ok(Some(deadline)) => self.turns(deadline).await,
            Ok(None) => Ok(Rest::Left),
            Err(error) => Err(error),
        };
        let end = match result {
            Ok(Rest::Done) => JobEnd::Completed,
            Ok(Rest::Left) => return,
            // What cannot be written while the hub stops is done again at the next start.
            Err(_) if self.stop.is_cancelled() => return,
            Err(why) => JobEnd::Failed(why),
        };
        if let Err(error) = self.state.end_job(&self.plan.id, end).await {
            tracing::warn!(job = %self.plan.id, %error, "the end of a job could not be written");
        }
    }

    /// Finds the job's devices, unless that is done; when its time is over. None if the job is over already.
    async fn devices(&self) -> Result<Option<Instant>, String> {
        if self.plan.deadline.is_some() {
            return Ok(self.plan.deadline);
        }
        let query = condition::query(&self.plan.request.condition)?;
        check(&query)?;
        let targets = self.state.targets(&query).await;
        self.state.begin_job(&self.plan.id, targets).await.map_err(|error| worded(&error))
    }

    async fn turns(&self, deadline: Instant) -> Result<Rest, String> {
        let rest = match &self.plan.request.action {
            JobAction::Method(call) => methods::call(self, call, deadline).await,
            JobAction::Twin { .. } => twins::update(self, deadline).await,
        };
        rest.map_err(|error| worded(&error))
    }
}

/// A job is about whole devices or modules.
fn check(query: &Query) -> Result<(), String> {
    if query.collection == Collection::Jobs {
        return Err("A job's condition picks devices or modules, not devices.jobs.".into());
    }
    if query.is_grouped() {
        return Err("A job's condition has no GROUP BY.".into());
    }
    Ok(())
}

fn worded(error: &HubError) -> String {
    format!("ErrorCode:{};{}", error.code.name(), error.message)
}
