//! The five things a device can subscribe to. The service knows no other filter and no wildcard of its own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Identity, TopicError};

const METHODS: &str = "$iothub/methods/POST/#";
const TWIN_RESPONSES: &str = "$iothub/twin/res/#";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";
const BOUND: &str = "messages/devicebound/#";
const INPUTS: &str = "inputs/#";

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceFilter {
    /// Cloud-to-device messages.
    CloudToDevice(Identity),
    /// A module's inputs; both ways of writing it mean the same.
    ModuleInputs(Identity),
    /// Direct methods.
    Methods,
    /// Answers to twin requests.
    TwinResponses,
    /// Changes of desired properties.
    Desired,
}

impl DeviceFilter {
    /// Reads a filter as SDKs write it.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        match text {
            METHODS => return Ok(Self::Methods),
            TWIN_RESPONSES => return Ok(Self::TwinResponses),
            DESIRED => return Ok(Self::Desired),
            _ => {}
        }
        let rest = text.strip_prefix("devices/").ok_or(TopicError::Unknown)?;
        let (device, rest) = rest.split_once('/').ok_or(TopicError::Unknown)?;
        if rest == BOUND {
            return Ok(Self::CloudToDevice(Identity::device(device.parse()?)));
        }
        let (module, rest) =
            rest.strip_prefix("modules/").and_then(|rest| rest.split_once('/')).ok_or(TopicError::Unknown)?;
        let identity = Identity::module(device.parse()?, module.parse()?);
        match rest {
            INPUTS | "#" => Ok(Self::ModuleInputs(identity)),
            BOUND => Ok(Self::CloudToDevice(identity)),
            _ => Err(TopicError::Unknown),
        }
    }

    /// Whose messages it asks for; `None` for the filters that mean the connection's own identity.
    pub fn identity(&self) -> Option<&Identity> {
        match self {
            Self::CloudToDevice(identity) | Self::ModuleInputs(identity) => Some(identity),
            Self::Methods | Self::TwinResponses | Self::Desired => None,
        }
    }
}

impl FromStr for DeviceFilter {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        Self::parse(text)
    }
}

impl fmt::Display for DeviceFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (identity, rest) = match self {
            Self::Methods => return f.write_str(METHODS),
            Self::TwinResponses => return f.write_str(TWIN_RESPONSES),
            Self::Desired => return f.write_str(DESIRED),
            Self::CloudToDevice(identity) => (identity, BOUND),
            Self::ModuleInputs(identity) => (identity, INPUTS),
        };
        crate::topic::write_identity(f, identity)?;
        f.write_str(rest)
    }
}

/// As its text: that is how kept sessions are stored.
impl Serialize for DeviceFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_the_filters_of_the_sdks() {
        for text in [
            "devices/dev-1/messages/devicebound/#",
            "devices/d/modules/m/inputs/#",
            "devices/d/modules/m/messages/devicebound/#",
            "$iothub/methods/POST/#",
            "$iothub/twin/res/#",
            "$iothub/twin/PATCH/properties/desired/#",
        ] {
            assert_eq!(DeviceFilter::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(DeviceFilter::parse("devices/d/modules/m/#"), DeviceFilter::parse("devices/d/modules/m/inputs/#"));
    }

    #[test]
    fn refuses_any_other() {
        for text in [
            "#",
            "",
            "$iothub/#",
            "$iothub/methods/post/#",
            "$iothub/methods/POST/+",
            "devices/#",
            "devices/d/#",
            "devices//messages/devicebound/#",
            "devices/d/messages/events/#",
            "devices/a b/messages/devicebound/#",
            "devices/d/messages/devicebound",
            "$SYS/#",
        ] {
            assert!(DeviceFilter::parse(text).is_err(), "{text}");
        }
    }
}
