//! The link to a real hub: dials, comes back after losses with jittered pauses, renews tokens ahead of time.

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use base::Backoff;
use futures_util::future::LocalBoxFuture;
use tokio::time::{Instant, Sleep, sleep};

use super::dial::{DialError, Dialer};
use super::line::{Line, Step, never};
use super::login::Login;
use super::open::DeviceStream;
use super::{DeviceLink, Down, Inbound, Outbound};

/// A connection that lasted this long was a good one; a shorter one, as two clients with one name give each other, is
/// answered with a longer pause each time.
const GOOD: Duration = Duration::from_secs(30);

type Dialing = LocalBoxFuture<'static, Result<Line<DeviceStream>, DialError>>;

enum State {
    /// Waits before the next attempt.
    Pausing(Pin<Box<Sleep>>),
    /// Tries to connect.
    Dialing(Dialing),
    /// Is connected, since then.
    Up(Box<Line<DeviceStream>>, Instant),
    /// Says goodbye, to come back after a pause.
    Leaving(LocalBoxFuture<'static, ()>, Duration),
    /// Says goodbye for good: its token cannot be renewed.
    Expiring(LocalBoxFuture<'static, ()>),
    /// Done for good.
    Over,
}

/// A device's link over TLS.
pub(crate) struct MqttLink {
    dialer: Rc<Dialer>,
    login: Rc<Login>,
    backoff: Backoff,
    state: State,
    /// The word of a connection that was left on purpose.
    left: Option<String>,
}

impl MqttLink {
    /// A link that dials as soon as somebody waits for it; `fleet` is how many come back together after a cut.
    pub(crate) fn new(dialer: Rc<Dialer>, login: Login, fleet: usize) -> Self {
        let backoff = Backoff::new(first_pause(&dialer.config, fleet), dialer.config.back_off_cap);
        Self {
            dialer,
            login: Rc::new(login),
            backoff,
            state: State::Pausing(Box::pin(sleep(Duration::ZERO))),
            left: None,
        }
    }

    fn dial(&mut self) {
        let attempt = Rc::clone(&self.dialer).dial(Rc::clone(&self.login));
        self.state = State::Dialing(Box::pin(attempt));
    }

    fn pause(&mut self, pause: Duration) {
        self.state = State::Pausing(Box::pin(sleep(pause)));
    }

    fn failed(&mut self, error: DialError) -> Inbound {
        match error {
            DialError::Unreachable(why) => {
                let again_in = self.dialer.pause(&mut self.backoff);
                self.pause(again_in);
                Inbound::Down(Down::Unreachable { why, again_in })
            }
            DialError::Refused(finding) => {
                // Between a quarter and all of it, so that a fleet with one fault does not knock in step.
                let again_in = self
                    .dialer
                    .pause(&mut Backoff::new(self.dialer.config.refused_pause, self.dialer.config.refused_pause));
                self.pause(again_in);
                Inbound::Down(Down::Refused { finding, again_in })
            }
            DialError::Never(finding) => {
                self.state = State::Over;
                Inbound::Ended(finding)
            }
        }
    }

    fn was_good(&mut self, since: Instant) {
        if since.elapsed() >= GOOD {
            self.backoff.reset();
        }
    }

    fn lost(&mut self, why: String, since: Instant) -> Inbound {
        self.was_good(since);
        let pause = self.dialer.pause(&mut self.backoff);
        self.pause(pause);
        Inbound::Down(Down::Lost(why))
    }
}

/// A fleet that is cut off at once must not knock at once: its first pauses are longer, so that no second sees too many.
fn first_pause(config: &crate::config::LinkConfig, fleet: usize) -> Duration {
    /// A hub of one unit takes 100 new connections in a second.
    const EACH: Duration = Duration::from_millis(10);
    let spread = EACH.saturating_mul(u32::try_from(fleet.saturating_sub(1)).unwrap_or(u32::MAX));
    config.back_off.max(spread).min(config.back_off_cap)
}

impl DeviceLink for MqttLink {
    async fn next(&mut self) -> Inbound {
        loop {
            if let Some(why) = self.left.take() {
                return Inbound::Down(Down::Lost(why));
            }
            match &mut self.state {
                State::Pausing(pause) => {
                    pause.as_mut().await;
                    self.dial();
                }
                State::Dialing(attempt) => match attempt.as_mut().await {
                    Ok(line) => {
                        self.state = State::Up(Box::new(line), Instant::now());
                        return Inbound::Up;
                    }
                    Err(error) => return self.failed(error),
                },
                State::Up(line, since) => {
                    let since = *since;
                    return match line.next().await {
                        Step::Inbound(inbound) => inbound,
                        Step::Over(why) => self.lost(why, since),
                        Step::Expired => {
                            if let State::Up(line, _) = std::mem::replace(&mut self.state, State::Over) {
                                self.state = State::Expiring(Box::pin(line.leave()));
                            }
                            continue;
                        }
                    };
                }
                State::Leaving(goodbye, pause) => {
                    goodbye.as_mut().await;
                    let pause = *pause;
                    self.pause(pause);
                }
                State::Expiring(goodbye) => {
                    goodbye.as_mut().await;
                    self.state = State::Over;
                    return Inbound::Ended(self.login.expired());
                }
                State::Over => never().await,
            }
        }
    }

    fn send(&mut self, out: Outbound) {
        if let State::Up(line, _) = &mut self.state {
            line.send(&out);
        }
    }

    fn hush(&mut self) {
        if let State::Up(line, _) = &mut self.state {
            line.hush();
        }
    }

    fn listen(&mut self, wanted: bool) {
        if let State::Up(line, _) = &mut self.state {
            line.listen(wanted);
        }
    }

    fn acknowledge(&mut self, id: u16) {
        if let State::Up(line, _) = &mut self.state {
            line.acknowledge(id);
        }
    }

    fn reconnect(&mut self, why: &str, pause: Duration) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Up(line, since) => {
                self.was_good(since);
                self.left = Some(why.to_owned());
                self.state = State::Leaving(Box::pin(line.leave()), pause);
            }
            State::Leaving(goodbye, before) => self.state = State::Leaving(goodbye, before.max(pause)),
            State::Pausing(_) | State::Dialing(_) => self.pause(pause),
            end @ (State::Expiring(_) | State::Over) => self.state = end,
        }
    }

    async fn close(&mut self) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Up(line, _) => line.leave().await,
            State::Leaving(goodbye, _) | State::Expiring(goodbye) => goodbye.await,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use base::Seed;

    use super::*;
    use crate::config::LinkConfig;

    /// A thousand devices lose their hub for five seconds: when each is back, in milliseconds after the cut.
    fn returns(fleet: usize, away: Duration) -> Vec<Duration> {
        let config = LinkConfig::default();
        let mut rng = Seed(3).rng();
        let back = |_| {
            let mut backoff = Backoff::new(first_pause(&config, fleet), config.back_off_cap);
            let mut at = backoff.next(&mut rng);
            while at < away {
                at += backoff.next(&mut rng);
            }
            at
        };
        (0..fleet).map(back).collect()
    }

    #[test]
    fn a_fleet_comes_back_in_time_and_not_at_once() {
        for away in [0, 1, 5, 20] {
            let away = Duration::from_secs(away);
            let returns = returns(1000, away);
            let mut seconds = BTreeMap::new();
            for at in &returns {
                *seconds.entry(at.as_secs()).or_insert(0) += 1;
            }
            let (last, most) = (returns.iter().max().unwrap(), seconds.values().max().unwrap());
            assert!(*last <= away + LinkConfig::default().back_off_cap, "{last:?}");
            assert!(*most <= 200, "{most} of 1000 in one second after {away:?}");
        }
    }

    #[test]
    fn one_device_does_not_wait_for_a_fleet() {
        let config = LinkConfig::default();
        assert_eq!(first_pause(&config, 1), config.back_off);
        assert_eq!(first_pause(&config, 100_000), config.back_off_cap);
    }
}
