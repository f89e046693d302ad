//! The door for a stream that is encrypted already, whichever port it came by: CONNECT is judged, then the session runs.
//! Owns all sessions of a hub.

use std::net::SocketAddr;
use std::sync::Arc;

use net::mqtt::{ConnAck, Connect, ConnectReturnCode, Connection, Incoming, MqttError, Packet};
use net::tls::{PeerCertificate, ServerStream};
use net::ws::Carried;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::dps::DpsUsername;

use super::admission::{Rejection, judge};
use super::listener::Mqtt;
use super::session::Session;
use super::settings::{FAREWELL, FAREWELL_BYTES, LIMITS, STRANGER};
use crate::dps::DpsSession;
use crate::faults::{Faulty, Strain};
use crate::seam::Backing;

/// What a device's packets come over: TLS, with the frames of a WebSocket or without.
pub(crate) type DeviceStream = Carried<Faulty<ServerStream<TcpStream>>>;

/// See the module's description.
pub(crate) struct Door<B> {
    pub(super) hub: Arc<Mqtt<B>>,
    pub(super) sessions: TaskTracker,
    stop: CancellationToken,
}

impl<B> Clone for Door<B> {
    fn clone(&self) -> Self {
        Self { hub: Arc::clone(&self.hub), sessions: self.sessions.clone(), stop: self.stop.clone() }
    }
}

impl<B: Backing> Door<B> {
    /// A door that is closed by `stop`.
    pub(crate) fn new(hub: Arc<Mqtt<B>>, stop: CancellationToken) -> Self {
        Self { hub, sessions: TaskTracker::new(), stop }
    }

    /// Runs a device's session in a task of its own. `arrived` is when the stream was accepted; `place` is what it holds
    /// among the strangers, given back once it is known.
    pub(crate) fn admit(&self, stream: DeviceStream, peer: SocketAddr, arrived: Instant, place: impl Send + 'static) {
        let hub = Arc::clone(&self.hub);
        self.run(peer, place, async move {
            let deadline = arrived + hub.settings.connect_deadline;
            let certificate = PeerCertificate::of(stream.get_ref().get_ref());
            let strain = Arc::clone(stream.get_ref().strain());
            greet(&hub, stream, strain, certificate, Some(peer), deadline).await
        });
    }

    /// Runs whatever leads to a session, then the session.
    pub(super) fn run(
        &self,
        peer: SocketAddr,
        place: impl Send + 'static,
        enter: impl Future<Output = Option<Entered<DeviceStream, B>>> + Send + 'static,
    ) {
        let stop = self.stop.clone();
        self.sessions.spawn(async move {
            let entered = tokio::select! {
                biased;
                // Sessions are told by the exchange; this ends those that have not come so far.
                () = stop.cancelled() => None,
                entered = enter => entered,
            };
            drop(place);
            match entered {
                Some(Entered::Session(session)) => session.run(Some(peer)).await,
                Some(Entered::Registering(session)) => tokio::select! {
                    () = session.run() => {}
                    () = stop.cancelled() => {}
                },
                None => {}
            }
        });
    }

    /// Until `stop`; then ends all sessions and waits for them.
    pub(super) async fn closed(&self) {
        self.stop.cancelled().await;
        self.hub.exchange.stop();
        self.sessions.close();
        self.sessions.wait().await;
    }
}

/// What a CONNECT led to.
#[expect(clippy::large_enum_variant, reason = "the large one is the rule, and moves once")]
pub(super) enum Entered<S, B> {
    /// A device or module of this hub.
    Session(Session<S, B>),
    /// A device that looks for its hub.
    Registering(Box<DpsSession<S, B>>),
}

/// Reads CONNECT and lets it be judged; a refusal is answered and the connection closed.
pub(super) async fn greet<S: AsyncRead + AsyncWrite + Unpin, B: Backing>(
    hub: &Arc<Mqtt<B>>,
    stream: S,
    strain: Arc<Strain>,
    certificate: Option<PeerCertificate>,
    peer: Option<SocketAddr>,
    deadline: Instant,
) -> Option<Entered<S, B>> {
    let mut connection = Connection::new(stream, STRANGER);
    let judged = match timeout_at(deadline, connection.read()).await {
        Ok(Ok(Some(Incoming { packet: Packet::Connect(connect), .. }))) if registering(&connect).is_some() => {
            match (Arc::clone(&hub.registering).try_acquire_owned(), registering(&connect)) {
                (Ok(place), Some(username)) => {
                    let hub = Arc::clone(hub);
                    let session = DpsSession::new(hub, connection, &connect, username, certificate, place);
                    return Some(Entered::Registering(Box::new(session)));
                }
                _ => Err(Rejection {
                    code: Some(ConnectReturnCode::ServiceUnavailable),
                    client_id: Some(connect.client_id),
                    reason: "too many devices register at once".to_owned(),
                }),
            }
        }
        Ok(first) => judge(&*hub.backing, &hub.faults, first, certificate.as_ref()),
        Err(_) => Err(Rejection::silent("it sent no CONNECT in time")),
    };
    let judged = match judged {
        // Strangers cost nobody's quota: only who was let in counts.
        Ok(admission) => Box::pin(hub.turn(admission)).await,
        refused => refused,
    };
    let judged = match judged {
        Ok(admission) if !hub.faults.none() => Box::pin(hub.meet_connect(admission, &strain)).await,
        judged => judged,
    };
    match judged {
        Ok(admission) => {
            connection.set_limits(LIMITS);
            Some(Entered::Session(Session::new(Arc::clone(hub), connection, strain, admission)))
        }
        Err(Rejection { code, client_id, reason }) => {
            hub.refused(peer, client_id, reason);
            // The refusal stands whether or not the client hears of it.
            let _ = timeout(FAREWELL, farewell(&mut connection, code)).await;
            None
        }
    }
}

/// The name that a device registers with, if this is what it wants. Its client id must be the same.
fn registering(connect: &Connect) -> Option<DpsUsername> {
    let username = DpsUsername::parse(&connect.login.as_ref()?.username)?;
    username.registration.as_str().eq_ignore_ascii_case(&connect.client_id).then_some(username)
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
