//! Opens the two listening sockets, with errors that say what to do.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::config::{HubConfig, HubStartError};

/// Where devices and services connect.
pub(crate) struct Listeners {
    pub(crate) mqtt: (TcpListener, SocketAddr),
    pub(crate) https: (TcpListener, SocketAddr),
    pub(crate) metrics: Option<(TcpListener, SocketAddr)>,
}

impl Listeners {
    pub(crate) async fn open(config: &HubConfig) -> Result<Self, HubStartError> {
        check_reach(config.bind, config.allow_remote)?;
        let metrics = match config.metrics_port {
            None => None,
            // Never further: nobody shows who he is there.
            Some(port) => {
                Some(listen("metrics", "--metrics-port", SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)).await?)
            }
        };
        Ok(Self {
            metrics,
            mqtt: listen("MQTT", "--mqtt-port", SocketAddr::new(config.bind, config.mqtt_port)).await?,
            https: listen("HTTPS", "--https-port", SocketAddr::new(config.bind, config.https_port)).await?,
        })
    }
}

fn check_reach(bind: IpAddr, allow_remote: bool) -> Result<(), HubStartError> {
    if bind.is_loopback() || allow_remote { Ok(()) } else { Err(HubStartError::Remote(bind)) }
}

async fn listen(
    what: &'static str,
    option: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), HubStartError> {
    let opened = async {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    opened.await.map_err(|source: std::io::Error| match source.kind() {
        ErrorKind::AddrInUse => HubStartError::PortInUse { what, address, option },
        ErrorKind::PermissionDenied => HubStartError::PortNotAllowed { what, address, option },
        _ => HubStartError::Listen { what, address, source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Data;

    #[tokio::test]
    async fn a_port_in_use_and_a_reachable_address_are_refused_with_the_way_out() {
        let config = HubConfig::embedded();
        let first = Listeners::open(&config).await.unwrap();
        let taken = HubConfig { https_port: first.https.1.port(), ..config.clone() };
        let error = Listeners::open(&taken).await.err().unwrap().to_string();
        assert!(error.contains("HTTPS") && error.contains("in use") && error.contains("--https-port"), "{error}");
        let reachable = HubConfig { bind: "0.0.0.0".parse().unwrap(), ..HubConfig::new(Data::Memory) };
        let error = Listeners::open(&reachable).await.err().unwrap().to_string();
        assert!(error.contains("--allow-remote"), "{error}");
        let foreign = HubConfig { bind: "192.0.2.1".parse().unwrap(), allow_remote: true, ..config };
        let error = Listeners::open(&foreign).await.err().unwrap();
        assert!(matches!(error, HubStartError::Listen { what: "MQTT", .. }), "{error}");
    }
}
