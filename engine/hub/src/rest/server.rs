//! HTTPS: accepts, shakes hands, serves HTTP/1.1 with bounds on everything a client can hold open. Knows no paths. HTTP/2 is
//! beside it, in `http2`.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use net::tls::PeerCertificate;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Service;
use super::faults::Severed;
use super::http2::{self, Streams};
use super::websocket::Upgrade;
use crate::faults::{Faulty, How, Strain};
use crate::mqtt::{DeviceStream, Door};
use crate::state::HubState;
use crate::tls::HTTP_2;

/// Connections at once. A pending method call of an HTTP/1.1 client holds one, so a fleet's worth must fit; together with
/// as many devices this stays below the usual limit of 20,000 open files. The next client waits in the listener's backlog.
pub(super) const CONNECTIONS: usize = 9_500;
/// Handshakes at once: each may hold some 30 kB of buffers before anyone is known.
const HANDSHAKES: usize = 1_024;
/// From accept to the end of the handshake: a client on a bad line needs two or three round trips.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For the head of a request, and for an idle kept-alive connection: the SDKs' pools reuse within a minute.
pub(super) const HEAD: Duration = Duration::from_secs(75);
/// Bytes of a request's head; a SAS token takes some 200, a continuation some 300.
pub(super) const HEAD_BYTES: usize = 16 * 1024;
/// Headers of one request; the SDKs send some ten.
const HEADERS: usize = 64;
/// After a failed accept, which is mostly "too many open files": time for some to close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What all connections share.
#[derive(Clone)]
pub(crate) struct Https {
    pub(crate) tls: TlsAcceptor,
    pub(crate) service: Arc<Service>,
    /// Where devices go that come by WebSocket.
    pub(crate) door: Door<HubState>,
}

/// Serves until `stop`, then lets requests in flight finish within `grace`.
pub(crate) async fn serve(listener: TcpListener, https: Https, stop: CancellationToken, grace: Duration) {
    let tasks = TaskTracker::new();
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    let cut = CancellationToken::new();
    while let Some((stream, peer, place)) = accept(&listener, &connections, &stop).await {
        let (https, stop) = (https.clone(), stop.clone());
        let (handshakes, cut, streams) = (Arc::clone(&handshakes), cut.clone(), Streams(tasks.clone()));
        tasks.spawn(async move {
            let arrived = Instant::now();
            let device = tokio::select! {
                device = connection(stream, peer, &https, &handshakes, (stop, streams)) => device,
                () = cut.cancelled() => None,
            };
            if let Some(device) = device {
                https.door.admit(device, peer, arrived, place);
            }
        });
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(grace, tasks.wait()).await.is_err() {
        cut.cancel();
        tasks.wait().await;
    }
}

/// The next connection with its place among [`CONNECTIONS`]; none once `stop` is set.
async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let next = async {
        let place = Arc::clone(connections).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, place)),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an HTTPS connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => None,
        accepted = next => accepted,
    }
}

/// Serves one connection to its end; a device's, if it became one.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    https: &Https,
    handshakes: &Semaphore,
    (stop, streams): (CancellationToken, Streams),
) -> Option<DeviceStream> {
    let shake = async {
        // Without it an answer waits for the client's delayed acknowledgement of the one before.
        stream.set_nodelay(true)?;
        let _place = handshakes.acquire().await.map_err(std::io::Error::other)?;
        https.tls.accept(stream).await
    };
    let stream = match tokio::time::timeout(HANDSHAKE, shake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "HTTPS handshake failed");
            return None;
        }
        Err(_) => {
            tracing::debug!(%peer, "HTTPS handshake took too long");
            return None;
        }
    };
    if stream.get_ref().1.alpn_protocol() == Some(HTTP_2) {
        http2::serve(stream, peer, Arc::clone(&https.service), stop, streams).await;
        return None;
    }
    let certificate = PeerCertificate::of(&stream).map(Arc::new);
    let (upgrade, strain) = (Upgrade::default(), Arc::<Strain>::default());
    let answer = service_fn({
        let (service, upgrade, strain) = (Arc::clone(&https.service), upgrade.clone(), Arc::clone(&strain));
        move |mut request| {
            let (service, upgrade, certificate) = (Arc::clone(&service), upgrade.clone(), certificate.clone());
            let strain = Arc::clone(&strain);
            async move {
                match upgrade.handshake(&mut request) {
                    Some(reply) => Ok::<_, Severed>(reply),
                    None => service.answer(request, peer, certificate.as_deref()).await.inspect_err(|Severed(how)| {
                        if *how == How::Reset {
                            strain.end_with_reset();
                        }
                    }),
                }
            }
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES).max_headers(HEADERS);
    let mut serving = pin!(http.serve_connection(TokioIo::new(Faulty::tcp(stream, strain)), answer).with_upgrades());
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "HTTPS connection ended");
        return None;
    }
    upgrade.stream().await
}
