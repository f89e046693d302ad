//! Where Prometheus fetches numbers: plain HTTP on a loopback port of its own, `GET` of a few pages and nothing else. Knows no number.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What pages are in.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Who asks at once: one or two scrapers, and a person.
const CONNECTIONS: usize = 8;
/// For a whole connection: an answer is some kilobytes on the same machine.
const PATIENCE: Duration = Duration::from_secs(5);
/// After a failed accept: time for some files to close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A page: its path, and what makes its text; `false` is a 503.
pub type Page = (&'static str, Arc<dyn Fn() -> (bool, String) + Send + Sync>);

/// Serves these pages until `stop`.
pub async fn serve(listener: TcpListener, pages: Vec<Page>, stop: CancellationToken) {
    let pages: Arc<[Page]> = pages.into();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let tasks = TaskTracker::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let Some((place, accepted)) = stop.run_until_cancelled(next).await else { break };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let pages = Arc::clone(&pages);
        tasks.spawn(async move {
            let answer = service_fn(move |request| {
                let reply = reply(&request, &pages);
                async move { Ok::<_, Infallible>(reply) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
            // Whoever breaks off or takes too long asks again.
            let _ = tokio::time::timeout(PATIENCE, http.serve_connection(TokioIo::new(stream), answer)).await;
            drop(place);
        });
    }
    tasks.close();
    tasks.wait().await;
}

fn reply(request: &Request<Incoming>, pages: &[Page]) -> Response<Full<Bytes>> {
    let page = pages.iter().find(|(path, _)| *path == request.uri().path());
    let (status, body) = match (request.method(), page) {
        (&Method::GET, Some((_, text))) => match text() {
            (true, body) => (StatusCode::OK, body),
            (false, body) => (StatusCode::SERVICE_UNAVAILABLE, body),
        },
        (_, Some(_)) => (StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned()),
        _ => {
            let paths: Vec<&str> = pages.iter().map(|(path, _)| *path).collect();
            (StatusCode::NOT_FOUND, format!("only {}\n", paths.join(" and ")))
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    response
}
