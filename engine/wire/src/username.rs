//! The user name of a device's CONNECT: `{host}/{identity}/?api-version=..&..` and its older forms. Not DPS, whose form differs.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::percent::{decode, encode};
use crate::{IdError, Identity};

const API_VERSION_KEY: &str = "api-version";
const CLIENT_TYPE_KEY: &str = "DeviceClientType";
const MODEL_ID_KEY: &str = "model-id";

/// Why a user name is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UsernameError {
    /// Not the number of parts, or no query where one must be.
    #[error("a user name is `host/device/?api-version=..` or `host/device/module/?api-version=..`")]
    Form,
    /// The device's or module's name.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A value that is not UTF-8 once decoded.
    #[error("the value of `{0}` is not UTF-8 once decoded")]
    Utf8(&'static str),
}

/// A user name, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username {
    /// The hub's name as the client knows it, perhaps with a port.
    pub host: String,
    /// Who connects.
    pub identity: Identity,
    /// Never checked by the service, but without it old behaviour follows.
    pub api_version: Option<String>,
    /// The SDK and its platform.
    pub client_type: Option<String>,
    /// DTDL model of a plug-and-play device.
    pub model_id: Option<String>,
}

impl Username {
    /// What our own clients send.
    pub fn new(host: impl Into<String>, identity: Identity) -> Self {
        let api_version = Some(crate::API_VERSION.to_owned());
        Self { host: host.into(), identity, api_version, client_type: None, model_id: None }
    }

    fn query(mut self, query: &str) -> Result<Self, UsernameError> {
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let (slot, key) = match key {
                API_VERSION_KEY => (&mut self.api_version, API_VERSION_KEY),
                CLIENT_TYPE_KEY => (&mut self.client_type, CLIENT_TYPE_KEY),
                MODEL_ID_KEY => (&mut self.model_id, MODEL_ID_KEY),
                _ => continue,
            };
            if slot.is_none() {
                *slot = Some(decode(value).ok_or(UsernameError::Utf8(key))?.into_owned());
            }
        }
        Ok(self)
    }
}

impl FromStr for Username {
    type Err = UsernameError;

    fn from_str(text: &str) -> Result<Self, UsernameError> {
        let parts: Vec<&str> = text.split('/').collect();
        let last = parts.last().copied().unwrap_or("");
        // A `?` opens the query only at the start of the last part; anywhere else it belongs to an id.
        let (names, query) = match (last.strip_prefix('?'), parts.as_slice()) {
            (None, names @ [_, _]) => (names, ""),
            (Some(query), [names @ .., _]) => (names, query),
            (None, [names @ .., _]) if last.contains("api-version=") => (names, last),
            _ => return Err(UsernameError::Form),
        };
        let (host, identity) = match names {
            [host, device] => (host, Identity::device(device.parse()?)),
            [host, device, module] => (host, Identity::module(device.parse()?, module.parse()?)),
            _ => return Err(UsernameError::Form),
        };
        if host.is_empty() {
            return Err(UsernameError::Form);
        }
        let host = (*host).to_owned();
        Self { host, identity, api_version: None, client_type: None, model_id: None }.query(query)
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/", self.host, self.identity)?;
        let mut separator = '?';
        for (key, value) in
            [(API_VERSION_KEY, &self.api_version), (CLIENT_TYPE_KEY, &self.client_type), (MODEL_ID_KEY, &self.model_id)]
        {
            if let Some(value) = value {
                write!(f, "{separator}{key}={}", encode(value))?;
                separator = '&';
            }
        }
        if separator == '?' { f.write_str("?") } else { Ok(()) }
    }
}

/// The client id that goes with an identity; a CONNECT with another one is refused.
pub fn client_id(identity: &Identity) -> String {
    identity.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_form() {
        for (text, identity, version, client, model) in [
            (
                "h/dev-1/?api-version=2019-10-01&DeviceClientType=py%2F2.14.0%283.11%29my%2Fprod",
                "dev-1",
                "2019-10-01",
                "py/2.14.0(3.11)my/prod",
                "",
            ),
            (
                "h/dev-2/?api-version=2021-04-12&model-id=dtmi:com:x;1&DeviceClientType=a%2F1%20(node%20v20)",
                "dev-2",
                "2021-04-12",
                "a/1 (node v20)",
                "dtmi:com:x;1",
            ),
            (
                "h:18883/d/m/?api-version=2020-09-30&DeviceClientType=c%2f1&auth-chain=x;y",
                "d/m",
                "2020-09-30",
                "c/1",
                "",
            ),
            ("h/d/api-version=2016-11-14&DeviceClientType=x", "d", "2016-11-14", "x", ""),
            ("h/d/DeviceClientType=x&api-version=2017-06-30", "d", "2017-06-30", "x", ""),
            ("h/d/m/api-version=2018-06-30", "d/m", "2018-06-30", "", ""),
            ("h/d?/?api-version=1&api-version=2", "d?", "1", "", ""),
            ("h/d", "d", "", "", ""),
            ("h/d/?", "d", "", "", ""),
        ] {
            let parsed: Username = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            let or_empty = |value: &Option<String>| value.clone().unwrap_or_default();
            assert_eq!(parsed.identity.to_string(), identity, "{text}");
            assert_eq!(or_empty(&parsed.api_version), version, "{text}");
            assert_eq!(or_empty(&parsed.client_type), client, "{text}");
            assert_eq!(or_empty(&parsed.model_id), model, "{text}");
            assert!(parsed.host.starts_with('h'));
        }
    }

    #[test]
    fn refuses_other_forms() {
        for text in [
            "",
            "h",
            "/d",
            "h/",
            "h/d/m",
            "h/d/m/x/?api-version=1",
            "h/d/?api-version=1&DeviceClientType=a/b",
            "h//?api-version=1",
        ] {
            assert!(text.parse::<Username>().is_err(), "{text}");
        }
        assert_eq!("h/d/?api-version=%ff".parse::<Username>(), Err(UsernameError::Utf8("api-version")));
    }

    proptest! {
        #[test]
        fn round_trips(
            host in "[a-z0-9.]{1,10}(:[0-9]{1,4})?",
            identity in "[A-Za-z0-9?=$_-]{1,12}(/[A-Za-z0-9$_-]{1,12})?",
            api_version in proptest::option::of("[0-9-]{1,10}"),
            client_type in proptest::option::of(".{0,20}"),
            model_id in proptest::option::of(".{0,20}"),
        ) {
            let username = Username { host, identity: identity.parse().unwrap(), api_version, client_type, model_id };
            prop_assert_eq!(username.to_string().parse(), Ok(username));
        }

        #[test]
        fn never_panics(text in ".{0,60}") {
            let _ = text.parse::<Username>();
        }
    }
}
