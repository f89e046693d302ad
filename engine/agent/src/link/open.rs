//! The stream below a login: TCP, perhaps through a proxy, TLS, perhaps the frames of a WebSocket.

use std::error::Error;
use std::net::IpAddr;

use base::Diagnostic;
use net::tls::{ClientStream, server_name};
use net::ws::{Carried, HandshakeError, open};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
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

    /// TCP, from one of the own addresses where the peer is on this machine.
    async fn tcp(&self, host: &str, port: u16) -> std::io::Result<TcpStream> {
        let sources = &self.config.sources;
        if !sources.is_empty() {
            for address in lookup_host((host, port)).await?.filter(|address| is_loopback(address.ip())) {
                let source = sources[self.rng.borrow_mut().random_range(0..sources.len())];
                let socket = TcpSocket::new_v4()?;
                socket.bind((source, 0).into())?;
                return socket.connect(address).await;
            }
        }
        TcpStream::connect((host, port)).await
    }

    /// TCP to the peer, or to it through the proxy.
    async fn reach(&self, peer: &HostPort) -> Result<TcpStream, DialError> {
        let (port, proxy) = match &self.config.transport {
            Transport::Mqtt => (peer.port_or(MQTT_PORT), None),
            Transport::WebSocket { proxy } => (peer.port_or(WEBSOCKET_PORT), proxy.as_ref()),
        };
        let Some(proxy) = proxy else {
            return self.tcp(&peer.host, port).await.map_err(|error| unreachable(peer, &error));
        };
        let failed = |error: &dyn Error| DialError::Unreachable(format!("the proxy {proxy}: {}", reason(error)));
        let mut stream = TcpStream::connect(proxy.address()).await.map_err(|error| failed(&error))?;
        proxy.pass(&mut stream, &peer.host, port).await.map_err(|error| failed(&error))?;
        Ok(stream)
    }
}

fn is_loopback(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.is_loopback())
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
