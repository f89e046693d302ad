//! One connection that is logged in: packets to [`Inbound`] and back, pings, acknowledgements and their deadlines.
//! Over any stream. Does not connect and does not come back.

use std::collections::VecDeque;
use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use net::mqtt::{
    Connection, MqttError, Packet, PubAck, Publish, QoS, Subscribe, SubscribeFilter, SubscribeReasonCode, Unsubscribe,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use wire::{DeviceFilter, DeviceTopic, Identity};

use super::login::Valid;
use super::{Inbound, Outbound};
use crate::config::Patience;
use crate::outbox::Sending;

/// A goodbye is a courtesy: a line that does not take it in this time is left.
const GOODBYE: Duration = Duration::from_secs(2);

/// Parts of a token's life: from the first on it is renewed when nothing is in flight, at the last at any cost.
const RENEW: (f64, f64) = (0.8, 0.95);

/// What the line came to.
#[derive(Debug)]
pub(super) enum Step {
    /// Something for the session.
    Inbound(Inbound),
    /// The connection is over; why.
    Over(String),
    /// The hub ended it while it owed nothing.
    Cut(String),
    /// The token is out of date and cannot be renewed.
    Expired,
}

/// A connection that is logged in and subscribed.
pub(super) struct Line<S> {
    connection: Connection<S>,
    identity: Identity,
    keep_alive: Duration,
    patience: Patience,
    /// What arrived before the subscriptions were confirmed.
    early: VecDeque<Packet>,
    /// Packet ids on the line, oldest first, with the session's ticket and the time by which they must be acknowledged.
    unacknowledged: VecDeque<(u16, u64, Instant)>,
    last_id: u16,
    /// The packet id of the UNSUBSCRIBE on the line.
    hush_id: Option<u16>,
    /// The packet id of the SUBSCRIBE on the line.
    listen_id: Option<u16>,
    /// When the peer was heard, or pinged, last.
    alive: Instant,
    pong_by: Option<Instant>,
    renew: Option<(Instant, Instant)>,
    ends: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    /// A reason to leave that was found while sending.
    broken: Option<String>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    /// Takes a connection after its login; `jitter` (0 to 1) spreads a fleet's renewals.
    pub(super) fn new(
        connection: Connection<S>,
        identity: Identity,
        (keep_alive, patience): (Duration, Patience),
        valid: Valid,
        early: VecDeque<Packet>,
        jitter: f64,
    ) -> Self {
        let now = Instant::now();
        let (renew, ends) = match valid {
            Valid::Always => (None, None),
            Valid::Renewable(life) => {
                let due = RENEW.0 + jitter * (RENEW.1 - RENEW.0) / 2.0;
                (Some((now + life.mul_f64(due), now + life.mul_f64(RENEW.1))), None)
            }
            Valid::Fixed(life) => (None, Some(now + life)),
        };
        let mut line = Self {
            connection,
            identity,
            keep_alive,
            patience,
            early,
            unacknowledged: VecDeque::new(),
            last_id: 0,
            hush_id: None,
            listen_id: None,
            alive: now,
            pong_by: None,
            renew,
            ends,
            timer: Box::pin(sleep_until(now)),
            broken: None,
        };
        let due = line.due();
        line.timer.as_mut().reset(due);
        line
    }

    /// What happens next. Cancel-safe.
    pub(super) async fn next(&mut self) -> Step {
        loop {
            if let Some(why) = self.broken.take() {
                return Step::Over(why);
            }
            if let Some(packet) = self.early.pop_front() {
                if let Some(step) = self.take(packet) {
                    return step;
                }
                continue;
            }
            tokio::select! {
                biased;
                read = self.connection.read() => {
                    self.alive = Instant::now();
                    match read {
                        Ok(Some(incoming)) => if let Some(step) = self.take(incoming.packet) {
                            return step;
                        },
                        Ok(None) => return self.ended("the hub closed the connection".into(), true),
                        Err(error) => return self.ended(reason(&error), matches!(error, MqttError::Io(_))),
                    }
                }
                () = self.timer.as_mut() => if let Some(step) = self.tick() {
                    return step;
                },
            }
        }
    }

    fn ended(&self, why: String, by_peer: bool) -> Step {
        if by_peer && self.unacknowledged.is_empty() { Step::Cut(why) } else { Step::Over(why) }
    }

    /// What a packet means; none when it is the line's own business.
    fn take(&mut self, packet: Packet) -> Option<Step> {
        match packet {
            Packet::Publish(publish) => self.published(&publish),
            Packet::PubAck(ack) => {
                let at = self.unacknowledged.iter().position(|(id, ..)| *id == ack.pkid)?;
                let (_, ticket, _) = self.unacknowledged.remove(at)?;
                Some(Step::Inbound(Inbound::Acknowledged(ticket)))
            }
            Packet::PingResp => {
                self.pong_by = None;
                None
            }
            Packet::UnsubAck(ack) => {
                let hushed = self.hush_id.take_if(|id| *id == ack.pkid);
                hushed.map(|_| Step::Inbound(Inbound::Hushed))
            }
            // One that answers nothing is harmless.
            Packet::SubAck(ack) => {
                self.listen_id.take_if(|id| *id == ack.pkid)?;
                let refused = !ack.return_codes.iter().all(|code| granted(*code));
                refused.then_some(Step::Inbound(Inbound::NotListening))
            }
            other => Some(Step::Over(format!("the hub sent a packet that only a device sends ({other:?})"))),
        }
    }

    fn published(&mut self, publish: &Publish) -> Option<Step> {
        let inbound = match DeviceTopic::parse(&publish.topic) {
            Ok(DeviceTopic::MethodRequest { name, rid }) => {
                Inbound::Method { rid: rid.to_owned(), name: name.into_owned(), payload: publish.payload.clone() }
            }
            Ok(DeviceTopic::TwinResponse { status, rid, .. }) => {
                Inbound::Twin { rid: rid.to_owned(), status, body: publish.payload.clone() }
            }
            Ok(DeviceTopic::Desired { version }) => Inbound::Desired { version, patch: publish.payload.clone() },
            // Acknowledged by the session, when it is done with.
            Ok(DeviceTopic::CloudToDevice { properties, .. }) => {
                let id = (publish.qos != QoS::AtMostOnce).then_some(publish.pkid);
                let (again, body) = (publish.dup, publish.payload.clone());
                return Some(Step::Inbound(Inbound::Message { id, again, properties, body }));
            }
            // Never asked for here, yet an earlier session of this module may have.
            Ok(DeviceTopic::ModuleInput { .. }) => return None,
            _ => {
                tracing::debug!(device = %self.identity, topic = %publish.topic, "a topic that means nothing to a device");
                return None;
            }
        };
        if publish.qos != QoS::AtMostOnce {
            self.queue(&Packet::PubAck(PubAck::new(publish.pkid)));
        }
        Some(Step::Inbound(inbound))
    }

    /// Gives the subscription to method calls back.
    pub(super) fn hush(&mut self) {
        let mut packet = Unsubscribe::new(DeviceFilter::Methods.to_string());
        packet.pkid = self.fresh_id();
        self.hush_id = Some(packet.pkid);
        self.queue(&Packet::Unsubscribe(packet));
    }

    /// Asks for cloud-to-device messages, or gives the subscription back.
    pub(super) fn listen(&mut self, wanted: bool) {
        let filter = DeviceFilter::CloudToDevice(self.identity.clone()).to_string();
        let id = self.fresh_id();
        if wanted {
            let mut packet = Subscribe::new_many([SubscribeFilter::new(filter, QoS::AtLeastOnce)]);
            packet.pkid = id;
            self.listen_id = Some(id);
            self.queue(&Packet::Subscribe(packet));
        } else {
            let mut packet = Unsubscribe::new(filter);
            packet.pkid = id;
            self.queue(&Packet::Unsubscribe(packet));
        }
    }

    /// Acknowledges a message.
    pub(super) fn acknowledge(&mut self, id: u16) {
        self.queue(&Packet::PubAck(PubAck::new(id)));
    }

    /// Puts one thing on the line.
    pub(super) fn send(&mut self, out: &Outbound) {
        let (topic, payload, ticket) = match out {
            Outbound::TwinGet { rid } => (DeviceTopic::TwinGet { rid }, &[][..], None),
            Outbound::Report { rid, patch } => {
                (DeviceTopic::TwinReported { rid, version: None }, patch.as_slice(), None)
            }
            Outbound::Reply { rid, status, payload, ticket } => {
                (DeviceTopic::MethodResponse { status: *status, rid }, payload.as_slice(), *ticket)
            }
            Outbound::Message { message: Sending { properties, body, again: _ }, ticket } => {
                let topic = DeviceTopic::Telemetry { identity: self.identity.clone(), properties: properties.clone() };
                (topic, body.as_slice(), Some(*ticket))
            }
        };
        let topic = topic.to_string();
        match ticket {
            None => {
                let queued = self.connection.queue_publish(&topic, payload);
                self.noted(queued);
            }
            Some(ticket) => {
                let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload);
                publish.pkid = self.fresh_id();
                publish.dup = matches!(out, Outbound::Message { message, .. } if message.again);
                let by = Instant::now() + self.patience.acknowledgement;
                self.unacknowledged.push_back((publish.pkid, ticket, by));
                self.queue(&Packet::Publish(publish));
                if by < self.timer.deadline() {
                    self.timer.as_mut().reset(by);
                }
            }
        }
    }

    fn queue(&mut self, packet: &Packet) {
        let queued = self.connection.queue(packet);
        self.noted(queued);
    }

    fn noted(&mut self, queued: Result<(), MqttError>) {
        if let Err(error) = queued {
            // Sizes are checked where things are made, so this is a fault of ours: better a new line than a silent loss.
            self.broken = Some(reason(&error));
        }
    }

    fn fresh_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            // The outbox keeps far fewer than 65,535 on the line.
            let asked = [self.hush_id, self.listen_id].contains(&Some(self.last_id));
            if !asked && !self.unacknowledged.iter().any(|(id, ..)| *id == self.last_id) {
                return self.last_id;
            }
        }
    }

    /// The next moment at which something may be due.
    fn due(&self) -> Instant {
        let ping = self.pong_by.unwrap_or(self.alive + self.keep_alive);
        let acknowledged = self.unacknowledged.front().map(|(.., by)| *by);
        [acknowledged, self.renew.map(|(due, _)| due), self.ends].into_iter().flatten().fold(ping, Instant::min)
    }

    /// Does what is due, and sets the timer anew.
    fn tick(&mut self) -> Option<Step> {
        let now = Instant::now();
        let passed = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if passed(self.ends) {
            return Some(Step::Expired);
        }
        if passed(self.pong_by) {
            return Some(Step::Over("the hub did not answer a ping".into()));
        }
        if passed(self.unacknowledged.front().map(|(.., by)| *by)) {
            return Some(Step::Over("the hub did not acknowledge in time".into()));
        }
        let renew = self.renew.take_if(|(due, _)| *due <= now);
        if self.pong_by.is_none() && self.alive + self.keep_alive <= now {
            self.queue(&Packet::PingReq);
            self.pong_by = Some(now + self.patience.pong);
        }
        let due = self.due();
        self.timer.as_mut().reset(due);
        renew.map(|(_, by)| Step::Inbound(Inbound::Renew(by.saturating_duration_since(now))))
    }

    /// Sends what waits, says goodbye and closes; gives up silently after a short while.
    pub(super) async fn leave(mut self) {
        self.queue(&Packet::Disconnect);
        // Either way the line is gone; a hub that is not there any more misses nothing.
        let _ = timeout(GOODBYE, self.connection.close()).await;
    }
}

/// An error and its causes in one line.
pub(super) fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Whether a subscription was taken.
pub(super) fn granted(code: SubscribeReasonCode) -> bool {
    matches!(code, SubscribeReasonCode::Success(_))
}

/// Never; for a `select!` branch that has nothing to wait for.
pub(super) async fn never() {
    pending::<()>().await;
}
