//! Names of devices and modules: 1 to 128 characters of a fixed ASCII set, case-sensitive. Does not say whether they exist.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::limits::ID_CHARS;

/// What makes a text no id.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum IdError {
    /// Nothing there.
    #[error("an id must not be empty")]
    Empty,
    /// More than [`ID_CHARS`] characters; holds how many.
    #[error("an id has at most 128 characters, this one has {0}")]
    TooLong(usize),
    /// A character outside the set.
    #[error("`{id}` is not an id: `{character}` is not allowed in it (letters, digits and -:.+%_#*?!(),=@;$')")]
    Character {
        /// The whole text.
        id: String,
        /// The first character that is not allowed.
        character: char,
    },
}

fn allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-:.+%_#*?!(),=@;$'".contains(&byte)
}

fn check(id: &str) -> Result<(), IdError> {
    if id.is_empty() {
        return Err(IdError::Empty);
    }
    if let Some(character) = id.chars().find(|c| !u8::try_from(*c).is_ok_and(allowed)) {
        return Err(IdError::Character { id: id.to_owned(), character });
    }
    if id.len() > ID_CHARS { Err(IdError::TooLong(id.len())) } else { Ok(()) }
}

macro_rules! id {
    ($name:ident, $what:literal) => {
        #[doc = concat!("The id of a ", $what, ". Cheap to clone, never empty, never longer than 128 characters.")]
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The shared text itself, for who keeps ids as plain text.
            pub fn shared(&self) -> Arc<str> {
                Arc::clone(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(DeviceId, "device");
id!(ModuleId, "module");
id!(JobId, "job");

/// Who connects: a device, or a module of it. Each has its own connection, twin and methods.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The device.
    pub device: DeviceId,
    /// The module; `None` for the device itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<ModuleId>,
}

impl Identity {
    /// A device.
    pub fn device(device: DeviceId) -> Self {
        Self { device, module: None }
    }

    /// A module.
    pub fn module(device: DeviceId, module: ModuleId) -> Self {
        Self { device, module: Some(module) }
    }
}

impl From<DeviceId> for Identity {
    fn from(device: DeviceId) -> Self {
        Self::device(device)
    }
}

/// `device` or `device/module`; also the MQTT client id.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.module {
            None => f.write_str(self.device.as_str()),
            Some(module) => write!(f, "{}/{module}", self.device),
        }
    }
}

impl FromStr for Identity {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Ok(match text.split_once('/') {
            None => Self::device(text.parse()?),
            Some((device, module)) => Self::module(device.parse()?, module.parse()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn takes_the_whole_set_and_nothing_else() {
        for good in ["press-7", "$edgeAgent", "a:b;c", "-:.+%_#*?!(),=@;$'", "X"] {
            assert_eq!(good.parse::<DeviceId>().unwrap().as_str(), good);
        }
        assert_eq!("".parse::<DeviceId>(), Err(IdError::Empty));
        assert_eq!("x".repeat(129).parse::<DeviceId>(), Err(IdError::TooLong(129)));
        for (bad, character) in [("a/b", '/'), ("a b", ' '), ("é", 'é'), ("a\"", '"'), ("a&b", '&'), ("a\n", '\n')] {
            assert_eq!(bad.parse::<ModuleId>(), Err(IdError::Character { id: bad.into(), character }));
        }
    }

    #[test]
    fn an_identity_is_one_or_two_ids() {
        let module = Identity::module("d".parse().unwrap(), "m".parse().unwrap());
        assert_eq!(module.to_string(), "d/m");
        assert_eq!("d/m".parse(), Ok(module));
        assert!("d/".parse::<Identity>().is_err());
        assert!("d/m/x".parse::<Identity>().is_err());
    }

    proptest! {
        #[test]
        fn round_trips(text in "[A-Za-z0-9:.+%_#*?!(),=@;$'-]{1,128}(/[A-Za-z0-9$_-]{1,20})?") {
            let identity: Identity = text.parse().unwrap();
            prop_assert_eq!(identity.to_string(), text);
        }
    }
}
