//! HTTPS: accepts, shakes hands, serves HTTP/1.1, or HTTP/2 to a client that asks for it, with bounds on everything a client can
//! hold open. Knows no paths.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Service;
use crate::tls::HTTP_2;

/// Connections at once. A pending method call of an HTTP/1.1 client holds one, so a fleet's worth must fit; together with
/// as many devices this stays below the usual limit of 20,000 open files. The next client waits in the listener's backlog.
const CONNECTIONS: usize = 9_500;
/// Handshakes at once: each may hold some 30 kB of buffers before anyone is known.
const HANDSHAKES: usize = 1_024;
/// From accept to the end of the handshake: a client on a bad line needs two or three round trips.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For the head of a request, and for an idle kept-alive connection: the SDKs' pools reuse within a minute.
const HEAD: Duration = Duration::from_secs(75);
/// Bytes of a request's head; a SAS token takes some 200, a continuation some 300.
const HEAD_BYTES: usize = 16 * 1024;
/// Headers of one request; the SDKs send some ten.
const HEADERS: usize = 64;
/// Calls in flight on one connection of HTTP/2: a fleet's worth, as many as connections of HTTP/1.1 may be.
const STREAMS: u32 = CONNECTIONS as u32;
/// A client of HTTP/2 that has said nothing for so long is asked whether it is there, and has so long to answer.
const STILL_THERE: Duration = HEAD;
/// After a failed accept, which is mostly "too many open files": time for some to close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop`, then lets requests in flight finish within `grace`.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: TlsAcceptor,
    service: Arc<Service>,
    stop: CancellationToken,
    grace: Duration,
) {
    let tasks = TaskTracker::new();
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    let cut = CancellationToken::new();
    while let Some((stream, peer, place)) = accept(&listener, &connections, &stop).await {
        let (tls, service, stop) = (tls.clone(), Arc::clone(&service), stop.clone());
        let (handshakes, cut, streams) = (Arc::clone(&handshakes), cut.clone(), Streams(tasks.clone()));
        tasks.spawn(async move {
            tokio::select! {
                () = connection(stream, peer, &tls, &handshakes, service, (stop, streams)) => {}
                () = cut.cancelled() => {}
            }
            drop(place);
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

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: &TlsAcceptor,
    handshakes: &Semaphore,
    service: Arc<Service>,
    (stop, tasks): (CancellationToken, Streams),
) {
    let shake = async {
        // Without it an answer waits for the client's delayed acknowledgement of the one before.
        stream.set_nodelay(true)?;
        let _place = handshakes.acquire().await.map_err(std::io::Error::other)?;
        tls.accept(stream).await
    };
    let stream = match tokio::time::timeout(HANDSHAKE, shake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "HTTPS handshake failed"),
        Err(_) => return tracing::debug!(%peer, "HTTPS handshake took too long"),
    };
    let asked = Arc::new(AtomicBool::new(false));
    let first = Arc::clone(&asked);
    let answer = service_fn(move |request| {
        let service = Arc::clone(&service);
        first.store(true, Ordering::Relaxed);
        async move { Ok::<_, Infallible>(service.answer(request, peer).await) }
    });
    let several = stream.get_ref().1.alpn_protocol() == Some(HTTP_2);
    let stream = TokioIo::new(stream);
    let served = if several {
        let serving = http2(tasks).serve_connection(stream, answer);
        let serving = until_stopped(serving, stop, |serving| serving.graceful_shutdown());
        tokio::select! {
            served = serving => served,
            () = silent(&asked) => return tracing::debug!(%peer, "HTTPS connection without a request"),
        }
    } else {
        let serving = http1().serve_connection(stream, answer);
        until_stopped(serving, stop, |serving| serving.graceful_shutdown()).await
    };
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "HTTPS connection ended");
    }
}

/// Ends when nothing has been asked on a connection within [`HEAD`]. HTTP/1.1 has a bound of its own for that; in HTTP/2 nothing is
/// counted before its greeting is complete.
async fn silent(asked: &AtomicBool) {
    tokio::time::sleep(HEAD).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

fn http1() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES).max_headers(HEADERS);
    http
}

fn http2(tasks: Streams) -> http2::Builder<Streams> {
    let mut http = http2::Builder::new(tasks);
    http.timer(TokioTimer::new()).keep_alive_interval(STILL_THERE).keep_alive_timeout(STILL_THERE);
    http.max_concurrent_streams(STREAMS).max_header_list_size(HEAD_BYTES as u32);
    http
}

/// Runs the calls of an HTTP/2 connection beside each other, counted among the listener's tasks.
#[derive(Clone)]
struct Streams(TaskTracker);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, call: F) {
        self.0.spawn(call);
    }
}

/// Serves a connection to its end; once `stop` is set, only what is in flight.
async fn until_stopped<C: Future<Output = hyper::Result<()>>>(
    serving: C,
    stop: CancellationToken,
    shut_down: impl FnOnce(Pin<&mut C>),
) -> hyper::Result<()> {
    let mut serving = pin!(serving);
    tokio::select! {
        served = serving.as_mut() => return served,
        () = stop.cancelled() => shut_down(serving.as_mut()),
    }
    serving.await
}
