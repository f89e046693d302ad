//! What goes wrong on the way: nobody there, strangers' certificates, wrong keys, 429, lost answers.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use base::{Clock, ManualClock};
use iotplay_iothub::{ClientError, HubClient, HubOptions};
use net::tls::{Authority, Roots, TlsAcceptor, server_config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wire::{ErrorCode, HostPort, IfMatch, MethodCall, SasKey};

use crate::stage::{on_stage, options};

#[test]
fn nobody_there() {
    on_stage(|stage| async move {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let mut options = options(&stage.hub);
        options.connection.host = HostPort::with_port("127.0.0.1", free);
        let error = HubClient::new(options.clone()).unwrap().statistics().await.unwrap_err();
        assert!(matches!(error, ClientError::Away { .. }) && error.is_hub(), "{error:?}");
        assert_eq!(error.to_string(), format!("cannot reach the hub 127.0.0.1:{free}: nothing listens on port {free}"));
        assert_eq!(error.help(), ["is it running? start it with: iotplay hub"]);
        options.connection.host = HostPort::new("no-such-host.invalid");
        let error = HubClient::new(options).unwrap().statistics().await.unwrap_err();
        assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
        assert!(matches!(error, ClientError::Away { .. }), "{error:?}");
    });
}

#[test]
fn a_certificate_that_nobody_vouches_for() {
    on_stage(|stage| async move {
        let stranger = Authority::generate(&Clock::system()).unwrap();
        let options = HubOptions { roots: Roots::Pem(stranger.ca_pem), ..options(&stage.hub) };
        let error = HubClient::new(options).unwrap().statistics().await.unwrap_err();
        assert!(error.to_string().ends_with("comes from an authority that this machine does not trust"), "{error}");
        assert_eq!(error.help(), ["name the authority: --ca-file FILE, or SSL_CERT_FILE"]);
    });
}

#[test]
fn a_key_that_the_hub_does_not_know() {
    on_stage(|stage| async move {
        let mut options = options(&stage.hub);
        options.connection.key = SasKey::from_bytes(vec![7; 32]);
        let error = HubClient::new(options).unwrap().statistics().await.unwrap_err();
        assert_eq!(error.code().map(ErrorCode::http_status), Some(401));
        assert!(error.is_hub());
        assert!(error.help()[0].contains("the policy `iothubowner`"), "{:?}", error.help());
    });
}

/// A server that answers from a list, the last for ever, and keeps what it was asked. Speaks just enough HTTP.
struct Script {
    asked: RefCell<Vec<String>>,
    answers: Vec<&'static str>,
    next: Cell<usize>,
}

const THROTTLED: &str = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
const SLOW: &str = "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n";
const BREAK: &str = "";
const STATISTICS: &str = "HTTP/1.1 200 OK\r\nContent-Length: 69\r\n\r\n{\"totalDeviceCount\":3,\"enabledDeviceCount\":3,\"disabledDeviceCount\":0}";
const REPLY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n{\"status\":200,\"payload\":[]}";
const TWIN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
const STRANGER: &str = "HTTP/1.1 401 Unauthorized\r\nDate: Mon, 23 Nov 2026 13:00:00 GMT\r\nContent-Length: 0\r\n\r\n";

impl Script {
    fn asked(&self) -> usize {
        self.asked.borrow().len()
    }

    fn answer(&self, head: &str) -> &'static str {
        self.asked.borrow_mut().push(head.to_owned());
        let at = self.next.replace(self.next.get() + 1);
        self.answers[at.min(self.answers.len() - 1)]
    }
}

async fn request(stream: &mut (impl tokio::io::AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        let text = String::from_utf8_lossy(buffer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            if body.len() >= length {
                buffer.clear();
                return Some(head.to_owned());
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

async fn scripted(answers: &[&'static str]) -> (HubClient, Rc<Script>, ManualClock) {
    let authority = Authority::generate(&Clock::system()).unwrap();
    let leaf = authority.issue(&["localhost".to_owned()], &Clock::system()).unwrap();
    let tls = TlsAcceptor::from(server_config(&leaf.chain_pem, leaf.key_pem.expose()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("localhost:{}", listener.local_addr().unwrap().port());
    let script = Rc::new(Script { asked: RefCell::default(), answers: answers.to_vec(), next: Cell::new(0) });
    let serving = Rc::clone(&script);
    tokio::task::spawn_local(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (tls, script) = (tls.clone(), Rc::clone(&serving));
            tokio::task::spawn_local(async move {
                let Ok(mut stream) = tls.accept(tcp).await else { return };
                let mut buffer = Vec::new();
                while let Some(head) = request(&mut stream, &mut buffer).await {
                    let answer = script.answer(&head);
                    if answer == BREAK || stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let text = format!("HostName={host};SharedAccessKeyName=service;SharedAccessKey=c2VjcmV0");
    let (clock, hand) = Clock::manual(base::parse_time("2026-11-23T12:48:00Z").unwrap());
    let options = HubOptions {
        roots: Roots::Pem(authority.ca_pem),
        local: true,
        clock,
        seed: base::Seed(1),
        ..HubOptions::new(text.parse().unwrap())
    };
    (HubClient::new(options).unwrap(), script, hand)
}

#[test]
fn too_much_at_once_slows_down_and_fails_nobody() {
    on_stage(|_| async {
        let (client, script, _) = scripted(&[THROTTLED, REPLY]).await;
        let start = tokio::time::Instant::now();
        let reply = client.invoke(&"d".parse().unwrap(), &MethodCall::new("m")).await.unwrap();
        assert_eq!((reply.status, script.asked()), (200, 2));
        assert!(start.elapsed() >= Duration::from_secs(1), "Retry-After is kept");
        let (first, second) = (script.asked.borrow()[0].clone(), script.asked.borrow()[1].clone());
        let field = |head: &str, name: &str| head.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
        assert_ne!(field(&first, "request-id: "), field(&second, "request-id: "));
        assert_eq!(field(&first, "authorization: "), field(&second, "authorization: "));
        assert!(first.starts_with("POST /twins/d/methods?api-version=2021-04-12 HTTP/1.1"), "{first}");
    });
}

#[test]
fn only_what_does_no_harm_is_sent_again() {
    on_stage(|_| async {
        for trouble in [BUSY, SLOW, BREAK] {
            let (client, script, _) = scripted(&[trouble, STATISTICS]).await;
            assert_eq!(client.statistics().await.unwrap().total, 3, "{trouble}");
            assert_eq!(script.asked(), 2);

            let (client, script, _) = scripted(&[trouble, REPLY]).await;
            let error = client.invoke(&"d".parse().unwrap(), &MethodCall::new("m")).await.unwrap_err();
            assert_eq!(script.asked(), 1, "a method is never sent twice");
            assert!(!error.is_hub(), "{error:?}");
            assert_eq!(matches!(error, ClientError::Lost { .. }), trouble == BREAK, "{error:?}");

            let patch = serde_json::json!({});
            let (client, script, _) = scripted(&[trouble, TWIN]).await;
            client.patch_twin(&"d".parse().unwrap(), &patch, &IfMatch::Any).await.unwrap();
            assert_eq!(script.asked(), 2);
            let (client, script, _) = scripted(&[trouble, TWIN]).await;
            let on = IfMatch::Tag("e".into());
            assert!(client.patch_twin(&"d".parse().unwrap(), &patch, &on).await.is_err());
            assert_eq!(script.asked(), 1);
        }
    });
}

#[test]
fn a_clock_that_is_wrong_is_named() {
    on_stage(|_| async {
        let (client, script, _) = scripted(&[STRANGER]).await;
        let error = client.statistics().await.unwrap_err();
        assert_eq!(script.asked(), 1);
        assert_eq!(error.help().last().unwrap(), "this machine's clock is 12 minutes behind the hub's: set it");
    });
}

#[test]
fn tokens_are_kept_until_shortly_before_their_end() {
    on_stage(|_| async {
        let (client, script, hand) = scripted(&[STATISTICS]).await;
        for advance in [0, 1800, 1800] {
            hand.advance(Duration::from_secs(advance));
            client.statistics().await.unwrap();
        }
        let asked = script.asked.borrow();
        let token = |head: &str| head.lines().find(|line| line.starts_with("authorization: ")).unwrap().to_owned();
        assert_eq!(token(&asked[0]), token(&asked[1]));
        assert_ne!(token(&asked[1]), token(&asked[2]));
    });
}

#[test]
fn a_hub_that_is_not_ours_takes_no_messages_over_rest() {
    on_stage(|_| async {
        const NOWHERE: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 60\r\n\r\n{\"Message\":\"No HTTP resource was found that matches it now.\"}";
        let message = wire::CloudMessage::default();
        let (client, script, _) = scripted(&[NOWHERE]).await;
        let error = client.send_message(&"d".parse().unwrap(), &message).await.unwrap_err();
        assert!(matches!(error, ClientError::Unusable(_)) && error.to_string().contains("AMQP only"), "{error:?}");
        assert_eq!(script.asked(), 1);
        let (client, _, _) = scripted(&[STRANGER]).await;
        let error = client.send_message(&"d".parse().unwrap(), &message).await.unwrap_err();
        assert_eq!(error.code().map(ErrorCode::http_status), Some(401), "whose it is cannot be told");
    });
}
