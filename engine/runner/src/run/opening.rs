//! A play's `window` while it runs: when the next device may start. Looks at the wall clock again and again, for that may be
//! set, and machines sleep; says once per closing when it goes on.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::play::PlayRun;
use crate::RunEvent;
use crate::book::Opening;

/// A clock that was set, or a machine that slept, is noticed within this.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What a play knows of its window.
#[derive(Default)]
pub(super) struct Gatekeeper {
    /// It is open until then: no need to compute before.
    open_until: Option<SystemTime>,
    /// It was said that it is shut.
    said: bool,
    shut_since: Option<Instant>,
}

impl Gatekeeper {
    /// When to look again before another device may start; nothing when it may start now. `waiting` devices want to.
    pub(super) fn shut_until(&mut self, play: &PlayRun<'_>, waiting: usize) -> Option<Instant> {
        let window = play.play.window.as_ref()?;
        let now = play.options.clock.now();
        // A rehearsal starts nothing.
        if play.options.check || self.open_until.is_some_and(|until| now < until) && self.shut_since.is_none() {
            return None;
        }
        match window.at(now) {
            Opening::Open { until } => {
                self.open_until = Some(until);
                self.said = false;
                self.waited(play);
                None
            }
            Opening::Shut { until } => {
                self.open_until = None;
                self.shut_since.get_or_insert_with(Instant::now);
                self.waited(play);
                self.shut_since = Some(Instant::now());
                let left = until.duration_since(now).unwrap_or_default();
                if !std::mem::replace(&mut self.said, true) {
                    let opens = window.local(until);
                    play.events.say(&RunEvent::WindowShut { opens, left, waiting });
                }
                Some(Instant::now() + left.min(LOOK_AGAIN))
            }
        }
    }

    /// Time spent before a shut window is not time of the play.
    fn waited(&mut self, play: &PlayRun<'_>) {
        if let Some(since) = self.shut_since.take() {
            play.shut.set(play.shut.get() + since.elapsed());
        }
    }
}
