//! The client's side of the handshake: one GET, one answer, checked. Knows no path and no sub-protocol by itself.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::frame::accept_key;
use super::{Side, WsStream};

/// The longest head of an answer that is read; servers send a few hundred bytes.
const LONGEST_ANSWER: usize = 16 * 1024;
/// Headers of an answer; servers send some ten.
const HEADERS: usize = 64;

/// Why there is no WebSocket, or no way through a proxy.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The stream failed or ended.
    #[error("the connection failed during the handshake")]
    Io(#[from] io::Error),
    /// Not HTTP, or too much of it.
    #[error("the answer is not HTTP")]
    NotHttp,
    /// It said no.
    #[error("it answered {0} {1}")]
    Status(u16, String),
    /// It said yes, and something that no WebSocket server says.
    #[error("its answer is not a WebSocket handshake: {0}")]
    Answer(&'static str),
}

/// An HTTP answer's head.
pub(super) struct Answer {
    pub(super) status: u16,
    reason: String,
    headers: Vec<(String, String)>,
    rest: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    pub(super) fn refusal(self) -> HandshakeError {
        HandshakeError::Status(self.status, self.reason)
    }

    pub(super) fn has_more(&self) -> bool {
        !self.rest.is_empty()
    }
}

/// Asks for a WebSocket over a stream that is connected (and encrypted) already. `host` is `name` or `name:port`; the server
/// must grant `protocol`.
///
/// # Errors
/// The server's refusal with its status, or what is wrong with its answer.
pub async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    host: &str,
    path: &str,
    protocol: &str,
    random: &mut impl Rng,
) -> Result<WsStream<S>, HandshakeError> {
    let key = STANDARD.encode(random.random::<[u8; 16]>());
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
    );
    let answer = ask(&mut stream, &request).await?;
    if answer.status != 101 {
        return Err(answer.refusal());
    }
    let asked_for = |header, word| answer.header(header).split(',').any(|part| part.trim().eq_ignore_ascii_case(word));
    if !asked_for("upgrade", "websocket") || !asked_for("connection", "upgrade") {
        return Err(HandshakeError::Answer("it does not change to WebSocket"));
    }
    if answer.header("sec-websocket-accept") != accept_key(&key) {
        return Err(HandshakeError::Answer("its proof does not fit the key"));
    }
    if answer.header("sec-websocket-protocol") != protocol {
        return Err(HandshakeError::Answer("it does not grant the sub-protocol"));
    }
    let side = Side::Client(Box::new(StdRng::from_rng(random)));
    Ok(WsStream::new(stream, side, answer.rest))
}

/// Sends a request without a body and reads the head of its answer.
pub(super) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    request: &str,
) -> Result<Answer, HandshakeError> {
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut received = BytesMut::with_capacity(1024);
    loop {
        if stream.read_buf(&mut received).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if let Some(answer) = parse(&mut received)? {
            return Ok(answer);
        }
        if received.len() > LONGEST_ANSWER {
            return Err(HandshakeError::NotHttp);
        }
    }
}

/// The head, once all of it is there; what follows it stays with the answer.
fn parse(received: &mut BytesMut) -> Result<Option<Answer>, HandshakeError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let length = match head.parse(received) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(HandshakeError::NotHttp),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = head.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect();
    let (status, reason) = (head.code.unwrap_or_default(), head.reason.unwrap_or_default().to_owned());
    let rest = received.split_off(length).freeze();
    Ok(Some(Answer { status, reason, headers, rest }))
}
