//! A way through an HTTP proxy: CONNECT, then the stream is the server's. Speaks to proxies over plain TCP, as nearly all are.

use std::fmt;
use std::str::FromStr;

use base::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncWrite};

use super::client::{HandshakeError, ask};

/// The port of a proxy that names none, by its scheme's default.
const PORT: u16 = 80;

/// What is wrong with the address of a proxy. Never holds the address: a password may stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Another scheme than `http`.
    #[error("a proxy is `http://[user:password@]host[:port]`; another scheme is not supported")]
    Scheme,
    /// No host, or a port that is none.
    #[error("a proxy is `http://[user:password@]host[:port]`")]
    Form,
}

/// An HTTP proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    host: String,
    port: u16,
    login: Option<Secret>,
}

impl Proxy {
    /// Where to dial.
    pub fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// Asks for a way to `host:port`; afterwards the stream is that server's.
    ///
    /// # Errors
    /// The proxy's refusal with its status, or a stream that fails.
    pub async fn pass<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        host: &str,
        port: u16,
    ) -> Result<(), HandshakeError> {
        let login = match &self.login {
            None => String::new(),
            Some(login) => format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(login.expose())),
        };
        let answer =
            ask(stream, &format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{login}\r\n")).await?;
        if !(200..300).contains(&answer.status) {
            return Err(answer.refusal());
        }
        // In TLS the client speaks first: bytes that come now are nobody's.
        if answer.has_more() {
            return Err(HandshakeError::Answer("the proxy says more than yes"));
        }
        Ok(())
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let rest = match text.trim().split_once("://") {
            None => text.trim(),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(ProxyError::Scheme),
        };
        let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (login, address) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((login, address)) => (Some(Secret::new(decoded(login))), address),
        };
        let (host, port) = match address.rsplit_once(':') {
            // A colon inside brackets is an address's own.
            Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| ProxyError::Form)?),
            _ => (address, PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || port == 0 || host.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(ProxyError::Form);
        }
        Ok(Self { host: host.to_owned(), port, login })
    }
}

/// `%40` is `@`: a password may need it. What is no such escape stays as it is.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Without its login.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_by_table() {
        for (text, host, port, login) in [
            ("http://proxy.example:3128", "proxy.example", 3128, None),
            ("proxy.example", "proxy.example", 80, None),
            ("HTTP://me:p%40ss@[::1]:8080/", "::1", 8080, Some("me:p@ss")),
            ("http://10.0.0.1/x", "10.0.0.1", 80, None),
        ] {
            let proxy: Proxy = text.parse().unwrap();
            assert_eq!(proxy.address(), (host, port), "{text}");
            assert_eq!(proxy.login.as_ref().map(Secret::expose), login, "{text}");
            assert!(!format!("{proxy} {proxy:?}").contains("ss"), "{proxy:?}");
        }
        for (text, error) in [
            ("", ProxyError::Form),
            ("http://", ProxyError::Form),
            ("http://host:x", ProxyError::Form),
            ("http://host:0", ProxyError::Form),
            ("http://a b:1", ProxyError::Form),
            ("socks5://host:1", ProxyError::Scheme),
        ] {
            assert_eq!(text.parse::<Proxy>(), Err(error), "{text}");
        }
    }
}
