//! `device.every(name, interval, closure)`: timers of one device, by name, until the scripts are replaced.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::format_duration;
use script::{Dynamic, Handler};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::call::{Call, Work, run};
use crate::device::Device;
use crate::event::HandlerName;
use crate::scripts::Scripts;
use crate::surface::DeviceRef;

/// Timers of one device: each is a task.
const MOST: usize = 32;

/// A timer that is faster than this is a loop.
const SHORTEST: Duration = Duration::from_millis(100);

/// Why there is no such timer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum TimerError {
    #[error("a timer needs an interval of at least {}", format_duration(SHORTEST))]
    TooFast,
    #[error("a device has at most {MOST} timers")]
    TooMany,
    #[error("these scripts were replaced while the call ran; timers belong to the new ones")]
    Replaced,
}

/// A running timer; dropping it ends it, though not a tick that has begun.
pub(crate) struct Timer {
    _guard: DropGuard,
}

/// Starts a timer, in place of one of the same name. The first tick comes after one interval; ticks that fall into a
/// long run are left out.
pub(crate) fn every(
    device: &Rc<Device>,
    scripts: &Arc<Scripts>,
    name: Arc<str>,
    interval: Duration,
    handler: Handler,
) -> Result<(), TimerError> {
    if interval < SHORTEST {
        return Err(TimerError::TooFast);
    }
    if !Arc::ptr_eq(scripts, &device.lane.scripts.current()) {
        return Err(TimerError::Replaced);
    }
    let mut timers = device.timers.borrow_mut();
    if timers.len() >= MOST && !timers.contains_key(&name) {
        return Err(TimerError::TooMany);
    }
    let end = CancellationToken::new();
    timers.insert(Arc::clone(&name), Timer { _guard: end.clone().drop_guard() });
    let ticking = ticking(Rc::clone(device), Arc::clone(scripts), name, interval, handler, end);
    device.lane.tasks.spawn_local(ticking);
    Ok(())
}

async fn ticking(
    device: Rc<Device>,
    scripts: Arc<Scripts>,
    name: Arc<str>,
    interval: Duration,
    handler: Handler,
    end: CancellationToken,
) {
    let mut ticks = interval_at(Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            biased;
            () = end.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let call = Rc::new(Call::new(&device, Arc::clone(&scripts), HandlerName::Timer(Arc::clone(&name)), None));
        let args = vec![Dynamic::from(DeviceRef::of(&device))];
        run(call, Work { handler: handler.clone(), args, deadlines: device.lane.habits.deadlines }).await;
    }
}
