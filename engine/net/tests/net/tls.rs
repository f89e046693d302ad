//! Certificates and handshakes: our own client, and OpenSSL through Python and Node, which are stricter than rustls.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base::Clock;
use iotplay_net::tls::{
    Authority, ClientAuthorities, Leaf, PeerCertificate, Roots, Signer, TlsAcceptor, TlsConnector, TlsError,
    client_authority, client_config, issue_client, server_config, server_name,
};
use rustls::HandshakeKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

const DEADLINE: Duration = Duration::from_secs(30);

fn names() -> Vec<String> {
    ["localhost", "127.0.0.1", "::1", "hub.test"].map(str::to_owned).to_vec()
}

/// A server that greets every connection with `hi` and closes; its port and its CA.
async fn greeter() -> (u16, String) {
    let clock = Clock::system();
    let authority = Authority::generate(&clock).unwrap();
    let leaf = authority.issue(&names(), &clock).unwrap();
    let acceptor = TlsAcceptor::from(server_config(&leaf.chain_pem, leaf.key_pem.expose()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let _ = stream.write_all(b"hi").await;
                let _ = stream.shutdown().await;
                // Wait for the client's end, or its last words are answered with a reset.
                let _ = stream.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    (port, authority.ca_pem)
}

async fn greeted(port: u16, host: &str, config: &Arc<rustls::ClientConfig>) -> std::io::Result<HandshakeKind> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut stream = TlsConnector::from(Arc::clone(config)).connect(server_name(host).unwrap(), stream).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    assert_eq!(text, "hi");
    Ok(stream.get_ref().1.handshake_kind().expect("the handshake is over"))
}

#[tokio::test]
async fn our_own_client_connects_by_name_and_address_and_resumes() {
    let (port, ca) = greeter().await;
    let config = client_config(&Roots::Pem(ca), None).unwrap();
    for host in ["localhost", "127.0.0.1", "[::1]", "hub.test"] {
        let first = greeted(port, host, &config).await.unwrap();
        assert_ne!(first, HandshakeKind::Resumed, "{host}");
        assert_eq!(greeted(port, host, &config).await.unwrap(), HandshakeKind::Resumed, "{host}");
    }
    assert!(greeted(port, "other.test", &config).await.is_err(), "a name that the certificate does not have");
}

#[tokio::test]
async fn a_stranger_is_not_trusted() {
    let (port, _) = greeter().await;
    let other = Authority::generate(&Clock::system()).unwrap();
    let config = client_config(&Roots::Pem(other.ca_pem), None).unwrap();
    assert!(greeted(port, "localhost", &config).await.is_err());
}

#[tokio::test]
async fn a_kept_authority_issues_what_its_certificate_verifies() {
    let clock = Clock::system();
    let kept = Authority::generate(&clock).unwrap();
    let again = Authority::from_pem(&kept.ca_pem, kept.ca_key_pem.expose()).unwrap();
    let leaf = again.issue(&names(), &clock).unwrap();
    let acceptor = TlsAcceptor::from(server_config(&leaf.chain_pem, leaf.key_pem.expose()).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, &kept.ca_pem).unwrap();
    let connector = TlsConnector::from(client_config(&Roots::File(file), None).unwrap());
    let (near, far) = tokio::io::duplex(16 * 1024);
    let (client, server) =
        tokio::join!(connector.connect(server_name("localhost").unwrap(), near), acceptor.accept(far));
    assert!(client.is_ok() && server.is_ok());

    let other = Authority::generate(&clock).unwrap();
    let crossed = Authority::from_pem(&kept.ca_pem, other.ca_key_pem.expose());
    assert!(matches!(crossed, Err(TlsError::Authority(_))), "{crossed:?}");
}

#[test]
fn a_leaf_knows_when_it_no_longer_serves() {
    let (clock, hand) = Clock::manual(SystemTime::now());
    let leaf = Authority::generate(&clock).unwrap().issue(&names(), &clock).unwrap();
    let month = Duration::from_secs(30 * 24 * 3600);
    assert!(leaf.serves(&names(), &clock, month));
    assert!(leaf.serves(&["LOCALHOST".to_owned()], &clock, month));
    assert!(!leaf.serves(&["127.0.0.2".to_owned()], &clock, month));
    assert!(!leaf.serves(&["other.test".to_owned()], &clock, month));
    hand.advance(month * 26);
    assert!(!leaf.serves(&names(), &clock, month));
}

#[test]
fn unusable_roots_are_named() {
    let missing = client_config(&Roots::File("/nowhere/ca.pem".into()), None);
    assert!(matches!(missing, Err(TlsError::ReadFile { .. })), "{missing:?}");
    let empty = client_config(&Roots::Pem("no certificate here".to_owned()), None);
    assert!(matches!(empty, Err(TlsError::NoCertificate(_))), "{empty:?}");
    assert!(matches!(server_name("not a host"), Err(TlsError::ServerName(_))));
}

/// Runs a foreign client; `false` when the program is not on this machine (an error where CI is set).
async fn foreign(program: &str, arguments: &[&str], ca_file: &std::path::Path, port: u16) -> bool {
    let child = Command::new(program)
        .args(arguments)
        .env("CA_FILE", ca_file)
        .env("NODE_EXTRA_CA_CERTS", ca_file)
        .env("PORT", port.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match tokio::time::timeout(DEADLINE, child).await.expect("the client ends") {
        Ok(output) => output,
        Err(_) if std::env::var_os("CI").is_none() => return false,
        Err(error) => panic!("{program} is needed in CI: {error}"),
    };
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} failed: {out}{err}");
    true
}

const PYTHON: &str = r#"
import os, socket, ssl
for low, high, strict in ((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3, True), (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, False)):
    context = ssl.create_default_context(cafile=os.environ["CA_FILE"])
    context.minimum_version, context.maximum_version = low, high
    if strict:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    session = None
    for host in ("localhost", "127.0.0.1", "localhost"):
        with socket.create_connection(("127.0.0.1", int(os.environ["PORT"]))) as plain:
            with context.wrap_socket(plain, server_hostname=host, session=session if host == "localhost" else None) as tls:
                assert tls.recv(10) == b"hi"
                if session is not None and host == "localhost":
                    assert tls.session_reused, "not resumed"
                elif host == "localhost":
                    session = tls.session
"#;

const NODE: &str = r#"
const tls = require('tls');
let left = 0;
for (const version of ['TLSv1.2', 'TLSv1.3']) for (const host of ['localhost', '127.0.0.1']) {
  left += 1;
  const socket = tls.connect({ host: '127.0.0.1', port: process.env.PORT, servername: host === 'localhost' ? host : undefined, minVersion: version, maxVersion: version }, () => {
    if (!socket.authorized) { console.error(socket.authorizationError); process.exit(1); }
  });
  socket.on('error', (error) => { console.error(error); process.exit(1); });
  socket.on('data', (data) => { if (String(data) !== 'hi') process.exit(2); socket.end(); left -= 1; if (left === 0) process.exit(0); });
}
"#;

#[tokio::test]
async fn python_and_node_accept_the_certificates() {
    let (port, ca) = greeter().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, ca).unwrap();
    for (program, arguments) in [("python3", ["-c", PYTHON]), ("node", ["-e", NODE])] {
        if !foreign(program, &arguments, &file, port).await {
            eprintln!("skipped: no {program} here");
        }
    }
}

/// A server that says which certificate it was shown; its port and its CA.
async fn inspector() -> (u16, String) {
    let clock = Clock::system();
    let authority = Authority::generate(&clock).unwrap();
    let leaf = authority.issue(&names(), &clock).unwrap();
    let acceptor = TlsAcceptor::from(server_config(&leaf.chain_pem, leaf.key_pem.expose()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let shown = PeerCertificate::of(&stream);
            let text = shown
                .map_or_else(|| "none".to_owned(), |shown| format!("{} {:?}", shown.sha256(), shown.common_name()));
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    (port, authority.ca_pem)
}

#[tokio::test]
async fn a_clients_certificate_is_asked_for_not_needed_and_outlives_a_resumption() {
    let (port, ca) = inspector().await;
    let clock = Clock::system();
    let own = issue_client("press-7", Signer::Itself, &clock).unwrap();
    let print = PeerCertificate::from_pem(&own.chain_pem).unwrap().sha256();
    let shown = Some((own.chain_pem.as_str(), own.key_pem.expose()));
    for (certificate, said) in [(None, "none".to_owned()), (shown, format!("{print} Some(\"press-7\")"))] {
        let config = client_config(&Roots::Pem(ca.clone()), certificate).unwrap();
        for resumed in [false, true] {
            let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let connector = TlsConnector::from(Arc::clone(&config));
            let mut stream = connector.connect(server_name("localhost").unwrap(), stream).await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, said);
            let kind = stream.get_ref().1.handshake_kind().unwrap();
            assert_eq!(kind == HandshakeKind::Resumed, resumed, "{said}");
        }
    }
}

#[test]
fn authorities_believe_what_they_signed_and_in_its_time() {
    let clock = Clock::system();
    let (authority, other) = (client_authority("A", &clock).unwrap(), client_authority("A", &clock).unwrap());
    let judge = ClientAuthorities::new([authority.chain_pem.as_str()]).unwrap();
    let by = |authority: &Leaf, clock: &Clock| {
        let signer = Signer::Authority(&authority.chain_pem, &authority.key_pem);
        PeerCertificate::from_pem(&issue_client("d", signer, clock).unwrap().chain_pem).unwrap()
    };
    let now = clock.now();
    assert_eq!(judge.judge(&by(&authority, &clock), now), Ok(()));
    assert!(judge.judge(&by(&other, &clock), now).is_err(), "another of the same name");
    assert!(judge.judge(&by(&authority, &clock), now + Duration::from_secs(900 * 86_400)).is_err());
    assert!(ClientAuthorities::new([]).is_err());
    assert!(ClientAuthorities::new(["nonsense"]).is_err());
    // A key that is another's, and a certificate that may not sign.
    let mixed = Signer::Authority(&authority.chain_pem, &other.key_pem);
    assert!(matches!(issue_client("d", mixed, &clock), Err(TlsError::Authority(_))));
    let leaf = issue_client("d", Signer::Itself, &clock).unwrap();
    assert!(issue_client("e", Signer::Authority(&leaf.chain_pem, &leaf.key_pem), &clock).is_err());
}
