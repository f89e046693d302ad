//! The turns of a job that updates twins: some at a time, each group one commit.

use tokio::time::Instant;
use wire::HubError;

use super::run::{Rest, Run};

/// Twins of one commit: some 2 ms of merging with the state held.
const TOGETHER: usize = 50;

/// Until every device had its turn, the time is over, or the job ends otherwise.
pub(super) async fn update(run: &Run, deadline: Instant) -> Result<Rest, HubError> {
    let (mut from, id) = (Some(0), &run.plan.id);
    while let Some(place) = from {
        if run.plan.over.is_cancelled() || run.stop.is_cancelled() {
            return Ok(Rest::Left);
        }
        if Instant::now() >= deadline {
            break;
        }
        let pending = run.state.pending_devices(id, place, TOGETHER);
        from = pending.next;
        if pending.devices.is_empty() {
            tokio::task::yield_now().await;
        } else {
            run.state.update_job_twins(id, &pending.devices).await?;
        }
    }
    Ok(Rest::Done)
}
