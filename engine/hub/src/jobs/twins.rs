//! The turns of a job that updates twins: some at a time, each group one commit, as fast as the tier lets them.

use tokio::time::{Instant, sleep_until};
use wire::{HubError, JobAction};

use super::run::{Rest, Run};
use super::turnstile::Turnstile;

/// Twins of one commit: some 2 ms of merging with the state held.
const TOGETHER: usize = 50;

/// Until every device had its turn, the time is over, or the job ends otherwise.
pub(super) async fn update(run: &Run, deadline: Instant) -> Result<Rest, HubError> {
    let (mut from, id) = (Some(0), &run.plan.id);
    let bytes = match &run.plan.request.action {
        JobAction::Twin { patch, .. } => patch.to_string().len(),
        JobAction::Method(_) => 0,
    };
    let mut turnstile = Turnstile::new(&run.quotas, bytes);
    while let Some(place) = from {
        if run.plan.over.is_cancelled() || run.stop.is_cancelled() {
            return Ok(Rest::Left);
        }
        if Instant::now() >= deadline {
            break;
        }
        let pending = run.state.pending_devices(id, place, TOGETHER);
        let now = Instant::now();
        let turns = pending.devices.iter().take_while(|_| turnstile.passes(now)).count();
        if turns > 0 {
            run.state.update_job_twins(id, &pending.devices[..turns]).await?;
        }
        if let Some((first, _)) = pending.devices.get(turns) {
            from = Some(*first);
            tokio::select! {
                () = run.plan.over.cancelled() => {}
                () = run.stop.cancelled() => {}
                () = sleep_until(deadline) => {}
                () = turnstile.opens() => {}
            }
        } else {
            from = pending.next;
            if turns == 0 {
                tokio::task::yield_now().await;
            }
        }
    }
    Ok(Rest::Done)
}
