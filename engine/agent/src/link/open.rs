//! The stream below a login: TCP, perhaps through a proxy, TLS, perhaps the frames of a WebSocket.

use std::error::Error;

use base::Diagnostic;
use net::tls::{ClientStream, server_name};
use net::ws::{Carried, HandshakeError, open};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::net::TcpStream;
use wire::{HostPort, WEBSOCKET_PATH, WEBSOCKET_PROTOCOL};

use super::dial::{DialError, Dialer};
use super::line::reason;
use crate::config::Transport;

/// Where IoT Hub listens for MQTT over TLS.
const MQTT_PORT: u16 = 8883;
/// Where it listens for MQTT over WebSocket.
const WEBSOCKET_PORT: u16 = 443;

/// The stream below a device's connection.
pub(crate) type DeviceStream = Carried<ClientStream<TcpStream>>;

impl Dialer {
    /// Opens what carries MQTT to this peer.
    pub(super) async fn open(&self, peer: &HostPort) -> Result<DeviceStream, DialError> {
        let name = server_name(&peer.host).map_err(|error| DialError::Never(Diagnostic::error(error.to_string())))?;
        let stream = self.reach(peer).await?;
        // Requests and answers are small and waited for.
        stream.set_nodelay(true).map_err(|error| unreachable(peer, &error))?;
        let stream = self.connector.connect(name, stream).await.map_err(|error| tls_failed(peer, &error))?;
        match &self.config.transport {
            Transport::Mqtt => Ok(Carried::Plain(stream)),
            Transport::WebSocket { .. } => {
                let mut random = StdRng::from_rng(&mut *self.rng.borrow_mut());
                let frames = open(stream, &peer.to_string(), WEBSOCKET_PATH, WEBSOCKET_PROTOCOL, &mut random).await;
                frames.map(|frames| Carried::Framed(Box::new(frames))).map_err(|error| no_websocket(peer, &error))
            }
        }
    }

    /// TCP to the peer, or to it through the proxy.
    async fn reach(&self, peer: &HostPort) -> Result<TcpStream, DialError> {
        let (port, proxy) = match &self.config.transport {
            Transport::Mqtt => (peer.port_or(MQTT_PORT), None),
            Transport::WebSocket { proxy } => (peer.port_or(WEBSOCKET_PORT), proxy.as_ref()),
        };
        let Some(proxy) = proxy else {
            return TcpStream::connect((peer.host.as_str(), port)).await.map_err(|error| unreachable(peer, &error));
        };
        let failed = |error: &dyn Error| DialError::Unreachable(format!("the proxy {proxy}: {}", reason(error)));
        let mut stream = TcpStream::connect(proxy.address()).await.map_err(|error| failed(&error))?;
        proxy.pass(&mut stream, &peer.host, port).await.map_err(|error| failed(&error))?;
        Ok(stream)
    }
}

fn unreachable(peer: &HostPort, error: &dyn Error) -> DialError {
    DialError::Unreachable(format!("{peer}: {}", reason(error)))
}

fn no_websocket(peer: &HostPort, error: &HandshakeError) -> DialError {
    DialError::Unreachable(format!("{peer}: no WebSocket: {}", reason(error)))
}

/// A certificate that is not trusted is the commonest trouble of a first start; rustls' words are for those who know it.
fn tls_failed(peer: &HostPort, error: &std::io::Error) -> DialError {
    let why = reason(error);
    let hint = if why.contains("UnknownIssuer") {
        " (its certificate is signed by nobody that is trusted here; --ca-file or SSL_CERT_FILE names who is)"
    } else if why.contains("NotValidForName") {
        " (its certificate is for another name)"
    } else {
        ""
    };
    DialError::Unreachable(format!("{peer}: {why}{hint}"))
}
