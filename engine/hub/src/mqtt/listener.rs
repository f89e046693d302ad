//! Port 8883: accepts TCP, does TLS within a deadline, and leads to the door.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base::{Clock, Seed};
use net::mqtt::ConnectReturnCode;
use net::tls::{PeerCertificate, TlsAcceptor};
use rand::Rng;
use rand::rngs::StdRng;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use wire::{Tracking, client_id};

use super::admission::{Admission, Rejection};
use super::door::{DeviceStream, Door, Entered, greet};
use super::settings::{ACCEPT_PAUSE, MqttSettings};
use crate::dps::SESSIONS;
use crate::exchange::Exchange;
use crate::faults::{Faults, Faulty, Strain};
use crate::quota::{Kind, Quotas};
use crate::seam::{Backing, HubEvent, HubLog};

/// What all MQTT connections of a hub share.
pub(crate) struct Mqtt<B> {
    pub(crate) backing: Arc<B>,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) log: HubLog,
    pub(crate) clock: Clock,
    pub(crate) settings: MqttSettings,
    /// Places of registering devices.
    pub(super) registering: Arc<Semaphore>,
    /// For the tracking ids of errors.
    random: Mutex<StdRng>,
}

impl<B: Backing> Mqtt<B> {
    pub(crate) fn new(
        backing: Arc<B>,
        exchange: Arc<Exchange>,
        (quotas, faults): (Arc<Quotas>, Arc<Faults>),
        log: HubLog,
        clock: Clock,
        seed: Seed,
        settings: MqttSettings,
    ) -> Arc<Self> {
        let random = Mutex::new(seed.of("mqtt").rng());
        let registering = Arc::new(Semaphore::new(SESSIONS));
        Arc::new(Self { backing, exchange, quotas, faults, log, clock, settings, registering, random })
    }

    /// What an error is found by in the service's logs.
    pub(crate) fn tracking(&self) -> Tracking {
        let random = self.random.lock().expect("a generator is plain data: nothing panics while it is held").random();
        Tracking::new(random, self.clock.now())
    }

    /// A connection's turn among new connections; one too many is told that the hub is not available now.
    pub(super) async fn turn(&self, admission: Admission) -> Result<Admission, Rejection> {
        match self.quotas.pass(Kind::Connections, 0).await {
            Ok(()) => Ok(admission),
            Err(refusal) => Err(Rejection {
                code: Some(ConnectReturnCode::ServiceUnavailable),
                client_id: Some(client_id(&admission.login.identity)),
                reason: format!("it was throttled: {}", refusal.error.message),
            }),
        }
    }

    pub(crate) fn refused(&self, peer: Option<SocketAddr>, client_id: Option<String>, reason: impl Into<String>) {
        self.log.say(HubEvent::Refused { client_id, peer, reason: reason.into() });
    }
}

/// Serves devices until the door closes; returns when every connection is closed. Meant for a runtime of one thread.
pub(crate) async fn serve<B: Backing>(listener: TcpListener, tls: TlsAcceptor, door: Door<B>) {
    let half_open = Arc::new(Semaphore::new(door.hub.settings.half_open));
    let accept = async {
        loop {
            let permit = Arc::clone(&half_open).acquire_owned().await.expect("the semaphore is never closed");
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let (hub, tls) = (Arc::clone(&door.hub), tls.clone());
                    door.run(peer, permit, async move { enter(&hub, &tls, stream, peer).await });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a device");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = door.closed() => {}
    }
}

/// TLS and CONNECT, each within its deadline; `None` when the connection is over.
async fn enter<B: Backing>(
    hub: &Arc<Mqtt<B>>,
    tls: &TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
) -> Option<Entered<DeviceStream, B>> {
    let started = Instant::now();
    // Packets are small and already batched; waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let stream = match timeout(hub.settings.handshake_deadline, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            hub.refused(Some(peer), None, format!("the TLS handshake failed: {error}"));
            return None;
        }
        Err(_) => {
            hub.refused(Some(peer), None, "the TLS handshake took too long");
            return None;
        }
    };
    let certificate = PeerCertificate::of(&stream);
    let deadline = started + hub.settings.connect_deadline;
    let strain = Arc::<Strain>::default();
    let stream = Faulty::tcp(stream, Arc::clone(&strain));
    greet(hub, DeviceStream::Plain(stream), strain, certificate, Some(peer), deadline).await
}
