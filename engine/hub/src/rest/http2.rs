//! A connection of HTTP/2: many calls in flight beside each other, with bounds on what its client can hold open. For our own
//! client; the SDKs speak HTTP/1.1. Knows no paths and no WebSocket.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use net::tls::PeerCertificate;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Service;
use super::server::{CONNECTIONS, HEAD, HEAD_BYTES};

/// Calls in flight on one connection: a fleet's worth, as many as connections of HTTP/1.1 may be.
const STREAMS: u32 = CONNECTIONS as u32;

/// Runs the calls of a connection beside each other, counted among the listener's tasks.
#[derive(Clone)]
pub(super) struct Streams(pub(super) TaskTracker);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, call: F) {
        self.0.spawn(call);
    }
}

/// Serves a connection to its end; once `stop` is set, only what is in flight.
pub(super) async fn serve(
    stream: TlsStream<TcpStream>,
    peer: SocketAddr,
    service: Arc<Service>,
    stop: CancellationToken,
    streams: Streams,
) {
    let asked = Arc::new(AtomicBool::new(false));
    let first = Arc::clone(&asked);
    let certificate = PeerCertificate::of(&stream).map(Arc::new);
    let answer = service_fn(move |request| {
        let (service, certificate) = (Arc::clone(&service), certificate.clone());
        first.store(true, Ordering::Relaxed);
        async move { service.answer(request, peer, certificate.as_deref()).await }
    });
    let mut http = Builder::new(streams);
    // A client that has said nothing for so long is asked whether it is there, and has so long to answer.
    http.timer(TokioTimer::new()).keep_alive_interval(HEAD).keep_alive_timeout(HEAD);
    http.max_concurrent_streams(STREAMS).max_header_list_size(HEAD_BYTES as u32);
    let mut serving = pin!(http.serve_connection(TokioIo::new(stream), answer));
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = silent(&asked) => return tracing::debug!(%peer, "HTTPS connection without a request"),
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "HTTPS connection ended");
    }
}

/// Ends when nothing has been asked on a connection within [`HEAD`]: nothing else is counted before its greeting is complete.
async fn silent(asked: &AtomicBool) {
    tokio::time::sleep(HEAD).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}
