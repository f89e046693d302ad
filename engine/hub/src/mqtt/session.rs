//! One device's connection from CONNACK to its end: one task, one loop, one timer. What it publishes is in `publish`;
//! the rest of the hub reaches it only through its `Link`.

use std::net::SocketAddr;
use std::sync::Arc;

use net::mqtt::{
    ConnAck, ConnectReturnCode, Connection, MqttError, Packet, SubAck, Subscribe, SubscribeReasonCode, UnsubAck,
    Unsubscribe,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use wire::{DeviceFilter, Identity};

use super::admission::Admission;
use super::keep_alive::{Patience, silence};
use super::listener::Mqtt;
use super::publish::broken;
use super::settings::{FAREWELL, STALL, TAKEOVER_WAIT, UNHEARD, UNSENT};
use super::subscriptions::Subscriptions;
use super::telemetry::Message;
use super::window::Window;
use crate::faults::{How, Strain};
use crate::link::{Ending, Link};
use crate::seam::{Backing, HubEvent, Login, Sender, Telemetry};

/// The state of a connection that was let in.
pub(super) struct Session<S, B> {
    pub(super) hub: Arc<Mqtt<B>>,
    pub(super) connection: Connection<S>,
    pub(super) link: Arc<Link>,
    pub(super) login: Login,
    pub(super) subscriptions: Subscriptions,
    sender: Arc<Sender>,
    patience: Patience,
    /// What was sent with quality 1; hardly any connection has something there.
    pub(super) window: Window,
    clean: bool,
    will: Option<Message>,
}

impl<S: AsyncRead + AsyncWrite + Unpin, B: Backing> Session<S, B> {
    pub(super) fn new(hub: Arc<Mqtt<B>>, connection: Connection<S>, strain: Arc<Strain>, admission: Admission) -> Self {
        let Admission { login, model_id, keep_alive, clean, will, lives } = admission;
        let sender =
            Arc::new(Sender { auth_method: login.auth_method, generation: Arc::clone(&login.generation), model_id });
        let until = login.expires.map(|expires| expires + hub.settings.expiry_grace);
        let until = until.into_iter().chain(lives.map(|lives| hub.clock.now() + lives)).min();
        let patience = Patience::new(silence(keep_alive, hub.settings.longest_silence), until);
        let (link, subscriptions) = (Arc::new(Link::new(strain)), Subscriptions::default());
        let window = Window::default();
        Self { hub, connection, link, login, subscriptions, sender, patience, window, clean, will }
    }

    /// Lives until the end, and leaves nothing behind that belongs to this connection.
    pub(super) async fn run(mut self, peer: Option<SocketAddr>) {
        let (attached, previous) = Attached::enter(&self.hub, &self.login.identity, &self.link);
        // After entering, so that no fault comes in between.
        self.link.strain().go(self.hub.faults.pace(&self.login.identity));
        let ending = match self.begin(previous, peer).await {
            Ok(()) => self.serve().await,
            Err(ending) => ending,
        };
        attached.leave(&ending);
        if let Some(will) = self.will.take().filter(|_| ending != Ending::Disconnected) {
            self.report(will);
        }
        let identity = self.login.identity.clone();
        self.hub.log.say(HubEvent::Disconnected { identity, why: ending.to_string() });
        if !matches!(ending, Ending::Lost(_) | Ending::Slow | Ending::Fault(How::Reset)) {
            // A polite end is worth a moment; a peer that is gone already is no news.
            let _ = timeout(FAREWELL, self.part(&ending)).await;
        }
        // The socket first: a successor waits for the word that it is closed.
        drop(self);
        drop(attached);
    }

    /// Closes. Whoever was cut off in the middle of a burst is still talking: a reset would take the end from it, and paho's
    /// network thread dies of one; so it may talk to nobody until it has seen the end.
    async fn part(&mut self, ending: &Ending) -> Result<(), MqttError> {
        self.connection.close().await?;
        if matches!(ending, Ending::Throttled(_)) {
            self.connection.discard(UNHEARD).await?;
        }
        Ok(())
    }

    /// Waits for the socket it replaces to close, restores the session, says CONNACK.
    async fn begin(&mut self, previous: Option<Arc<Link>>, peer: Option<SocketAddr>) -> Result<(), Ending> {
        if let Some(previous) = previous {
            // Should the old one be stuck, the new one goes ahead all the same.
            let _ = timeout(TAKEOVER_WAIT, previous.until_closed()).await;
        }
        let identity = &self.login.identity;
        let kept = self.hub.backing.load_session(identity);
        let session_present = kept.is_some() && !self.clean;
        match (kept, self.clean) {
            (Some(_), true) => self.hub.backing.store_session(identity, None).await,
            (Some(kept), false) => self.subscriptions = Subscriptions::new(kept),
            (None, false) => self.hub.backing.store_session(identity, Some(Vec::new())).await,
            (None, true) => {}
        }
        if let Some(ending) = self.link.ending() {
            return Err(ending);
        }
        let answer = ConnAck { session_present, code: ConnectReturnCode::Success };
        self.connection.queue(&Packet::ConnAck(answer)).map_err(broken)?;
        self.hub.log.say(HubEvent::Connected { identity: identity.clone(), peer, session_present });
        self.announce();
        Ok(())
    }

    async fn serve(&mut self) -> Ending {
        let timer = sleep_until(Instant::now());
        tokio::pin!(timer);
        loop {
            if let Some(ending) = self.link.ending() {
                return ending;
            }
            if self.connection.queued() > UNSENT {
                if let Err(ending) = self.unload().await {
                    return ending;
                }
                continue;
            }
            self.link.collect(|mail| self.connection.queue_written(mail));
            if self.link.messages_wait() {
                if let Err(ending) = Box::pin(self.deliver()).await {
                    return ending;
                }
                continue;
            }
            if let Some(due) = self.window.due().filter(|due| *due < timer.deadline()) {
                timer.as_mut().reset(due);
            }
            tokio::select! {
                biased;
                // First, or a device that never stops talking would outlive its token.
                () = &mut timer => match self.patience.next(self.hub.clock.now()) {
                    Ok(next) => {
                        timer.as_mut().reset(next);
                        if let Err(ending) = self.send_again() {
                            return ending;
                        }
                    }
                    Err(ending) => return ending,
                },
                incoming = self.connection.read() => {
                    self.patience.heard();
                    let handled = match incoming {
                        Ok(Some(incoming)) => self.handle(incoming.packet).await,
                        Ok(None) => Err(Ending::Lost("it closed the connection".to_owned())),
                        Err(error) => Err(broken(error)),
                    };
                    if let Err(ending) = handled {
                        return ending;
                    }
                }
                () = self.link.woken() => {}
            }
        }
    }

    /// The device must take what it caused before it may cause more. Slow is fine, as long as it moves.
    async fn unload(&mut self) -> Result<(), Ending> {
        let link = Arc::clone(&self.link);
        loop {
            let before = self.connection.queued();
            tokio::select! {
                biased;
                () = link.ended() => return Ok(()),
                sent = self.connection.flush() => {
                    self.patience.heard();
                    return sent.map_err(broken);
                }
                () = sleep(STALL) => {}
            }
            if self.connection.queued() >= before {
                return Err(Ending::Slow);
            }
        }
    }

    /// Takes nothing from the device until `until`: what it sent has to wait for its turn. Calls and notifications for the device
    /// go out all the same.
    pub(super) async fn hold(&mut self, until: Instant) -> Result<(), Ending> {
        let link = Arc::clone(&self.link);
        let turn = sleep_until(until);
        tokio::pin!(turn);
        loop {
            if let Some(ending) = link.ending() {
                return Err(ending);
            }
            let full = self.connection.queued() > UNSENT;
            if !full {
                link.collect(|mail| self.connection.queue_written(mail));
            }
            let unsent = self.connection.queued() > 0;
            tokio::select! {
                biased;
                () = &mut turn => break,
                sent = self.connection.flush(), if unsent => sent.map_err(broken)?,
                () = link.mailed(), if !full => {}
                () = link.ended(), if full => {}
            }
        }
        // It may have spoken all the while: nobody listened.
        self.patience.heard();
        Ok(())
    }

    async fn handle(&mut self, packet: Packet) -> Result<(), Ending> {
        match packet {
            Packet::Publish(publish) => self.publish(publish).await,
            Packet::Subscribe(subscribe) => self.subscribe(&subscribe).await,
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(&unsubscribe).await,
            Packet::PingReq => self.connection.queue(&Packet::PingResp).map_err(broken),
            Packet::Disconnect => Err(Ending::Disconnected),
            Packet::PubAck(acknowledged) => Box::pin(self.acknowledged(acknowledged.pkid)).await,
            Packet::Connect(_) => Err(Ending::Broke("a second CONNECT".to_owned())),
            Packet::PubRec(_) | Packet::PubRel(_) | Packet::PubComp(_) => {
                Err(Ending::Broke("quality of service 2".to_owned()))
            }
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
                Err(Ending::Broke("a packet that only a server sends".to_owned()))
            }
        }
    }

    async fn subscribe(&mut self, subscribe: &Subscribe) -> Result<(), Ending> {
        let before = self.subscriptions.clone();
        let add = |filter| self.subscriptions.add(&self.login.identity, filter);
        let return_codes: Vec<SubscribeReasonCode> = subscribe.filters.iter().map(add).collect();
        self.keep(before).await;
        self.connection.queue(&Packet::SubAck(SubAck { pkid: subscribe.pkid, return_codes })).map_err(broken)?;
        // Only now: a parked call must not overtake the SUBACK.
        self.announce();
        Ok(())
    }

    async fn unsubscribe(&mut self, unsubscribe: &Unsubscribe) -> Result<(), Ending> {
        let before = self.subscriptions.clone();
        for filter in &unsubscribe.topics {
            self.subscriptions.remove(filter);
        }
        self.keep(before).await;
        self.announce();
        self.connection.queue(&Packet::UnsubAck(UnsubAck { pkid: unsubscribe.pkid })).map_err(broken)
    }

    /// Stores a kept session's subscriptions if they changed.
    async fn keep(&self, before: Subscriptions) {
        if !self.clean && self.subscriptions != before {
            self.hub.backing.store_session(&self.login.identity, Some(self.subscriptions.to_vec())).await;
        }
    }

    /// Tells the rest of the hub what may be sent to this device from now on.
    fn announce(&self) {
        self.link.subscribe(self.subscriptions.filters());
        if self.message_quality().is_some() {
            self.link.message_waits();
        }
        if self.subscriptions.has(&DeviceFilter::Methods) {
            self.hub.exchange.subscribed(&self.login.identity);
        }
    }

    /// Passes a device-to-cloud message on.
    pub(super) fn report(&self, message: Message) {
        let Message { properties, body } = message;
        self.hub.log.say(HubEvent::Telemetry(Arc::new(Telemetry {
            identity: self.login.identity.clone(),
            sender: Arc::clone(&self.sender),
            properties,
            body,
            enqueued: self.hub.clock.now(),
        })));
    }
}

/// A connection's place in the exchange. Dropping it leaves, so that even a panic in the session's task keeps no ghost.
struct Attached<B: Backing> {
    hub: Arc<Mqtt<B>>,
    identity: Identity,
    link: Arc<Link>,
}

impl<B: Backing> Attached<B> {
    /// Enters; the connection of the same identity that it replaces is on its way out.
    fn enter(hub: &Arc<Mqtt<B>>, identity: &Identity, link: &Arc<Link>) -> (Self, Option<Arc<Link>>) {
        let previous = hub.exchange.attach(identity, link, || hub.backing.set_connected(identity, true));
        (Self { hub: Arc::clone(hub), identity: identity.clone(), link: Arc::clone(link) }, previous)
    }

    /// Leaves: whoever still waits for an answer of this connection learns that there is none. Twice is once.
    fn leave(&self, why: &Ending) {
        self.link.end(why.clone());
        let note = || self.hub.backing.set_connected(&self.identity, false);
        self.hub.exchange.detach(&self.identity, &self.link, note);
    }
}

impl<B: Backing> Drop for Attached<B> {
    fn drop(&mut self) {
        self.leave(&Ending::Lost("its task ended".to_owned()));
        self.link.closed();
    }
}
