//! The turns of a job that calls a method: devices that are connected are called, so many at once and as fast as the tier lets
//! them; the others when they come, until the job's time is over. Before a device is called it is marked so on the disk: no call is made twice.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, sleep_until};
use wire::{ErrorCode, HubError, Identity, MethodCall, MethodReply};

use super::run::{Rest, Run};
use super::turnstile::Turnstile;
use crate::seam::HubEvent;
use crate::state::DeviceEnd;
use crate::watch::Watch;

/// Calls at once in one job. A call that waits costs some 1 kB and no task; with handlers of 20 s a hundred thousand devices take
/// eight minutes.
const CALLS: usize = 4_096;
/// Devices marked, or answers noted, in one commit.
const TOGETHER: usize = 128;

type Answer = (usize, Identity, Result<MethodReply, HubError>);
type Call<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

struct Turns<'a> {
    run: &'a Run,
    /// Waits for no connection: the job does that for all its devices together.
    call: MethodCall,
    watch: Arc<Watch>,
    /// Where to look for more devices whose turn is yet to come; none when all were seen.
    from: Option<usize>,
    /// Seen, and to be called next.
    next: VecDeque<(usize, Identity)>,
    turnstile: Turnstile<'a>,
}

/// Until every device had its turn, the time is over, or the job ends otherwise.
pub(super) async fn call(run: &Run, call: &MethodCall, deadline: Instant) -> Result<Rest, HubError> {
    let call = MethodCall { connect_timeout: Duration::ZERO, ..call.clone() };
    let payload = call.payload.as_ref().map_or(0, |payload| payload.get().len());
    let mut turns = Turns {
        run,
        call: call.clone(),
        watch: run.exchange.watch(),
        from: Some(0),
        next: VecDeque::new(),
        turnstile: Turnstile::new(&run.quotas, payload),
    };
    let mut under_way: FuturesUnordered<Call<'_>> = FuturesUnordered::new();
    loop {
        let stopping = run.stop.is_cancelled();
        if run.plan.over.is_cancelled() || (stopping && under_way.is_empty()) {
            return Ok(Rest::Left);
        }
        if !stopping {
            let called = turns.mark_next(CALLS - under_way.len()).await?;
            under_way.extend(
                called.into_iter().map(|(place, identity)| -> Call<'_> { Box::pin(one(run, &call, place, identity)) }),
            );
        }
        if turns.is_empty() && under_way.is_empty() {
            return Ok(Rest::Done);
        }
        let shut = turns.turnstile.is_shut(Instant::now());
        let more = !stopping && !shut && turns.can_go_on() && under_way.len() < CALLS;
        tokio::select! {
            biased;
            () = run.plan.over.cancelled() => {}
            () = sleep_until(deadline) => return Ok(Rest::Done),
            Some(first) = under_way.next() => {
                let mut answers = vec![first];
                while answers.len() < TOGETHER && let Some(Some(answer)) = under_way.next().now_or_never() {
                    answers.push(answer);
                }
                turns.note(answers).await?;
            }
            () = run.stop.cancelled(), if !stopping => {}
            () = turns.watch.somebody(), if !stopping && !more => {}
            () = turns.turnstile.opens(), if !stopping && shut => {}
            () = tokio::task::yield_now(), if more => {}
        }
    }
}

async fn one(run: &Run, call: &MethodCall, place: usize, identity: Identity) -> Answer {
    let outcome = run.exchange.call(&identity, call).await;
    (place, identity, outcome)
}

impl Turns<'_> {
    /// Whether nobody is left to be called, now or when they come.
    fn is_empty(&self) -> bool {
        self.from.is_none() && self.next.is_empty() && self.watch.is_empty()
    }

    /// Whether there is somebody to look at without waiting.
    fn can_go_on(&self) -> bool {
        self.from.is_some() || !self.next.is_empty()
    }

    /// Picks devices that can be called now and marks them as called; those that cannot be called ever have had their turn.
    async fn mark_next(&mut self, room: usize) -> Result<Vec<(usize, Identity)>, HubError> {
        let id = &self.run.plan.id;
        if let Some(from) = self.from.filter(|_| self.next.len() < TOGETHER) {
            let pending = self.run.state.pending_devices(id, from, TOGETHER);
            self.next.extend(pending.devices);
            self.from = pending.next;
        }
        self.next.extend(self.watch.take());
        let (now, mut called, mut ends) = (Instant::now(), Vec::new(), Vec::new());
        while called.len() < TOGETHER.min(room) && ends.len() < TOGETHER {
            let Some((place, identity)) = self.next.pop_front() else { break };
            match self.run.state.expect_enabled(&identity) {
                Err(error) => ends.push((place, DeviceEnd::Refused(error))),
                Ok(()) if self.run.exchange.ready_or_watched(&self.watch, &identity, place) => {
                    if !self.turnstile.passes(now) {
                        self.next.push_front((place, identity));
                        break;
                    }
                    called.push((place, identity));
                }
                Ok(()) => {}
            }
        }
        if !ends.is_empty() {
            self.run.state.end_devices(id, ends).await?;
        }
        if called.is_empty() {
            return Ok(called);
        }
        let places: Vec<usize> = called.iter().map(|(place, _)| *place).collect();
        let marked = self.run.state.mark_called(id, &places).await?;
        Ok(if marked { called } else { Vec::new() })
    }

    /// Notes answers. Who was gone before the call reached it waits for its turn again.
    async fn note(&mut self, answers: Vec<Answer>) -> Result<(), HubError> {
        let id = &self.run.plan.id;
        let (mut ends, mut back) = (Vec::with_capacity(answers.len()), Vec::new());
        for (place, identity, outcome) in answers {
            if outcome.as_ref().is_err_and(|error| error.code == ErrorCode::DEVICE_NOT_ONLINE) {
                back.push(place);
                self.next.push_back((place, identity));
                continue;
            }
            self.run.log.say(HubEvent::MethodCalled {
                identity,
                name: self.call.name.clone(),
                outcome: outcome.as_ref().map(|reply| reply.status).map_err(|error| error.code),
            });
            ends.push((place, outcome.map_or_else(DeviceEnd::Refused, DeviceEnd::Replied)));
        }
        if !back.is_empty() {
            self.run.state.unmark_called(id, &back).await?;
        }
        self.run.state.end_devices(id, ends).await
    }
}
