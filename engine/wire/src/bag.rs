//! Message properties in a topic: `key=value&key&key=`, percent-encoded, no form encoding. The system keys stand in [`property`].

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::percent::{decode, encode};

/// Keys of system properties, and the ordinary keys that mean something to the hub.
pub mod property {
    /// Message id.
    pub const MESSAGE_ID: &str = "$.mid";
    /// Correlation id.
    pub const CORRELATION_ID: &str = "$.cid";
    /// User id.
    pub const USER_ID: &str = "$.uid";
    /// Media type of the body.
    pub const CONTENT_TYPE: &str = "$.ct";
    /// `utf-8`, `utf-16` or `utf-32`.
    pub const CONTENT_ENCODING: &str = "$.ce";
    /// When the message ceases to matter, ISO 8601.
    pub const EXPIRY: &str = "$.exp";
    /// The address a cloud-to-device message was sent to.
    pub const TO: &str = "$.to";
    /// A module's output.
    pub const OUTPUT: &str = "$.on";
    /// Interface id of security messages.
    pub const INTERFACE_ID: &str = "$.ifid";
    /// Component of a plug-and-play device.
    pub const SUBJECT: &str = "$.sub";
    /// Message schema.
    pub const SCHEMA: &str = "$.schema";
    /// When the device made the message.
    pub const CREATION_TIME: &str = "$.ctime";
    /// Which feedback the sender of a cloud-to-device message wants: `none`, `positive`, `negative`, `full`.
    pub const ACK: &str = "iothub-ack";
    /// Stamped on a will: `Will`.
    pub const MESSAGE_TYPE: &str = "iothub-MessageType";
    /// Stamped on a message that was published with RETAIN.
    pub const MQTT_RETAIN: &str = "mqtt-retain";
    /// Stamped on a message that was published again with DUP.
    pub const MQTT_DUP: &str = "mqtt-dup";
    /// Stamped by the hub: the model of a plug-and-play device.
    pub const DATA_SCHEMA: &str = "dt-dataschema";
    /// Stamped by the hub: the sending device.
    pub const CONNECTION_DEVICE: &str = "iothub-connection-device-id";
    /// Stamped by the hub: the sending module.
    pub const CONNECTION_MODULE: &str = "iothub-connection-module-id";
    /// Stamped by the hub: the generation of the sending device.
    pub const CONNECTION_GENERATION: &str = "iothub-connection-auth-generation-id";
    /// Stamped by the hub: how the sender proved who it is, as JSON.
    pub const CONNECTION_AUTH: &str = "iothub-connection-auth-method";
    /// Stamped by the hub: when it took the message.
    pub const ENQUEUED: &str = "iothub-enqueuedtime";

    /// What the service calls a system property; none for the application's.
    pub fn system_name(key: &str) -> Option<&'static str> {
        Some(match key {
            MESSAGE_ID => "message-id",
            CORRELATION_ID => "correlation-id",
            USER_ID => "user-id",
            CONTENT_TYPE => "content-type",
            CONTENT_ENCODING => "content-encoding",
            EXPIRY => "absolute-expiry-time",
            TO => "to",
            OUTPUT => "output-name",
            INTERFACE_ID => "iothub-interface-id",
            SUBJECT => "dt-subject",
            SCHEMA => "message-schema",
            CREATION_TIME => "iothub-creation-time-utc",
            _ => return None,
        })
    }
}

/// Why a bag cannot be read. The hub closes the connection then.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BagError {
    /// A blank or a control character as itself.
    #[error("message properties must be percent-encoded: there is a blank or a control character in them")]
    Raw,
    /// The decoded bytes are not text.
    #[error("message properties must be UTF-8 once decoded")]
    Utf8,
}

/// Properties in the order of the wire; duplicates are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PropertyBag(pub Vec<(String, Option<String>)>);

impl PropertyBag {
    /// Reads a bag. A raw `/` ends it, as it does at the service; `key` has no value, `key=` an empty one.
    pub fn parse(text: &str) -> Result<Self, BagError> {
        let text = text.split('/').next().unwrap_or("");
        if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(BagError::Raw);
        }
        let owned = |part: &str| decode(part).map(std::borrow::Cow::into_owned).ok_or(BagError::Utf8);
        let pair = |pair: &str| match pair.split_once('=') {
            None => Ok((owned(pair)?, None)),
            Some((key, value)) => Ok((owned(key)?, Some(owned(value)?))),
        };
        text.split('&').filter(|part| !part.is_empty()).map(pair).collect::<Result<_, _>>().map(Self)
    }

    /// The last value of a key; `None` also for a key without one.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(name, _)| name == key).and_then(|(_, value)| value.as_deref())
    }

    /// Adds a property at the end.
    pub fn push(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.push((key.into(), Some(value.into())));
    }

    /// No property at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the properties count in a message's size: values of system properties, names and values of the others.
    pub fn counted_bytes(&self) -> usize {
        let size = |(key, value): &(String, Option<String>)| {
            let name = if key.starts_with("$.") { 0 } else { key.len() };
            name + value.as_ref().map_or(0, String::len)
        };
        self.0.iter().map(size).sum()
    }
}

impl FromStr for PropertyBag {
    type Err = BagError;

    fn from_str(text: &str) -> Result<Self, BagError> {
        Self::parse(text)
    }
}

impl fmt::Display for PropertyBag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.0.iter().enumerate() {
            let separator = if index > 0 { "&" } else { "" };
            write!(f, "{separator}{}", encode(key))?;
            if let Some(value) = value {
                write!(f, "={}", encode(value))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bag(pairs: &[(&str, Option<&str>)]) -> PropertyBag {
        PropertyBag(pairs.iter().map(|(key, value)| ((*key).into(), value.map(Into::into))).collect())
    }

    #[test]
    fn reads_what_sdks_send() {
        let python = "%24.mid=id%2F1&%24.cid=c1&%24.ct=application%2Fjson&%24.ce=utf-8&a%20b=c%2Fd%2B%C3%A9";
        let parsed = PropertyBag::parse(python).unwrap();
        assert_eq!(parsed.to_string(), python);
        assert_eq!(parsed.get(property::MESSAGE_ID), Some("id/1"));
        assert_eq!(parsed.get("a b"), Some("c/d+é"));
        assert_eq!(parsed.counted_bytes(), 4 + 2 + 16 + 5 + 3 + 6);
        let node = PropertyBag::parse("a%20b=c%2Fd%2B%C3%A9'()!*~").unwrap();
        assert_eq!(node.get("a b"), Some("c/d+é'()!*~"));
    }

    #[test]
    fn tells_no_value_from_an_empty_one_and_keeps_plus() {
        for (text, pairs) in [
            ("", &[][..]),
            ("key", &[("key", None)]),
            ("key=", &[("key", Some(""))]),
            ("key=v", &[("key", Some("v"))]),
            ("k=a=b", &[("k", Some("a=b"))]),
            ("a+b=c+d", &[("a+b", Some("c+d"))]),
            ("$.ct=x", &[("$.ct", Some("x"))]),
            ("?prop1&prop2=", &[("?prop1", None), ("prop2", Some(""))]),
            ("a=1/b=2", &[("a", Some("1"))]),
            ("a=%zz", &[("a", Some("%zz"))]),
            ("a=1&&a=2&", &[("a", Some("1")), ("a", Some("2"))]),
        ] {
            assert_eq!(PropertyBag::parse(text), Ok(bag(pairs)), "{text}");
        }
        assert_eq!(bag(&[("a", Some("1")), ("a", Some("2"))]).get("a"), Some("2"));
    }

    #[test]
    fn refuses_what_the_service_closes_on() {
        assert_eq!(PropertyBag::parse("a=b c"), Err(BagError::Raw));
        assert_eq!(PropertyBag::parse("a=\u{1}"), Err(BagError::Raw));
        assert_eq!(PropertyBag::parse("a=%ff"), Err(BagError::Utf8));
    }

    proptest! {
        #[test]
        fn round_trips(pairs in proptest::collection::vec((".{1,12}", proptest::option::of(".{0,12}")), 0..6)) {
            let bag = PropertyBag(pairs);
            let text = bag.to_string();
            prop_assert!(!text.contains(['+', '#', '/', ' ']), "{}", text);
            prop_assert_eq!(PropertyBag::parse(&text), Ok(bag));
        }

        #[test]
        fn never_panics(text in ".{0,60}") {
            let _ = PropertyBag::parse(&text);
        }
    }
}
