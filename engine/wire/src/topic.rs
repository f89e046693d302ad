//! Every topic that a device or the hub publishes to. Parsing borrows from the topic and allocates only for what is encoded:
//! requests and answers of methods and twins pass here once per message.

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;

use crate::percent::{decode, encode_segment};
use crate::{BagError, DeviceId, IdError, Identity, PropertyBag};

const METHOD_REQUEST: &str = "$iothub/methods/POST/";
const METHOD_RESPONSE: &str = "$iothub/methods/res/";
const TWIN_GET: &str = "$iothub/twin/GET/";
const TWIN_REPORTED: &str = "$iothub/twin/PATCH/properties/reported/";
const TWIN_RESPONSE: &str = "$iothub/twin/res/";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/";
const DEVICES: &str = "devices/";
const MODULES: &str = "modules/";
const EVENTS: &str = "messages/events";
const BOUND: &str = "messages/devicebound";
const INPUTS: &str = "inputs/";

/// Why a topic is none of ours.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TopicError {
    /// No such topic or filter exists.
    #[error("IoT Hub has no such topic")]
    Unknown,
    /// `?$rid=` must follow.
    #[error("the topic has no `$rid`")]
    NoRid,
    /// The status is not a number. Holds the request id, for the caller who waits.
    #[error("the status of the answer to `{rid}` is not a number")]
    Status {
        /// The request id.
        rid: String,
    },
    /// `$version` is missing or not a number.
    #[error("`$version` is not a number")]
    Version,
    /// A name that is not UTF-8 once decoded, or empty.
    #[error("a name in the topic is empty or not UTF-8 once decoded")]
    Name,
    /// The device's or module's name.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The message properties.
    #[error(transparent)]
    Bag(#[from] BagError),
}

/// A topic. `rid` is opaque and goes back byte for byte; the hub's own ones for methods are lower-case hex counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceTopic<'a> {
    /// Device to cloud: a message.
    Telemetry {
        /// The sender.
        identity: Identity,
        /// Its properties.
        properties: PropertyBag,
    },
    /// Cloud to device: call a method.
    MethodRequest {
        /// The method, decoded.
        name: Cow<'a, str>,
        /// Request id.
        rid: &'a str,
    },
    /// Device to cloud: a method's answer.
    MethodResponse {
        /// The device's own status, any number.
        status: i32,
        /// Request id.
        rid: &'a str,
    },
    /// Device to cloud: read the twin. The payload means nothing.
    TwinGet {
        /// Request id.
        rid: &'a str,
    },
    /// Device to cloud: patch the reported properties.
    TwinReported {
        /// Request id.
        rid: &'a str,
        /// The version it builds on; no SDK sends it.
        version: Option<u64>,
    },
    /// Cloud to device: the answer to either.
    TwinResponse {
        /// 200, 204 or an error.
        status: u16,
        /// Request id.
        rid: &'a str,
        /// The new version of the reported properties, with 204.
        version: Option<u64>,
    },
    /// Cloud to device: the desired properties changed.
    Desired {
        /// Their new version.
        version: u64,
    },
    /// Cloud to device: a message.
    CloudToDevice {
        /// The receiver.
        identity: Identity,
        /// Its properties.
        properties: PropertyBag,
    },
    /// Cloud to module: a message at an input.
    ModuleInput {
        /// The receiver.
        identity: Identity,
        /// The input's name, decoded.
        input: Cow<'a, str>,
        /// Its properties.
        properties: PropertyBag,
    },
}

/// The query of a `$iothub` topic: `?$rid=..&$version=..` in any order; unknown keys are ignored.
struct Query<'a> {
    rid: Option<&'a str>,
    version: Option<&'a str>,
}

impl<'a> Query<'a> {
    fn of(text: &'a str) -> Result<Self, TopicError> {
        let body = text.strip_prefix('?').ok_or(TopicError::NoRid)?;
        let mut query = Self { rid: None, version: None };
        for (key, value) in body.split('&').filter_map(|pair| pair.split_once('=')) {
            match key {
                "$rid" if query.rid.is_none() => query.rid = Some(value),
                "$version" if query.version.is_none() => query.version = Some(value),
                _ => {}
            }
        }
        Ok(query)
    }

    fn rid(&self) -> Result<&'a str, TopicError> {
        self.rid.filter(|rid| !rid.is_empty()).ok_or(TopicError::NoRid)
    }

    fn version(&self) -> Result<Option<u64>, TopicError> {
        self.version.map(|version| version.parse().map_err(|_| TopicError::Version)).transpose()
    }
}

fn name(text: &str) -> Result<Cow<'_, str>, TopicError> {
    decode(text).filter(|name| !name.is_empty()).ok_or(TopicError::Name)
}

/// `{first}/{query}`.
fn segment_and_query(text: &str) -> Result<(&str, Query<'_>), TopicError> {
    let (first, query) = text.split_once('/').ok_or(TopicError::NoRid)?;
    Ok((first, Query::of(query)?))
}

impl<'a> DeviceTopic<'a> {
    /// Reads a topic that was published. Case matters.
    pub fn parse(topic: &'a str) -> Result<Self, TopicError> {
        if let Some(rest) = topic.strip_prefix(METHOD_RESPONSE) {
            let (status, query) = segment_and_query(rest)?;
            let rid = query.rid()?;
            let status = status.parse().map_err(|_| TopicError::Status { rid: rid.to_owned() })?;
            Ok(Self::MethodResponse { status, rid })
        } else if let Some(rest) = topic.strip_prefix(METHOD_REQUEST) {
            let (method, query) = segment_and_query(rest)?;
            Ok(Self::MethodRequest { name: name(method)?, rid: query.rid()? })
        } else if let Some(rest) = topic.strip_prefix(TWIN_GET) {
            Ok(Self::TwinGet { rid: Query::of(rest)?.rid()? })
        } else if let Some(rest) = topic.strip_prefix(TWIN_REPORTED) {
            let query = Query::of(rest)?;
            Ok(Self::TwinReported { rid: query.rid()?, version: query.version()? })
        } else if let Some(rest) = topic.strip_prefix(TWIN_RESPONSE) {
            let (status, query) = segment_and_query(rest)?;
            let rid = query.rid()?;
            let status = status.parse().map_err(|_| TopicError::Status { rid: rid.to_owned() })?;
            Ok(Self::TwinResponse { status, rid, version: query.version()? })
        } else if let Some(rest) = topic.strip_prefix(DESIRED) {
            let version = Query::of(rest).map_err(|_| TopicError::Version)?.version()?;
            Ok(Self::Desired { version: version.ok_or(TopicError::Version)? })
        } else {
            Self::message(topic.strip_prefix(DEVICES).ok_or(TopicError::Unknown)?)
        }
    }

    /// The topics below `devices/`.
    fn message(rest: &'a str) -> Result<Self, TopicError> {
        let (device, rest) = rest.split_once('/').ok_or(TopicError::Unknown)?;
        let device: DeviceId = device.parse()?;
        let (identity, rest) = match rest.strip_prefix(MODULES) {
            None => (Identity::device(device), rest),
            Some(rest) => {
                let (module, rest) = rest.split_once('/').ok_or(TopicError::Unknown)?;
                (Identity::module(device, module.parse()?), rest)
            }
        };
        // The slash behind the fixed words is usual but not required.
        let bag = |rest: &str| match rest.strip_prefix('/') {
            Some(bag) => Ok(PropertyBag::parse(bag)?),
            None if rest.is_empty() => Ok(PropertyBag::default()),
            None => Err(TopicError::Unknown),
        };
        if let Some(rest) = rest.strip_prefix(EVENTS) {
            Ok(Self::Telemetry { identity, properties: bag(rest)? })
        } else if let Some(rest) = rest.strip_prefix(BOUND) {
            Ok(Self::CloudToDevice { identity, properties: bag(rest)? })
        } else if let (Some(rest), true) = (rest.strip_prefix(INPUTS), identity.module.is_some()) {
            let (input, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            Ok(Self::ModuleInput { identity, input: name(input)?, properties: bag(rest)? })
        } else {
            Err(TopicError::Unknown)
        }
    }
}

/// `devices/{d}/` or `devices/{d}/modules/{m}/`; ids stand as they are, the service does not decode them here.
pub(crate) fn write_identity(f: &mut fmt::Formatter<'_>, identity: &Identity) -> fmt::Result {
    write!(f, "{DEVICES}{}/", identity.device)?;
    identity.module.as_ref().map_or(Ok(()), |module| write!(f, "{MODULES}{module}/"))
}

fn write_version(f: &mut fmt::Formatter<'_>, version: Option<u64>) -> fmt::Result {
    version.map_or(Ok(()), |version| write!(f, "&$version={version}"))
}

impl fmt::Display for DeviceTopic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Telemetry { identity, properties } => {
                write_identity(f, identity)?;
                write!(f, "{EVENTS}/{properties}")
            }
            Self::MethodRequest { name, rid } => write!(f, "{METHOD_REQUEST}{}/?$rid={rid}", encode_segment(name)),
            Self::MethodResponse { status, rid } => write!(f, "{METHOD_RESPONSE}{status}/?$rid={rid}"),
            Self::TwinGet { rid } => write!(f, "{TWIN_GET}?$rid={rid}"),
            Self::TwinReported { rid, version } => {
                write!(f, "{TWIN_REPORTED}?$rid={rid}")?;
                write_version(f, *version)
            }
            Self::TwinResponse { status, rid, version } => {
                write!(f, "{TWIN_RESPONSE}{status}/?$rid={rid}")?;
                write_version(f, *version)
            }
            Self::Desired { version } => write!(f, "{DESIRED}?$version={version}"),
            Self::CloudToDevice { identity, properties } => {
                write_identity(f, identity)?;
                write!(f, "{BOUND}/{properties}")
            }
            Self::ModuleInput { identity, input, properties } => {
                write_identity(f, identity)?;
                write!(f, "{INPUTS}{}/{properties}", encode_segment(input))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_prints_the_topics_of_the_wire() {
        for text in [
            "devices/dev-1/messages/events/%24.mid=id%2F1&%24.ct=application%2Fjson&a%20b=c%2Fd%2B%C3%A9",
            "devices/dev-1/messages/events/",
            "devices/d/modules/m/messages/events/%24.on=out",
            "devices/d/messages/devicebound/%24.to=%2Fdevices%2Fd%2Fmessages%2FdeviceBound",
            "devices/d/messages/devicebound/",
            "devices/d/modules/m/inputs/in1/a=b",
            "$iothub/methods/POST/rebootDevice/?$rid=1f",
            "$iothub/methods/POST/comp*reboot/?$rid=a",
            "$iothub/methods/res/200/?$rid=1",
            "$iothub/methods/res/-5/?$rid=1",
            "$iothub/twin/GET/?$rid=0f8fad5b-d9cb-469f-a165-70867728950e",
            "$iothub/twin/PATCH/properties/reported/?$rid=7",
            "$iothub/twin/PATCH/properties/reported/?$rid=7&$version=3",
            "$iothub/twin/res/204/?$rid=7&$version=6",
            "$iothub/twin/res/400/?$rid=7",
            "$iothub/twin/PATCH/properties/desired/?$version=18",
        ] {
            let parsed = DeviceTopic::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(parsed.to_string(), text);
        }
    }

    #[test]
    fn accepts_the_variants_of_telemetry() {
        let plain = DeviceTopic::parse("devices/d/messages/events/").unwrap();
        assert_eq!(DeviceTopic::parse("devices/d/messages/events"), Ok(plain));
        let output = DeviceTopic::parse("devices/d/modules/m/messages/events/a=b").unwrap();
        assert_eq!(DeviceTopic::parse("devices/d/modules/m/messages/events/a=b/"), Ok(output));
    }

    #[test]
    fn methods_and_twins_borrow() {
        let Ok(DeviceTopic::MethodRequest { name, rid }) = DeviceTopic::parse("$iothub/methods/POST/go/?$rid=a") else {
            panic!("a method's request")
        };
        assert!(matches!((name, rid), (Cow::Borrowed("go"), "a")));
        let encoded = DeviceTopic::parse("$iothub/methods/POST/a%20b/?x=y&$rid=a");
        assert_eq!(encoded, Ok(DeviceTopic::MethodRequest { name: "a b".into(), rid: "a" }));
    }

    #[test]
    fn refuses_what_is_not_a_topic() {
        for (text, error) in [
            ("", TopicError::Unknown),
            ("x", TopicError::Unknown),
            ("$iothub/twin/DELETE/?$rid=1", TopicError::Unknown),
            ("$IOTHUB/twin/GET/?$rid=1", TopicError::Unknown),
            ("devices/d", TopicError::Unknown),
            ("devices/d/messages/eventsX", TopicError::Unknown),
            ("devices/d/inputs/i/", TopicError::Unknown),
            ("devices//messages/events/", TopicError::Id(IdError::Empty)),
            ("devices/d/messages/events/a b=c", TopicError::Bag(BagError::Raw)),
            ("$iothub/twin/GET/", TopicError::NoRid),
            ("$iothub/twin/GET/?$rid=", TopicError::NoRid),
            ("$iothub/twin/GET/$rid=1", TopicError::NoRid),
            ("$iothub/methods/res/200", TopicError::NoRid),
            ("$iothub/methods/res/ok/?$rid=1", TopicError::Status { rid: "1".into() }),
            ("$iothub/methods/res/99999999999/?$rid=1", TopicError::Status { rid: "1".into() }),
            ("$iothub/methods/POST//?$rid=1", TopicError::Name),
            ("$iothub/methods/POST/%ff/?$rid=1", TopicError::Name),
            ("$iothub/twin/PATCH/properties/desired/", TopicError::Version),
            ("$iothub/twin/PATCH/properties/reported/?$rid=1&$version=x", TopicError::Version),
        ] {
            assert_eq!(DeviceTopic::parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn method_names_round_trip(method in "[^\u{0}]{1,20}", rid in "[a-zA-Z0-9-]{1,36}", status: i32) {
            let request = DeviceTopic::MethodRequest { name: method.as_str().into(), rid: &rid };
            let text = request.to_string();
            prop_assert!(!text.contains(['+', '#']));
            prop_assert_eq!(DeviceTopic::parse(&text), Ok(request.clone()));
            let response = DeviceTopic::MethodResponse { status, rid: &rid };
            let text = response.to_string();
            prop_assert_eq!(DeviceTopic::parse(&text), Ok(response.clone()));
        }

        #[test]
        fn messages_round_trip(
            device in "[A-Za-z0-9._-]{1,20}",
            module in proptest::option::of("[A-Za-z0-9$_-]{1,20}"),
            pairs in proptest::collection::vec((".{1,8}", proptest::option::of(".{0,8}")), 0..4),
            input in ".{1,10}",
        ) {
            let device: DeviceId = device.parse().unwrap();
            let identity = Identity { device, module: module.map(|module| module.parse().unwrap()) };
            let properties = PropertyBag(pairs);
            let mut topics = vec![
                DeviceTopic::Telemetry { identity: identity.clone(), properties: properties.clone() },
                DeviceTopic::CloudToDevice { identity: identity.clone(), properties: properties.clone() },
            ];
            if identity.module.is_some() {
                topics.push(DeviceTopic::ModuleInput { identity, input: input.into(), properties });
            }
            for topic in topics {
                let text = topic.to_string();
                prop_assert_eq!(DeviceTopic::parse(&text), Ok(topic.clone()));
            }
        }

        #[test]
        fn never_panics(text in "(\\$iothub/(methods|twin)/)?(devices/)?.{0,60}") {
            let _ = DeviceTopic::parse(&text);
        }
    }
}
