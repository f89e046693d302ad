//! A host with an optional port, as it stands in `HostName=`. Does not resolve it.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// What makes a text no host.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum HostError {
    /// Nothing there.
    #[error("the host name is empty")]
    Empty,
    /// A URL, a path, blanks or the like.
    #[error("`{0}` is not a host name: write a name or an address, with `:port` if need be, and nothing else")]
    Form(String),
    /// Not a number from 1 to 65535.
    #[error("`{0}` is not a port")]
    Port(String),
}

/// `name`, `name:port`, `127.0.0.1:8443` or `[::1]:8443`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The name or address, an IPv6 one without its brackets; case as written.
    pub host: String,
    /// The port, when one was written.
    pub port: Option<u16>,
}

impl HostPort {
    /// A host without a port.
    pub fn new(host: impl Into<String>) -> Self {
        Self { host: host.into(), port: None }
    }

    /// A host and a port.
    pub fn with_port(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port: Some(port) }
    }

    /// The port, or the protocol's own.
    pub fn port_or(&self, default: u16) -> u16 {
        self.port.unwrap_or(default)
    }
}

fn is_name(host: &str) -> bool {
    host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

fn is_v6(host: &str) -> bool {
    host.parse::<std::net::Ipv6Addr>().is_ok()
}

impl FromStr for HostPort {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let form = || HostError::Form(text.to_owned());
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').filter(|(host, _)| is_v6(host)).ok_or_else(form)?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or_else(form)?) })
        } else if is_v6(text) {
            (text, None)
        } else {
            text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
        };
        if host.is_empty() {
            return Err(HostError::Empty);
        }
        if !is_name(host) && !is_v6(host) {
            return Err(form());
        }
        let number = |port: &str| match port.parse::<u16>() {
            Ok(number) if number > 0 && port.bytes().all(|byte| byte.is_ascii_digit()) => Ok(number),
            _ if port.starts_with("//") => Err(form()),
            _ => Err(HostError::Port(port.to_owned())),
        };
        Ok(Self { host: host.to_owned(), port: port.map(number).transpose()? })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.host.contains(':'), self.port) {
            (false, None) => f.write_str(&self.host),
            (false, Some(port)) => write!(f, "{}:{port}", self.host),
            (true, None) => write!(f, "[{}]", self.host),
            (true, Some(port)) => write!(f, "[{}]:{port}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_addresses_and_ports() {
        for (text, host, port) in [
            ("hub.azure-devices.net", "hub.azure-devices.net", None),
            ("localhost:8443", "localhost", Some(8443)),
            ("127.0.0.77:8883", "127.0.0.77", Some(8883)),
            ("[::1]:443", "::1", Some(443)),
            ("[::1]", "::1", None),
        ] {
            let parsed: HostPort = text.parse().unwrap();
            assert_eq!((parsed.host.as_str(), parsed.port), (host, port), "{text}");
            assert_eq!(parsed.to_string(), text);
        }
        assert_eq!("::1".parse::<HostPort>().unwrap().to_string(), "[::1]");
    }

    #[test]
    fn refuses_what_is_not_a_host() {
        assert_eq!("".parse::<HostPort>(), Err(HostError::Empty));
        assert_eq!(":1".parse::<HostPort>(), Err(HostError::Empty));
        assert_eq!("a:0".parse::<HostPort>(), Err(HostError::Port("0".into())));
        assert_eq!("a:+1".parse::<HostPort>(), Err(HostError::Port("+1".into())));
        assert_eq!("a:99999".parse::<HostPort>(), Err(HostError::Port("99999".into())));
        for text in ["https://a", "a/b", "a b", "[x]:1", "[::1]x", "é"] {
            assert_eq!(text.parse::<HostPort>(), Err(HostError::Form(text.into())), "{text}");
        }
    }
}
