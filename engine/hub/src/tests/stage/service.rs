//! An HTTPS client of a few lines: one request per connection, so that every byte on the wire is the test's own.

use std::net::SocketAddr;
use std::time::Duration;

use crate::RunningHub;
use net::tls::{Roots, TlsConnector, client_config, server_name};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::{SasKey, sign};

/// Far beyond any answer of a hub on the same machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub(crate) struct Service {
    at: SocketAddr,
    tls: TlsConnector,
    /// The `Authorization` header; none sends none.
    pub(crate) token: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The error's name; the header and the body must agree.
    pub(crate) fn error(&self) -> String {
        let name = self.header("iothub-errorcode").unwrap_or_else(|| panic!("no error: {self:?}")).to_owned();
        let message = self.json()["Message"].as_str().unwrap().to_owned();
        assert!(message.contains(&name) || message.starts_with('{'), "{self:?}");
        name
    }
}

impl Service {
    pub(crate) fn of(hub: &RunningHub) -> Self {
        let config = client_config(&Roots::Pem(hub.ca_pem().to_owned()), None).unwrap();
        let connection = hub.service_connection();
        let service = Self { at: hub.https(), tls: TlsConnector::from(config), token: None };
        service.signed("localhost", &connection.key, &connection.policy)
    }

    /// The same client with this in its `Authorization` header, or with none.
    pub(crate) fn with_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// The same client with another token, good for an hour.
    pub(crate) fn signed(&self, resource: &str, key: &SasKey, policy: &str) -> Self {
        let expiry = base::Clock::system().unix_seconds() + 3_600;
        Self { token: Some(sign(resource, key, expiry, Some(policy)).expose().to_owned()), ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// With the api-version added.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let separator = if path.contains('?') { '&' } else { '?' };
        self.send_to(method, &format!("{path}{separator}api-version=2021-04-12"), headers, body).await
    }

    /// The target as it is.
    pub(crate) async fn send_to(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        if let Some(token) = &self.token {
            head.push_str(&format!("Authorization: {token}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        self.raw(format!("{head}\r\n{body}").as_bytes())
            .await
            .unwrap_or_else(|| panic!("no answer to {method} {target}"))
    }

    /// Whatever bytes; none when the hub closes without an answer.
    pub(crate) async fn raw(&self, request: &[u8]) -> Option<Answer> {
        self.talk(request, false).await
    }

    /// Bytes that may be no request, and no more after them: a hub that waits for the rest sees that none comes.
    pub(crate) async fn throw(&self, bytes: &[u8]) {
        self.talk(bytes, true).await;
    }

    async fn talk(&self, request: &[u8], close: bool) -> Option<Answer> {
        let talk = async {
            let stream = TcpStream::connect(self.at).await.unwrap();
            let mut stream = self.tls.connect(server_name("localhost").unwrap(), stream).await.unwrap();
            // A hub that has heard enough may close before all is written.
            let _ = stream.write_all(request).await;
            let _ = if close { stream.shutdown().await } else { stream.flush().await };
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            answer
        };
        let answer = tokio::time::timeout(PATIENCE, talk).await.expect("an answer in time");
        parse(&String::from_utf8_lossy(&answer))
    }
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let mut status = lines.next()?.splitn(3, ' ').skip(1);
    let headers = lines.map(|line| line.split_once(": ").unwrap()).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    Some(Answer {
        status: status.next()?.parse().unwrap(),
        reason: status.next()?.to_owned(),
        headers,
        body: body.to_owned(),
    })
}
