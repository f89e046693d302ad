//! The names that this hub answers to in tokens and user names: with or without a port, in any case.

use std::net::IpAddr;

use wire::HostPort;

/// Names and addresses in lower case, without ports; and the configured ones as they are.
#[derive(Clone, Debug)]
pub(crate) struct Hosts(Vec<String>, Vec<String>);

impl Hosts {
    /// `localhost`, the loopback addresses, the address listened on, and the configured names.
    pub(crate) fn new(bind: IpAddr, names: &[String]) -> Self {
        let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
        let configured = names.iter().map(|name| name.to_ascii_lowercase());
        for host in std::iter::once(bind.to_string()).chain(configured) {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        Self(hosts, names.to_vec())
    }

    /// The configured names alone: no other hub of this machine has them.
    pub(crate) fn configured(&self) -> &[String] {
        &self.1
    }

    /// Every name, for the certificate.
    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }

    /// Whether `host`, `host:port` or `[host]:port` is this hub. The port is not compared: a client may come through a forwarded one.
    pub(crate) fn accept(&self, host: &str) -> bool {
        let Ok(HostPort { host, .. }) = host.parse::<HostPort>() else { return false };
        self.0.iter().any(|known| known.eq_ignore_ascii_case(&host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_its_names_with_any_port() {
        let hosts = Hosts::new("127.0.0.77".parse().unwrap(), &["My-Hub.azure-devices.net".into()]);
        for host in
            ["localhost", "LOCALHOST:8443", "127.0.0.1", "[::1]:443", "127.0.0.77:8883", "my-hub.azure-devices.net"]
        {
            assert!(hosts.accept(host), "{host}");
        }
        for host in ["", "127.0.0.78", "azure-devices.net", "localhost.evil", "localhost:x", "localhost:8443/devices"] {
            assert!(!hosts.accept(host), "{host}");
        }
    }
}
