//! A cloud-to-device message: what a sender may say of it, its limits, and the properties that its topic carries. The service
//! takes them over AMQP only; the JSON form here is that of the local hub's own route and of its store.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use base::{parse_time, rfc3339_ticks};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::{C2D_BYTES, C2D_TTL, C2D_TTL_MAX, ID_CHARS, TOPIC_BYTES};
use crate::{DeviceId, DeviceTopic, ErrorCode, HubError, Identity, PropertyBag, property};

/// What a system property's key begins with: no application property may.
const SYSTEM: &str = "$.";

/// Which feedback the sender wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ack {
    /// None.
    #[default]
    None,
    /// When the device took it.
    Positive,
    /// When the device will never take it.
    Negative,
    /// Either.
    Full,
}

impl Ack {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Positive, Self::Negative, Self::Full];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Positive => "positive",
            Self::Negative => "negative",
            Self::Full => "full",
        }
    }

    /// Whether the sender wants to know of this end.
    pub fn wants(self, end: MessageEnd) -> bool {
        match self {
            Self::None => false,
            Self::Positive => end == MessageEnd::Success,
            Self::Negative => end != MessageEnd::Success,
            Self::Full => true,
        }
    }
}

impl fmt::Display for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no [`Ack`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is none of none, positive, negative and full")]
pub struct UnknownAck(String);

impl FromStr for Ack {
    type Err = UnknownAck;

    fn from_str(text: &str) -> Result<Self, UnknownAck> {
        Self::ALL.into_iter().find(|ack| ack.as_str() == text).ok_or_else(|| UnknownAck(text.to_owned()))
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageEnd {
    /// The device acknowledged it.
    Success,
    /// Its time was over first.
    Expired,
    /// It was delivered as often as a message may be, and never acknowledged.
    DeliveryCountExceeded,
    /// The device refused it; over MQTT none can.
    Rejected,
    /// The queue was emptied.
    Purged,
}

impl MessageEnd {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::Success, Self::Expired, Self::DeliveryCountExceeded, Self::Rejected, Self::Purged];

    /// The service's word for it, which feedback shows as its description too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::Expired => "Expired",
            Self::DeliveryCountExceeded => "DeliveryCountExceeded",
            Self::Rejected => "Rejected",
            Self::Purged => "Purged",
        }
    }
}

/// What became of a message, for its sender: one record of a batch of feedback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeedbackRecord {
    /// The message's id; empty when it had none.
    pub original_message_id: String,
    /// When this became known, RFC 3339.
    pub enqueued_time_utc: String,
    /// How it ended.
    pub status_code: MessageEnd,
    /// The same in words.
    pub description: String,
    /// Whose message it was.
    pub device_id: DeviceId,
    /// The generation of the device at that time.
    pub device_generation_id: String,
}

/// A message on its way to a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CloudMessage {
    /// By which feedback names it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message_id: String,
    /// What it answers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Who sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Media type of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `utf-8`, `utf-16` or `utf-32`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// When it ceases to matter; an hour after it was sent when nothing is said.
    #[serde(with = "moment", skip_serializing_if = "Option::is_none")]
    pub expiry_time_utc: Option<SystemTime>,
    /// Which feedback is wanted.
    pub ack: Ack,
    /// The application's own.
    pub properties: BTreeMap<String, String>,
    /// The payload, base64 in JSON.
    #[serde(with = "base64_text")]
    pub body: Bytes,
}

mod moment {
    use super::*;

    pub(super) fn serialize<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(rfc3339_ticks).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let refused = || serde::de::Error::custom(format!("`{text}` is not a time as in 2026-11-23T18:00:00Z"));
        parse_time(&text).map(Some).ok_or_else(refused)
    }
}

pub(crate) mod base64_text {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(body: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(body))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Bytes::from).map_err(|error| serde::de::Error::custom(format!("body: {error}")))
    }
}

impl CloudMessage {
    /// What counts: the body, the values of system properties, names and values of the others.
    pub fn counted_bytes(&self, device: &DeviceId) -> usize {
        self.body.len() + self.bag(device).counted_bytes()
    }

    /// When it expires if it is taken at `now`.
    pub fn expires(&self, now: SystemTime) -> SystemTime {
        self.expiry_time_utc.unwrap_or(now + C2D_TTL)
    }

    /// Refuses what the service refuses.
    ///
    /// # Errors
    /// 413001 when it is too large, 400004 for anything else.
    pub fn check(&self, device: &DeviceId, now: SystemTime) -> Result<(), HubError> {
        let size = self.counted_bytes(device);
        if size > C2D_BYTES || self.topic(device).len() > TOPIC_BYTES {
            let text = format!("A cloud-to-device message has at most {C2D_BYTES} bytes, this one has {size}.");
            return Err(HubError::new(ErrorCode::MESSAGE_TOO_LARGE, text));
        }
        if self.message_id.chars().count() > ID_CHARS {
            return Err(HubError::invalid(format!("A messageId has at most {ID_CHARS} characters.")));
        }
        if self.expiry_time_utc.is_some_and(|expiry| expiry > now + C2D_TTL_MAX) {
            return Err(HubError::invalid("A cloud-to-device message lives for two days at most."));
        }
        match self.properties.keys().find(|key| key.is_empty() || key.starts_with(SYSTEM) || *key == property::ACK) {
            None => Ok(()),
            Some(key) => Err(HubError::invalid(format!("`{key}` is no name for an application property."))),
        }
    }

    /// The properties as the device gets them.
    pub fn bag(&self, device: &DeviceId) -> PropertyBag {
        let mut bag = PropertyBag::default();
        let mut put = |key: &str, value: Option<&str>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                bag.push(key, value);
            }
        };
        put(property::MESSAGE_ID, Some(&self.message_id));
        put(property::CORRELATION_ID, self.correlation_id.as_deref());
        put(property::USER_ID, self.user_id.as_deref());
        put(property::CONTENT_TYPE, self.content_type.as_deref());
        put(property::CONTENT_ENCODING, self.content_encoding.as_deref());
        put(property::EXPIRY, self.expiry_time_utc.map(rfc3339_ticks).as_deref());
        put(property::TO, Some(&format!("/devices/{device}/messages/deviceBound")));
        put(property::ACK, Some(self.ack.as_str()).filter(|_| self.ack != Ack::None));
        for (key, value) in &self.properties {
            bag.push(key, value);
        }
        bag
    }

    /// The topic that it is published to.
    pub fn topic(&self, device: &DeviceId) -> String {
        let identity = Identity::device(device.clone());
        DeviceTopic::CloudToDevice { identity, properties: self.bag(device) }.to_string()
    }

    /// How long from `now` on it lives, for a sender that thinks in durations.
    #[must_use]
    pub fn living(mut self, now: SystemTime, ttl: Option<Duration>) -> Self {
        self.expiry_time_utc = ttl.map(|ttl| now + ttl);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn device() -> DeviceId {
        "d".parse().unwrap()
    }

    #[test]
    fn the_topic_carries_everything_and_no_bare_key() {
        let message = CloudMessage {
            message_id: "id/1".into(),
            content_type: Some("application/json".into()),
            ack: Ack::Full,
            properties: BTreeMap::from([("a b".into(), "c/d+é".into()), ("empty".into(), String::new())]),
            body: "21".into(),
            ..CloudMessage::default()
        };
        assert_eq!(
            message.topic(&device()),
            "devices/d/messages/devicebound/%24.mid=id%2F1&%24.ct=application%2Fjson\
             &%24.to=%2Fdevices%2Fd%2Fmessages%2FdeviceBound&iothub-ack=full&a%20b=c%2Fd%2B%C3%A9&empty="
        );
        let expiring = message.living(NOW, Some(Duration::from_secs(60)));
        assert!(expiring.topic(&device()).contains("&%24.exp=1970-01-01T00%3A01%3A00.0000000Z&"));
    }

    #[test]
    fn refusals_by_table() {
        let message = |change: &dyn Fn(&mut CloudMessage)| {
            let mut message = CloudMessage::default();
            change(&mut message);
            message.check(&device(), NOW).err().map(|error| error.code)
        };
        let to = "/devices/d/messages/deviceBound".len();
        let (large, invalid) = (Some(ErrorCode::MESSAGE_TOO_LARGE), Some(ErrorCode::ARGUMENT_INVALID));
        let named = |name: &str| {
            let name = name.to_owned();
            move |message: &mut CloudMessage| drop(message.properties.insert(name.clone(), "x".into()))
        };
        assert_eq!(message(&|_| {}), None);
        assert_eq!(message(&|message| message.body = vec![0; C2D_BYTES - to].into()), None);
        assert_eq!(message(&|message| message.body = vec![0; C2D_BYTES - to + 1].into()), large);
        // Each blank is three bytes in the topic, which has an end too.
        assert_eq!(message(&|message| message.user_id = Some(" ".repeat(30_000))), large);
        assert_eq!(message(&|message| message.message_id = "i".repeat(129)), invalid);
        assert_eq!(message(&|message| message.expiry_time_utc = Some(NOW + 2 * C2D_TTL_MAX)), invalid);
        assert_eq!(message(&named("")), invalid);
        assert_eq!(message(&named("$.mid")), invalid);
        assert_eq!(message(&named("iothub-ack")), invalid);
        assert_eq!(message(&named("$mine")), None);
    }

    #[test]
    fn ends_that_are_told() {
        use MessageEnd::{DeliveryCountExceeded, Expired, Purged, Rejected, Success};
        for end in [Success, Expired, DeliveryCountExceeded, Rejected, Purged] {
            let told = Ack::ALL.map(|ack| ack.wants(end));
            let good = end == Success;
            assert_eq!(told, [false, good, !good, true], "{end:?}");
        }
    }

    #[test]
    fn an_hour_when_nothing_is_said() {
        let message = CloudMessage::default();
        assert_eq!(message.expires(NOW), NOW + Duration::from_secs(3_600));
        let message = message.living(NOW, Some(Duration::from_secs(5)));
        assert_eq!(message.expires(NOW + Duration::from_secs(60)), NOW + Duration::from_secs(5));
    }

    proptest! {
        #[test]
        fn json_and_topic_round_trip(
            id in ".{0,20}",
            kind in proptest::option::of(".{1,12}"),
            properties in proptest::collection::btree_map("[a-zA-Z][^\u{0}]{0,8}", ".{0,12}", 0..5),
            body in proptest::collection::vec(any::<u8>(), 0..64),
            seconds in proptest::option::of(0_u64..1_000_000),
        ) {
            let message = CloudMessage {
                message_id: id,
                correlation_id: kind,
                ack: Ack::Negative,
                properties,
                body: body.into(),
                ..CloudMessage::default()
            }.living(NOW, seconds.map(Duration::from_secs));
            let json = serde_json::to_vec(&message).unwrap();
            let read: CloudMessage = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(&read, &message);
            let topic = message.topic(&device());
            prop_assert!(!topic.contains(['+', '#', ' ']), "{}", topic);
            let Ok(DeviceTopic::CloudToDevice { properties, .. }) = DeviceTopic::parse(&topic) else {
                return Err(TestCaseError::fail(topic));
            };
            prop_assert_eq!(properties, message.bag(&device()));
        }
    }
}
