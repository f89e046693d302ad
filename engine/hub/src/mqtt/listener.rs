//! The door: accepts TCP, does TLS within a deadline, lets CONNECT be judged, and runs the session.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base::{Clock, Seed};
use net::mqtt::{ConnAck, ConnectReturnCode, Connection, MqttError, Packet};
use net::tls::{ServerStream, TlsAcceptor};
use rand::Rng;
use rand::rngs::StdRng;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::{Tracking, client_id};

use super::admission::{Admission, Rejection, judge};
use super::session::Session;
use super::settings::{ACCEPT_PAUSE, FAREWELL, FAREWELL_BYTES, LIMITS, MqttSettings, STRANGER};
use crate::exchange::Exchange;
use crate::quota::{Kind, Quotas};
use crate::seam::{Backing, HubEvent, HubLog};

/// What all MQTT connections of a hub share.
pub(crate) struct Mqtt<B> {
    pub(crate) backing: Arc<B>,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) log: HubLog,
    pub(crate) clock: Clock,
    pub(crate) settings: MqttSettings,
    /// For the tracking ids of errors.
    random: Mutex<StdRng>,
}

impl<B: Backing> Mqtt<B> {
    pub(crate) fn new(
        backing: Arc<B>,
        exchange: Arc<Exchange>,
        quotas: Arc<Quotas>,
        log: HubLog,
        clock: Clock,
        seed: Seed,
        settings: MqttSettings,
    ) -> Arc<Self> {
        let random = Mutex::new(seed.of("mqtt").rng());
        Arc::new(Self { backing, exchange, quotas, log, clock, settings, random })
    }

    /// What an error is found by in the service's logs.
    pub(super) fn tracking(&self) -> Tracking {
        let random = self.random.lock().expect("a generator is plain data: nothing panics while it is held").random();
        Tracking::new(random, self.clock.now())
    }

    /// A connection's turn among new connections; one too many is told that the hub is not available now.
    async fn turn(&self, admission: Admission) -> Result<Admission, Rejection> {
        match self.quotas.pass(Kind::Connections, 0).await {
            Ok(()) => Ok(admission),
            Err(refusal) => Err(Rejection {
                code: Some(ConnectReturnCode::ServiceUnavailable),
                client_id: Some(client_id(&admission.login.identity)),
                reason: format!("it was throttled: {}", refusal.error.message),
            }),
        }
    }

    fn refused(&self, peer: Option<SocketAddr>, client_id: Option<String>, reason: impl Into<String>) {
        self.log.say(HubEvent::Refused { client_id, peer, reason: reason.into() });
    }
}

/// Serves devices until `stop`; returns when every connection is closed. Meant for a runtime of one thread.
pub(crate) async fn serve<B: Backing>(
    listener: TcpListener,
    tls: TlsAcceptor,
    hub: Arc<Mqtt<B>>,
    stop: CancellationToken,
) {
    let half_open = Arc::new(Semaphore::new(hub.settings.half_open));
    let connections = TaskTracker::new();
    loop {
        let permit = tokio::select! {
            () = stop.cancelled() => break,
            permit = Arc::clone(&half_open).acquire_owned() => permit.expect("the semaphore is never closed"),
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (hub, tls, stop) = (Arc::clone(&hub), tls.clone(), stop.clone());
                connections.spawn(async move {
                    let entered = tokio::select! {
                        biased;
                        // Sessions are told by the exchange; this ends those that have not come so far.
                        () = stop.cancelled() => None,
                        entered = enter(&hub, &tls, stream, peer) => entered,
                    };
                    drop(permit);
                    if let Some(session) = entered {
                        session.run(Some(peer)).await;
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a device");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    hub.exchange.stop();
    connections.close();
    connections.wait().await;
}

/// TLS and CONNECT, each within its deadline; `None` when the connection is over.
async fn enter<B: Backing>(
    hub: &Arc<Mqtt<B>>,
    tls: &TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
) -> Option<Session<ServerStream<TcpStream>, B>> {
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
    greet(hub, stream, Some(peer), started + hub.settings.connect_deadline).await
}

/// Reads CONNECT and lets it be judged; a refusal is answered and the connection closed.
pub(super) async fn greet<S: AsyncRead + AsyncWrite + Unpin, B: Backing>(
    hub: &Arc<Mqtt<B>>,
    stream: S,
    peer: Option<SocketAddr>,
    deadline: Instant,
) -> Option<Session<S, B>> {
    let mut connection = Connection::new(stream, STRANGER);
    let judged = match timeout_at(deadline, connection.read()).await {
        Ok(first) => judge(&*hub.backing, first),
        Err(_) => Err(Rejection::silent("it sent no CONNECT in time")),
    };
    let judged = match judged {
        // Strangers cost nobody's quota: only who was let in counts.
        Ok(admission) => Box::pin(hub.turn(admission)).await,
        refused => refused,
    };
    match judged {
        Ok(admission) => {
            connection.set_limits(LIMITS);
            Some(Session::new(Arc::clone(hub), connection, admission))
        }
        Err(Rejection { code, client_id, reason }) => {
            hub.refused(peer, client_id, reason);
            // The refusal stands whether or not the client hears of it.
            let _ = timeout(FAREWELL, farewell(&mut connection, code)).await;
            None
        }
    }
}

/// Says no, and closes so that the client can read it.
async fn farewell<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<S>,
    code: Option<ConnectReturnCode>,
) -> Result<(), MqttError> {
    if let Some(code) = code {
        connection.queue(&Packet::ConnAck(ConnAck { session_present: false, code }))?;
        connection.close().await?;
        connection.discard(FAREWELL_BYTES).await?;
    }
    Ok(())
}
