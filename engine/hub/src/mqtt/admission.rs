//! From the first packet to a session or a refusal: what CONNECT must be, and which code says no.

use std::time::Duration;

use net::mqtt::{Connect, ConnectReturnCode, Incoming, MqttError, Packet};
use net::tls::PeerCertificate;
use wire::{Username, client_id};

use super::telemetry::Message;
use crate::faults::{Faults, Judging};
use crate::seam::{Backing, Login, Proof};

/// A CONNECT that was let in.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) login: Login,
    pub(super) model_id: Option<String>,
    pub(super) keep_alive: u16,
    pub(super) clean: bool,
    pub(super) will: Option<Message>,
    /// The session ends so long after the login, as if its token had: a fault that was asked for.
    pub(super) lives: Option<Duration>,
}

/// Why there is no session. With a code the client is told; without, the connection just closes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rejection {
    pub(super) code: Option<ConnectReturnCode>,
    pub(super) client_id: Option<String>,
    pub(super) reason: String,
}

impl Rejection {
    pub(super) fn silent(reason: impl Into<String>) -> Self {
        Self { code: None, client_id: None, reason: reason.into() }
    }
}

/// Judges what the first `read` brought. IoT Hub answers 5 to everything that trying again will not mend; 1 to another
/// version of MQTT; and nothing to whoever does not begin with CONNECT.
pub(super) fn judge<B: Backing>(
    backing: &B,
    faults: &Faults,
    first: Result<Option<Incoming>, MqttError>,
    certificate: Option<&PeerCertificate>,
) -> Result<Admission, Rejection> {
    match first {
        Ok(Some(Incoming { packet: Packet::Connect(connect), flags })) => {
            let client_id = connect.client_id.clone();
            admit(backing, faults, &connect, flags.has_user, certificate).map_err(|reason| Rejection {
                code: Some(ConnectReturnCode::NotAuthorized),
                client_id: Some(client_id),
                reason,
            })
        }
        Ok(Some(_)) => Err(Rejection::silent("its first packet is not CONNECT")),
        Ok(None) => Err(Rejection::silent("it closed before CONNECT")),
        Err(MqttError::Level(level)) => Err(Rejection {
            code: Some(ConnectReturnCode::RefusedProtocolVersion),
            client_id: None,
            reason: format!("it asks for protocol level {level} instead of 4 (MQTT 3.1.1)"),
        }),
        Err(MqttError::Io(error)) => Err(Rejection::silent(format!("it was lost before CONNECT: {error}"))),
        Err(error) => Err(Rejection::silent(error.to_string())),
    }
}

fn admit<B: Backing>(
    backing: &B,
    faults: &Faults,
    connect: &Connect,
    has_user: bool,
    certificate: Option<&PeerCertificate>,
) -> Result<Admission, String> {
    let login = connect.login.as_ref().filter(|_| has_user).ok_or("it sends no user name")?;
    let username: Username = login.username.parse().map_err(|error| format!("its user name: {error}"))?;
    if connect.client_id != client_id(&username.identity) {
        return Err(format!("its clientId does not belong to the user name's identity `{}`", username.identity));
    }
    // An empty password is none: embedded SDKs send one with a client certificate.
    let password = Some(login.password.as_bytes()).filter(|password| !password.is_empty());
    let Judging { skew, lives } = faults.judging(Some(&username.identity));
    let proof = Proof { password, certificate, skew };
    let login = backing.login(&username, &connect.client_id, proof).map_err(|refused| refused.reason)?;
    let will = connect.last_will.as_ref().map(|will| Message::will(&login.identity, will)).transpose()?;
    let Connect { keep_alive, clean_session: clean, .. } = *connect;
    Ok(Admission { login, model_id: username.model_id, keep_alive, clean, will, lives })
}
