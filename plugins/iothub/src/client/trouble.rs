//! What goes wrong below HTTP, in words: nothing listens, no such host, a certificate nobody vouches for.

use std::error::Error;
use std::io;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use wire::{HostPort, HubError};

use super::error::ClientError;

/// Where HTTPS listens when no port is named.
const HTTPS_PORT: u16 = 443;

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let next = |error: &&'a (dyn Error + 'static)| -> Option<&'a (dyn Error + 'static)> { (*error).source() };
    std::iter::successors(Some(error), next)
}

fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind).last()
}

fn last_words(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

/// Sorts an error of the HTTP library. Only a failure to connect is certain to have sent nothing.
pub(super) fn sort(error: &reqwest::Error, host: &HostPort, local: bool, waited: Duration) -> ClientError {
    if error.is_builder() {
        return ClientError::Unusable(format!("the call cannot be made: {}", last_words(error)));
    }
    if !error.is_connect() {
        let message = if error.is_timeout() {
            format!("the hub {host} did not answer within {} s; the call may have been carried out", waited.as_secs())
        } else {
            format!("the connection to the hub {host} broke before the answer came ({})", last_words(error))
        };
        return ClientError::Lost { message };
    }
    let chain: Vec<String> = causes(error).map(ToString::to_string).collect();
    let says = |words: &str| chain.iter().any(|text| text.contains(words));
    let start =
        if local { "is it running? start it with: iotplay hub" } else { "check HostName in the connection string" };
    let (why, help) = if says("UnknownIssuer") || says("self-signed") {
        (
            "its certificate comes from an authority that this machine does not trust".to_owned(),
            "name the authority: --ca-file FILE, or SSL_CERT_FILE",
        )
    } else if says("NotValidForName") {
        ("its certificate is for another name".to_owned(), "use the name that the certificate has as HostName")
    } else if says("certificate") {
        (last_words(error), "check the hub's certificate and this machine's clock")
    } else if says("dns error") || says("failed to lookup address") {
        (
            format!("there is no host of the name {}", host.host),
            "check HostName in the connection string and the network",
        )
    } else if io_kind(error) == Some(io::ErrorKind::ConnectionRefused) {
        (format!("nothing listens on port {}", host.port_or(HTTPS_PORT)), start)
    } else if error.is_timeout() {
        ("it does not answer".to_owned(), "check the network, a proxy or a firewall on the way")
    } else {
        (last_words(error), "check HostName in the connection string and the network")
    };
    ClientError::Away { message: format!("cannot reach the hub {host}: {why}"), help: vec![help.to_owned()] }
}

/// More than the hub itself allows.
const SKEW: Duration = Duration::from_secs(240);

/// What to do about a refusal, as far as that can be told.
pub(super) fn refusal(error: HubError, headers: &HeaderMap, policy: &str, now: SystemTime) -> ClientError {
    let mut help = Vec::new();
    match error.code.http_status() {
        401 => {
            help.push(format!(
                "check that the connection string's SharedAccessKey is the present key of the policy `{policy}`, and that the policy may do this"
            ));
            help.extend(skew(headers, now));
        }
        _ if error.code == wire::ErrorCode::QUOTA_EXCEEDED => {
            help.push("the quota is renewed at midnight UTC; more units raise it".to_owned());
        }
        _ => {}
    }
    ClientError::Refused { error, help }
}

fn skew(headers: &HeaderMap, now: SystemTime) -> Option<String> {
    let date = headers.get(http::header::DATE)?.to_str().ok()?;
    let theirs = SystemTime::try_from(jiff::fmt::rfc2822::parse(date).ok()?.timestamp()).ok()?;
    let (word, by) = match theirs.duration_since(now) {
        Ok(by) => ("behind", by),
        Err(error) => ("ahead of", error.duration()),
    };
    let minutes = by.as_secs() / 60;
    (by > SKEW).then(|| format!("this machine's clock is {minutes} minutes {word} the hub's: set it"))
}
