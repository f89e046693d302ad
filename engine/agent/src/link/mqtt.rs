//! The link to a real hub: dials, comes back after losses with jittered pauses, renews tokens ahead of time.

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use base::{Backoff, Diagnostic};
use futures_util::future::LocalBoxFuture;
use tokio::time::{Instant, Interval, Sleep, interval_at, sleep};

use super::dial::{DialError, Dialer};
use super::line::{Line, Step, never};
use super::login::Login;
use super::open::DeviceStream;
use super::{DeviceLink, Down, Inbound, Outbound};

/// A connection that lasted this long was a good one; a shorter one, as two clients with one name give each other, is
/// answered with a longer pause each time.
const GOOD: Duration = Duration::from_secs(30);

/// So many connections in a row that the hub ended early mean that somebody else has this device's name.
const CROWDED: u32 = 3;

/// A connection of two that fight lasts until the other one's pause is over: it is early within this many pauses.
const PAUSES: u32 = 4;

/// A token that was replaced is used when nothing is in flight, at the latest after this time.
const RENEW_BY: Duration = Duration::from_secs(30);

/// How often a token's file is looked at.
const LOOK: Duration = Duration::from_secs(2);

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
    crowd: Crowd,
    /// What is to be said next.
    next: Option<Diagnostic>,
    /// When the token's file is looked at.
    look: Option<Box<Interval>>,
    /// That it is out of date was said.
    stale: bool,
}

/// Connections in a row that the hub ended early.
#[derive(Default)]
struct Crowd {
    early: u32,
    /// The pauses, once there were too many.
    backoff: Option<Backoff>,
    /// The last one of them.
    pause: Duration,
}

impl Crowd {
    /// A connection ended; `cut` if the hub did it for no reason that is seen here. Whether that makes too many.
    fn ended(&mut self, cut: bool, life: Duration) -> bool {
        if life >= GOOD.max(PAUSES * self.pause) {
            *self = Self::default();
        }
        // Other ends say nothing either way.
        self.early += u32::from(cut && life < GOOD.max(PAUSES * self.pause));
        self.early >= CROWDED
    }
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
            crowd: Crowd::default(),
            next: None,
            look: None,
            stale: false,
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
            DialError::Stale(finding) => {
                self.stale = true;
                self.pause(LOOK);
                Inbound::Down(Down::Refused { finding, again_in: LOOK })
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

    fn lost(&mut self, why: String, since: Instant, cut: bool) -> Inbound {
        self.was_good(since);
        let mut pause = self.dialer.pause(&mut self.backoff);
        if self.crowd.ended(cut, since.elapsed()) {
            let config = &self.dialer.config;
            let cap = config.crowded_cap.max(config.back_off_cap);
            if self.crowd.backoff.is_none() {
                self.next = Some(crowded(&self.login, cap));
            }
            let backoff = self.crowd.backoff.get_or_insert_with(|| Backoff::new(config.back_off_cap, cap));
            pause = self.dialer.pause(backoff);
            self.crowd.pause = pause;
        }
        self.pause(pause);
        Inbound::Down(Down::Lost(why))
    }

    /// The token is out of date; another one may come.
    fn expired(&mut self) -> Inbound {
        let State::Up(line, _) = std::mem::replace(&mut self.state, State::Over) else { unreachable!("it was up") };
        if self.login.is_replaced() {
            self.state = State::Leaving(Box::pin(line.leave()), Duration::ZERO);
            return Inbound::Down(Down::Lost("the token is out of date".into()));
        }
        self.state = State::Expiring(Box::pin(line.leave()));
        Inbound::Down(Down::Lost("the token is out of date".into()))
    }
}

fn crowded(login: &Login, cap: Duration) -> Diagnostic {
    let (device, cap) = (login.identity(), base::format_duration(cap));
    Diagnostic::warning(format!(
        "another client seems to log in as {device}: the hub ended {CROWDED} connections in a row early; pausing longer \
         each time, up to {cap}"
    ))
    .labelled("crowded")
    .help(format!("does another agent or program use this device's credentials? each login of {device} ends the other's"))
}

/// A fleet that is cut off at once must not knock at once: its first pauses are longer, so that no second sees too many.
fn first_pause(config: &crate::config::LinkConfig, fleet: usize) -> Duration {
    /// A hub of one unit takes 100 new connections in a second.
    const EACH: Duration = Duration::from_millis(10);
    let spread = EACH.saturating_mul(u32::try_from(fleet.saturating_sub(1)).unwrap_or(u32::MAX));
    config.back_off.max(spread).min(config.back_off_cap)
}

/// Until the token's file has another token that can be used. Cancel-safe: a look that is dropped is taken again.
async fn replaced(look: &mut Option<Box<Interval>>, login: &Login, clock: &base::Clock) {
    let Some(look) = look else { return never().await };
    loop {
        look.tick().await;
        if login.is_fresh(clock).await {
            return;
        }
    }
}

impl DeviceLink for MqttLink {
    async fn next(&mut self) -> Inbound {
        loop {
            if let Some(why) = self.left.take() {
                return Inbound::Down(Down::Lost(why));
            }
            if let Some(finding) = self.next.take() {
                return Inbound::Down(Down::Crowded(finding));
            }
            match &mut self.state {
                State::Pausing(pause) => {
                    pause.as_mut().await;
                    self.dial();
                }
                State::Dialing(attempt) => match attempt.as_mut().await {
                    Ok(line) => {
                        self.state = State::Up(Box::new(line), Instant::now());
                        self.stale = false;
                        let look = || Box::new(interval_at(Instant::now() + LOOK, LOOK));
                        self.look = self.login.is_replaced().then(look);
                        return Inbound::Up;
                    }
                    // Said once; it is looked at again and again.
                    Err(DialError::Stale(_)) if self.stale => self.pause(LOOK),
                    Err(error) => return self.failed(error),
                },
                State::Up(line, since) => {
                    let since = *since;
                    let (login, clock) = (&self.login, &self.dialer.clock);
                    let step = tokio::select! {
                        biased;
                        step = line.next() => step,
                        () = replaced(&mut self.look, login, clock) => {
                            // Once for this connection: the next one has the new token.
                            self.look = None;
                            Step::Inbound(Inbound::Renew(RENEW_BY))
                        }
                    };
                    return match step {
                        Step::Inbound(inbound) => inbound,
                        Step::Over(why) => self.lost(why, since, false),
                        Step::Cut(why) => self.lost(why, since, true),
                        Step::Expired => self.expired(),
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
