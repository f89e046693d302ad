//! Connection strings of the service and of devices: `key=value` joined by `;`, each split at its first `=`. Errors never hold a
//! key's value: whatever stands there may be a secret.

use std::fmt::Write as _;
use std::str::FromStr;

use base::Secret;
use thiserror::Error;

use crate::{HostError, HostPort, IdError, Identity, SasError, SasKey};

const HOST: &str = "HostName";
const POLICY: &str = "SharedAccessKeyName";
const KEY: &str = "SharedAccessKey";
const SIGNATURE: &str = "SharedAccessSignature";
const DEVICE: &str = "DeviceId";
const MODULE: &str = "ModuleId";
const GATEWAY: &str = "GatewayHostName";
const X509: &str = "x509";
const KEYS: [&str; 8] = [HOST, POLICY, KEY, SIGNATURE, DEVICE, MODULE, GATEWAY, X509];

/// What is wrong with a connection string; [`ConnectionStringError::help`] says how to mend it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConnectionStringError {
    /// Nothing there.
    #[error("the connection string is empty")]
    Empty,
    /// It ends with `;`, or has two in a row.
    #[error("the connection string has an empty part: a `;` at its end, or two in a row")]
    EmptyPart,
    /// A part without `=`. Not shown: it may be part of a key.
    #[error("part {0} of the connection string is not `name=value`")]
    NotAPair(usize),
    /// A name without value.
    #[error("`{0}` in the connection string has no value")]
    NoValue(&'static str),
    /// Not one of the names.
    #[error("the connection string has an unknown name{}", .name.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default())]
    Unknown {
        /// The name, when it cannot be part of a key.
        name: Option<String>,
        /// The name that was meant.
        meant: Option<&'static str>,
    },
    /// The same name twice.
    #[error("`{0}` stands twice in the connection string")]
    Twice(&'static str),
    /// A name that must be there.
    #[error("the connection string has no `{name}`")]
    Missing {
        /// What is missing.
        name: &'static str,
        /// Only the host name is there: what is left when the shell takes each `;` as the end of a command.
        cut: bool,
    },
    /// A device's string where the service's is needed.
    #[error("this is the connection string of the device `{0}`; the hub's own is needed here")]
    DeviceInsteadOfService(String),
    /// The service's string where a device's is needed.
    #[error("this is the hub's own connection string (policy `{0}`); a device's is needed here")]
    ServiceInsteadOfDevice(String),
    /// A string of Event Hubs or Service Bus.
    #[error("this is a connection string of Event Hubs or Service Bus, not of an IoT Hub")]
    EventHubs,
    /// More than one of key, signature and certificate, or names that do not go together.
    #[error("`{0}` and `{1}` do not go together in a connection string")]
    Mixed(&'static str, &'static str),
    /// `x509` is `true` or absent.
    #[error("`x509` in a connection string is `true` or not there at all")]
    X509,
    /// A host name that is none.
    #[error("`{0}` in the connection string: {1}")]
    Host(&'static str, #[source] HostError),
    /// An id that is none.
    #[error("`{0}` in the connection string: {1}")]
    Id(&'static str, #[source] IdError),
    /// A key that is none.
    #[error("`SharedAccessKey` in the connection string: {0}")]
    Key(#[source] SasError),
}

impl ConnectionStringError {
    /// What to do, without `help: `; `None` when the message says it all.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Missing { cut: true, .. } | Self::Empty => {
                "were its quotes lost in the shell? put it in single quotes: 'HostName=..;..'".into()
            }
            Self::EmptyPart => "take the `;` away".into(),
            Self::NotAPair(_) | Self::Key(_) | Self::NoValue(_) => {
                "copy it again, whole, and put it in single quotes".into()
            }
            Self::Unknown { meant: Some(meant), .. } => format!("did you mean `{meant}`?"),
            Self::Unknown { meant: None, .. } => format!("the names are {}", KEYS.join(", ")),
            Self::DeviceInsteadOfService(_) | Self::EventHubs => {
                "use one from the hub's \"Shared access policies\": HostName=..;SharedAccessKeyName=..;SharedAccessKey=.."
                    .into()
            }
            Self::ServiceInsteadOfDevice(_) => {
                "`iotplay devices add ID` prints one: HostName=..;DeviceId=..;SharedAccessKey=..".into()
            }
            _ => return None,
        })
    }
}

/// Either kind: the one with `DeviceId` is a device's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionString {
    /// The hub's own.
    Service(ServiceConnection),
    /// A device's or module's.
    Device(DeviceConnection),
}

/// How to reach a hub's service side: `HostName=..;SharedAccessKeyName=..;SharedAccessKey=..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceConnection {
    /// The hub.
    pub host: HostPort,
    /// The policy that the key belongs to.
    pub policy: String,
    /// One of its keys.
    pub key: SasKey,
}

/// How a device or module reaches its hub: `HostName=..;DeviceId=..[;ModuleId=..];SharedAccessKey=..[;GatewayHostName=..]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceConnection {
    /// The hub; user name and tokens name it.
    pub host: HostPort,
    /// Where to connect instead.
    pub gateway: Option<HostPort>,
    /// Who connects.
    pub identity: Identity,
    /// How it proves that.
    pub credential: DeviceCredential,
}

impl DeviceConnection {
    /// A connection string without a credential, and a token that was made elsewhere.
    ///
    /// # Errors
    /// As for a connection string; one that has a credential of its own says so.
    pub fn with_token(text: &str, token: &str) -> Result<Self, ConnectionStringError> {
        let token = token.trim();
        // A token has none of them; a text that is no token must not become further parts.
        if token.is_empty() || token.contains(';') {
            return Err(ConnectionStringError::NoValue(SIGNATURE));
        }
        format!("{};{SIGNATURE}={token}", text.trim()).parse()
    }
}

/// How a device proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceCredential {
    /// Its own key.
    Key(SasKey),
    /// A hub policy's key.
    Policy {
        /// The policy.
        name: String,
        /// The policy's key.
        key: SasKey,
    },
    /// A token made elsewhere.
    Signature(Secret),
    /// A certificate, given beside the connection string.
    X509,
}

/// The values by name, still text.
struct Fields<'a>(Vec<(&'static str, &'a str)>);

impl<'a> Fields<'a> {
    fn read(text: &'a str) -> Result<Self, ConnectionStringError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ConnectionStringError::Empty);
        }
        if text.starts_with("Endpoint=sb:") {
            return Err(ConnectionStringError::EventHubs);
        }
        let mut fields = Self(Vec::new());
        for (index, part) in text.split(';').enumerate() {
            if part.trim().is_empty() {
                return Err(ConnectionStringError::EmptyPart);
            }
            let (name, value) = part.split_once('=').ok_or(ConnectionStringError::NotAPair(index + 1))?;
            let name = known(name.trim())?;
            if value.trim().is_empty() {
                return Err(ConnectionStringError::NoValue(name));
            }
            if fields.get(name).is_some() {
                return Err(ConnectionStringError::Twice(name));
            }
            fields.0.push((name, value.trim()));
        }
        Ok(fields)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn need(&self, name: &'static str) -> Result<&'a str, ConnectionStringError> {
        let cut = self.0.len() == 1 && self.get(HOST).is_some();
        self.get(name).ok_or(ConnectionStringError::Missing { name, cut })
    }

    fn host(&self, name: &'static str) -> Result<HostPort, ConnectionStringError> {
        self.need(name)?.parse().map_err(|error| ConnectionStringError::Host(name, error))
    }

    fn key(&self) -> Result<SasKey, ConnectionStringError> {
        self.need(KEY)?.parse().map_err(ConnectionStringError::Key)
    }

    fn service(&self) -> Result<ServiceConnection, ConnectionStringError> {
        if let Some(device) = self.get(DEVICE) {
            return Err(ConnectionStringError::DeviceInsteadOfService(device.to_owned()));
        }
        let host = self.host(HOST)?;
        for name in [MODULE, GATEWAY, X509, SIGNATURE] {
            if self.get(name).is_some() {
                let lacking = if name == SIGNATURE { KEY } else { DEVICE };
                return Err(ConnectionStringError::Missing { name: lacking, cut: false });
            }
        }
        Ok(ServiceConnection { host, policy: self.need(POLICY)?.to_owned(), key: self.key()? })
    }

    fn device(&self) -> Result<DeviceConnection, ConnectionStringError> {
        let host = self.host(HOST)?;
        let Some(device) = self.get(DEVICE) else {
            return Err(match self.get(POLICY) {
                Some(policy) => ConnectionStringError::ServiceInsteadOfDevice(policy.to_owned()),
                None => self.need(DEVICE).expect_err("there is no DeviceId"),
            });
        };
        let identity = Identity {
            device: device.parse().map_err(|error| ConnectionStringError::Id(DEVICE, error))?,
            module: self
                .get(MODULE)
                .map(|module| module.parse().map_err(|error| ConnectionStringError::Id(MODULE, error)))
                .transpose()?,
        };
        let gateway = self.get(GATEWAY).map(|_| self.host(GATEWAY)).transpose()?;
        Ok(DeviceConnection { host, gateway, identity, credential: self.credential()? })
    }

    fn credential(&self) -> Result<DeviceCredential, ConnectionStringError> {
        let given: Vec<&'static str> =
            [KEY, SIGNATURE, X509].into_iter().filter(|name| self.get(name).is_some()).collect();
        match (given.as_slice(), self.get(POLICY)) {
            ([], _) => Err(self.need(KEY).expect_err("there is no key")),
            ([KEY], None) => Ok(DeviceCredential::Key(self.key()?)),
            ([KEY], Some(policy)) => Ok(DeviceCredential::Policy { name: policy.to_owned(), key: self.key()? }),
            ([SIGNATURE], None) => Ok(DeviceCredential::Signature(Secret::new(self.need(SIGNATURE)?))),
            ([X509], None) if self.get(X509) == Some("true") => Ok(DeviceCredential::X509),
            ([_], None) => Err(ConnectionStringError::X509),
            ([one], Some(_)) => Err(ConnectionStringError::Mixed(one, POLICY)),
            ([one, two, ..], _) => Err(ConnectionStringError::Mixed(one, two)),
        }
    }
}

fn known(name: &str) -> Result<&'static str, ConnectionStringError> {
    if let Some(known) = KEYS.into_iter().find(|known| *known == name) {
        return Ok(known);
    }
    // A piece of a key may stand where a name should: it is shown only when it looks like a word.
    let word = name.len() <= 24 && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    Err(ConnectionStringError::Unknown {
        name: word.then(|| name.to_owned()),
        meant: base::did_you_mean(name, KEYS).and_then(|meant| KEYS.into_iter().find(|known| *known == meant)),
    })
}

impl FromStr for ConnectionString {
    type Err = ConnectionStringError;

    fn from_str(text: &str) -> Result<Self, ConnectionStringError> {
        let fields = Fields::read(text)?;
        if fields.get(DEVICE).is_some() {
            fields.device().map(Self::Device)
        } else {
            fields.service().map(Self::Service)
        }
    }
}

impl FromStr for ServiceConnection {
    type Err = ConnectionStringError;

    fn from_str(text: &str) -> Result<Self, ConnectionStringError> {
        Fields::read(text)?.service()
    }
}

impl FromStr for DeviceConnection {
    type Err = ConnectionStringError;

    fn from_str(text: &str) -> Result<Self, ConnectionStringError> {
        Fields::read(text)?.device()
    }
}

impl ServiceConnection {
    /// The text of it, without a `;` at the end, as Python insists.
    pub fn to_connection_string(&self) -> Secret {
        Secret::new(format!("{HOST}={};{POLICY}={};{KEY}={}", self.host, self.policy, self.key.expose()))
    }
}

impl DeviceConnection {
    /// The text of it, without a `;` at the end, as Python insists.
    pub fn to_connection_string(&self) -> Secret {
        let mut text = format!("{HOST}={};{DEVICE}={}", self.host, self.identity.device);
        let mut add = |name: &str, value: &str| {
            write!(text, ";{name}={value}").expect("writing to a String cannot fail");
        };
        if let Some(module) = &self.identity.module {
            add(MODULE, module.as_str());
        }
        match &self.credential {
            DeviceCredential::Key(key) => add(KEY, key.expose()),
            DeviceCredential::Policy { name, key } => {
                add(POLICY, name);
                add(KEY, key.expose());
            }
            DeviceCredential::Signature(token) => add(SIGNATURE, token.expose()),
            DeviceCredential::X509 => add(X509, "true"),
        }
        if let Some(gateway) = &self.gateway {
            add(GATEWAY, &gateway.to_string());
        }
        Secret::new(text)
    }

    /// Where to connect: the gateway if there is one, else the hub.
    pub fn endpoint(&self) -> &HostPort {
        self.gateway.as_ref().unwrap_or(&self.host)
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
