//! Reading a local hub's device-to-cloud messages: what is asked for, as parameters of a query, and what comes back. Ours: the
//! service has Event Hubs for that.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::{Duration, SystemTime};

use base::{parse_time, rfc3339_ticks};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::percent::{decode, encode};
use crate::{DeviceId, PropertyBag, property};

/// Messages of one answer.
const PAGE: usize = 1_000;
/// The newest ones that can be asked for at once: more than a hub keeps are not there.
const LAST: usize = 10_000;
/// How long an answer may be waited for, at most: less than any client's patience.
const WAIT: Duration = Duration::from_secs(20);

/// Which messages are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TelemetryQuery {
    /// Only those behind this number.
    pub after: Option<u64>,
    /// Only those that were taken then or later.
    pub since: Option<SystemTime>,
    /// Only this device's, and its modules'.
    pub device: Option<DeviceId>,
    /// Only those with each of these properties: with this value, or with any where none is given. System properties by their
    /// names (`content-type`) or keys (`$.ct`).
    pub properties: PropertyBag,
    /// Of those that are there only so many, the newest.
    pub last: Option<usize>,
    /// How long to wait for the first one, when there is none.
    pub wait: Duration,
}

/// A parameter that cannot be read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{value}` is no {name}")]
pub struct TelemetryQueryError {
    name: String,
    value: String,
}

impl TelemetryQuery {
    /// Messages of one answer.
    pub fn page(&self) -> usize {
        self.last.map_or(PAGE, |last| last.min(LAST))
    }

    /// Reads the parameters of a query; those of other names are not ours to judge.
    ///
    /// # Errors
    /// Names the parameter that cannot be read.
    pub fn parse(parameters: &str) -> Result<Self, TelemetryQueryError> {
        let mut query = Self::default();
        for (name, raw) in parameters.split('&').filter_map(|pair| pair.split_once('=')) {
            let refused = || TelemetryQueryError { name: name.to_owned(), value: raw.chars().take(64).collect() };
            let value = decode(raw).ok_or_else(refused)?;
            match name {
                "after" => query.after = Some(value.parse().map_err(|_| refused())?),
                "since" => query.since = Some(parse_time(&value).ok_or_else(refused)?),
                "device" => query.device = Some(value.parse().map_err(|_| refused())?),
                "properties" => query.properties = value.parse().map_err(|_| refused())?,
                "last" => query.last = Some(value.parse().map_err(|_| refused())?),
                "wait" => {
                    let wait = Duration::from_secs(value.parse().map_err(|_| refused())?);
                    query.wait = Some(wait).filter(|wait| *wait <= WAIT).ok_or_else(refused)?;
                }
                _ => {}
            }
        }
        Ok(query)
    }

    /// Whether a message of this device, taken at this time, with these properties is asked for.
    pub fn takes(&self, device: &DeviceId, enqueued: SystemTime, properties: &PropertyBag) -> bool {
        self.device.as_ref().is_none_or(|wanted| wanted == device)
            && self.since.is_none_or(|since| enqueued >= since)
            && self.properties.0.iter().all(|(name, value)| has(properties, name, value.as_deref()))
    }
}

/// Whether a bag has a property, under its name or its key.
fn has(bag: &PropertyBag, name: &str, value: Option<&str>) -> bool {
    let is = |key: &str| key == name || property::system_name(key) == Some(name);
    bag.0.iter().any(|(key, found)| is(key) && value.is_none_or(|value| found.as_deref() == Some(value)))
}

/// The parameters, each with its `&` before it.
impl fmt::Display for TelemetryQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut put =
            |name: &str, value: Option<String>| value.map_or(Ok(()), |value| write!(f, "&{name}={}", encode(&value)));
        put("after", self.after.map(|after| after.to_string()))?;
        put("since", self.since.map(rfc3339_ticks))?;
        put("device", self.device.as_ref().map(ToString::to_string))?;
        put("properties", Some(self.properties.to_string()).filter(|bag| !bag.is_empty()))?;
        put("last", self.last.map(|last| last.to_string()))?;
        put("wait", Some(self.wait.as_secs()).filter(|wait| *wait > 0).map(|wait| wait.to_string()))
    }
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TelemetryPage {
    /// In the order in which the hub took them.
    pub messages: Vec<TelemetryDocument>,
    /// What to ask for next: behind this number.
    pub next: u64,
    /// How many behind the number that was asked for are forgotten already, whosever they were.
    pub forgotten: u64,
}

/// A message as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TelemetryDocument {
    /// When the hub took it, RFC 3339.
    pub enqueued_time: String,
    /// Who sent it.
    pub device_id: DeviceId,
    /// Its module, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module_id: Option<crate::ModuleId>,
    /// It is the last will of a connection that was lost.
    pub will: bool,
    /// By IoT Hub's names: the sender's own, and what the hub stamped.
    pub system_properties: BTreeMap<String, Option<String>>,
    /// The application's.
    pub properties: BTreeMap<String, Option<String>>,
    /// The payload, base64 in JSON.
    #[serde(with = "crate::cloud_message::base64_text")]
    pub body: Bytes,
}

impl TelemetryDocument {
    /// Sorts a bag into system properties, by their names, and the application's.
    pub fn sort(&mut self, bag: &PropertyBag) {
        for (key, value) in &bag.0 {
            match property::system_name(key) {
                Some(name) => drop(self.system_properties.insert(name.to_owned(), value.clone())),
                None => drop(self.properties.insert(key.clone(), value.clone())),
            }
        }
        self.will = self.properties.get(property::MESSAGE_TYPE).is_some_and(|kind| kind.as_deref() == Some("Will"));
    }

    /// `key=value` of the application's properties, separated by blanks.
    pub fn properties_text(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.properties {
            let separator = if text.is_empty() { "" } else { " " };
            let _ = match value {
                Some(value) => write!(text, "{separator}{key}={value}"),
                None => write!(text, "{separator}{key}"),
            };
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn picks_by_device_time_and_property() {
        let bag: PropertyBag = "%24.ct=text%2Fplain&a=1&b".parse().unwrap();
        let (now, device) = (SystemTime::UNIX_EPOCH + WAIT, "d".parse().unwrap());
        for (query, takes) in [
            ("", true),
            ("device=d", true),
            ("device=e", false),
            ("since=1970-01-01T00%3A00%3A20Z", true),
            ("since=1970-01-01T00%3A00%3A21Z", false),
            ("properties=a%3D1", true),
            ("properties=a%3D2", false),
            ("properties=a", true),
            ("properties=b", true),
            ("properties=b%3D", false),
            ("properties=a%3D1%26b", true),
            ("properties=a%3D1%26c", false),
            ("properties=content-type%3Dtext%252Fplain", true),
            ("properties=%2524.ct", true),
        ] {
            assert_eq!(TelemetryQuery::parse(query).unwrap().takes(&device, now, &bag), takes, "{query}");
        }
    }

    #[test]
    fn names_what_it_cannot_read() {
        for (query, said) in [
            ("after=x", "`x` is no after"),
            ("since=soon", "`soon` is no since"),
            ("device=a%20b", "`a%20b` is no device"),
            ("wait=21", "`21` is no wait"),
            ("properties=%2525ff%25ff", "no properties"),
        ] {
            let error = TelemetryQuery::parse(query).unwrap_err().to_string();
            assert!(error.contains(said), "{query}: {error}");
        }
        assert_eq!(TelemetryQuery::parse("api-version=2021-04-12&x"), Ok(TelemetryQuery::default()));
    }

    proptest! {
        #[test]
        fn round_trips(
            after in proptest::option::of(any::<u64>()),
            seconds in proptest::option::of(0_u64..4_000_000_000),
            pairs in proptest::collection::vec((".{1,8}", proptest::option::of(".{0,8}")), 0..4),
            last in proptest::option::of(0_usize..5_000),
            wait in 0_u64..20,
        ) {
            let query = TelemetryQuery {
                after,
                since: seconds.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)),
                device: last.map(|_| "a+b%".parse().unwrap()),
                properties: PropertyBag(pairs),
                last,
                wait: Duration::from_secs(wait),
            };
            prop_assert_eq!(TelemetryQuery::parse(&query.to_string()), Ok(query.clone()), "{}", query);
        }

        #[test]
        fn never_panics(text in ".{0,80}") {
            let _ = TelemetryQuery::parse(&text);
        }
    }
}
