//! A connection's change from HTTP to a WebSocket that carries MQTT: the handshake is checked and answered here, everything
//! after it is the door's. Whoever asks learns only that this is a WebSocket server, as everybody may.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, HeaderMap, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use net::tls::ServerStream;
use net::ws::{Side, WsStream, accept_key};
use tokio::net::TcpStream;
use wire::{HubPath, WEBSOCKET_PROTOCOL, framework_body};

use super::content::ReplyBody;
use super::reply::{Reply, with_body};
use crate::faults::Faulty;
use crate::mqtt::DeviceStream;

/// The version of the WebSocket protocol, the only one there is.
const WEBSOCKET_VERSION: HeaderValue = HeaderValue::from_static("13");
const WEBSOCKET: &str = "websocket";

/// One HTTP connection's way to become a WebSocket.
#[derive(Clone, Default)]
pub(super) struct Upgrade(Arc<Mutex<Option<OnUpgrade>>>);

impl Upgrade {
    /// The answer to a request for a WebSocket; `None` for any other path.
    pub(super) fn handshake(&self, request: &mut Request<Incoming>) -> Option<Reply> {
        // Paths of services are longer work: they are looked at once, and not here.
        let path = request.uri().path();
        if !path.ends_with(WEBSOCKET) || HubPath::parse(path) != Some(HubPath::WebSocket) {
            return None;
        }
        match agree(request.method(), request.version(), request.headers()) {
            Ok(accept) => {
                let upgrade = hyper::upgrade::on(request);
                *self.0.lock().expect("a place for plain data: no panic while held") = Some(upgrade);
                Some(switching(accept))
            }
            Err(refusal) => Some(refusal.reply()),
        }
    }

    /// The stream of the device, once the connection has changed; `None` if it has not.
    pub(super) async fn stream(&self) -> Option<DeviceStream> {
        let upgrade = self.0.lock().expect("a place for plain data: no panic while held").take()?;
        let upgraded = upgrade.await.inspect_err(|error| tracing::debug!(%error, "no WebSocket after all")).ok()?;
        let parts = upgraded.downcast::<TokioIo<Faulty<ServerStream<TcpStream>>>>().ok()?;
        let frames = WsStream::new(parts.io.into_inner(), Side::Server, parts.read_buf);
        Some(DeviceStream::Framed(Box::new(frames)))
    }
}

/// What is wrong with a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Method,
    Upgrade,
    Connection,
    Key,
    Version,
    Protocol,
}

impl Refusal {
    fn reply(self) -> Reply {
        let (status, why) = match self {
            Self::Method => (StatusCode::BAD_REQUEST, "a WebSocket begins with GET of HTTP/1.1"),
            Self::Upgrade => (StatusCode::UPGRADE_REQUIRED, "the header Upgrade must say websocket"),
            Self::Connection => (StatusCode::BAD_REQUEST, "the header Connection must say Upgrade"),
            Self::Key => (StatusCode::BAD_REQUEST, "the header Sec-WebSocket-Key must be 16 bytes in base64"),
            Self::Version => (StatusCode::UPGRADE_REQUIRED, "the header Sec-WebSocket-Version must be 13"),
            Self::Protocol => (StatusCode::BAD_REQUEST, "the header Sec-WebSocket-Protocol must offer mqtt"),
        };
        let mut reply = with_body(status, framework_body(why).into());
        if self == Self::Upgrade {
            reply.headers_mut().insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
        }
        if self == Self::Version {
            reply.headers_mut().insert(SEC_WEBSOCKET_VERSION, WEBSOCKET_VERSION);
        }
        reply
    }
}

/// The proof for the client's key, if its handshake is one.
fn agree(method: &Method, version: Version, headers: &HeaderMap) -> Result<String, Refusal> {
    if method != Method::GET || version != Version::HTTP_11 {
        return Err(Refusal::Method);
    }
    if !has(headers, &UPGRADE, WEBSOCKET) {
        return Err(Refusal::Upgrade);
    }
    if !has(headers, &CONNECTION, "upgrade") {
        return Err(Refusal::Connection);
    }
    if headers.get(SEC_WEBSOCKET_VERSION) != Some(&WEBSOCKET_VERSION) {
        return Err(Refusal::Version);
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok()).unwrap_or_default();
    if !STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16) {
        return Err(Refusal::Key);
    }
    if !has(headers, &SEC_WEBSOCKET_PROTOCOL, WEBSOCKET_PROTOCOL) {
        return Err(Refusal::Protocol);
    }
    Ok(accept_key(key))
}

/// Whether one of the words of a header, over all its lines, is this one.
fn has(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
}

/// 101.
fn switching(accept: String) -> Reply {
    let mut reply = Response::new(ReplyBody::empty());
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = reply.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
    let accept = HeaderValue::try_from(accept).expect("base64 is visible ASCII");
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(WEBSOCKET_PROTOCOL));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handshakes_by_table() {
        let good = [
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "amqp, mqtt"),
        ];
        let judged = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            for (known, usual) in good {
                let value = if known == name { value } else { usual };
                headers.append(known, HeaderValue::from_static(value));
            }
            agree(&Method::GET, Version::HTTP_11, &headers)
        };
        assert_eq!(judged("", ""), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned()));
        for (name, value, refusal) in [
            ("upgrade", "h2c", Refusal::Upgrade),
            ("connection", "close", Refusal::Connection),
            ("sec-websocket-version", "8", Refusal::Version),
            ("sec-websocket-key", "c2hvcnQ=", Refusal::Key),
            ("sec-websocket-key", "?", Refusal::Key),
            ("sec-websocket-protocol", "AMQPWSB10", Refusal::Protocol),
        ] {
            assert_eq!(judged(name, value), Err(refusal), "{name} {value}");
        }
        let none = HeaderMap::new();
        assert_eq!(agree(&Method::POST, Version::HTTP_11, &none), Err(Refusal::Method));
        assert_eq!(agree(&Method::GET, Version::HTTP_10, &none), Err(Refusal::Method));
        assert_eq!(agree(&Method::GET, Version::HTTP_11, &none), Err(Refusal::Upgrade));
    }
}
