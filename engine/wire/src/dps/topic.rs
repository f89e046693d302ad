//! The three topics of a registration over MQTT.

use std::fmt;

/// What a device subscribes to for its answers.
pub const DPS_RESPONSES: &str = "$dps/registrations/res/#";

const REGISTER: &str = "$dps/registrations/PUT/iotdps-register/?";
const STATUS: &str = "$dps/registrations/GET/iotdps-get-operationstatus/?";
const RESPONSE: &str = "$dps/registrations/res/";
const RID: &str = "$rid";
const OPERATION: &str = "operationId";
const RETRY: &str = "retry-after";

/// A topic of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DpsTopic<'a> {
    /// A device asks to be registered.
    Register {
        /// Echoed in the answer.
        rid: &'a str,
    },
    /// A device asks how far its registration is.
    Status {
        /// Echoed in the answer.
        rid: &'a str,
        /// Which registration.
        operation: &'a str,
    },
    /// An answer.
    Response {
        /// As in HTTP.
        status: u16,
        /// Of the request. Nothing else after it may hold a `$`: Python splits there.
        rid: &'a str,
        /// Seconds to wait before the next question.
        retry_after: Option<u64>,
    },
}

fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

impl<'a> DpsTopic<'a> {
    /// Reads one; `None` when it is another topic, or its request id is missing.
    pub fn parse(topic: &'a str) -> Option<Self> {
        if let Some(query) = topic.strip_prefix(REGISTER) {
            return Some(Self::Register { rid: value(query, RID)? });
        }
        if let Some(query) = topic.strip_prefix(STATUS) {
            return Some(Self::Status { rid: value(query, RID)?, operation: value(query, OPERATION)? });
        }
        let (status, query) = topic.strip_prefix(RESPONSE)?.split_once("/?")?;
        let retry_after = value(query, RETRY).and_then(|seconds| seconds.parse().ok());
        Some(Self::Response { status: status.parse().ok()?, rid: value(query, RID)?, retry_after })
    }
}

impl fmt::Display for DpsTopic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register { rid } => write!(f, "{REGISTER}{RID}={rid}"),
            Self::Status { rid, operation } => write!(f, "{STATUS}{RID}={rid}&{OPERATION}={operation}"),
            Self::Response { status, rid, retry_after } => {
                write!(f, "{RESPONSE}{status}/?{RID}={rid}")?;
                retry_after.map_or(Ok(()), |seconds| write!(f, "&{RETRY}={seconds}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_prints_the_topics() {
        for (text, topic) in [
            ("$dps/registrations/PUT/iotdps-register/?$rid=a-1", DpsTopic::Register { rid: "a-1" }),
            (
                "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=4.x",
                DpsTopic::Status { rid: "2", operation: "4.x" },
            ),
            (
                "$dps/registrations/res/202/?$rid=1&retry-after=3",
                DpsTopic::Response { status: 202, rid: "1", retry_after: Some(3) },
            ),
            ("$dps/registrations/res/200/?$rid=1", DpsTopic::Response { status: 200, rid: "1", retry_after: None }),
        ] {
            assert_eq!(DpsTopic::parse(text), Some(topic.clone()));
            assert_eq!(topic.to_string(), text);
        }
        for text in [
            "",
            "$dps/registrations/PUT/iotdps-register/?",
            "$dps/registrations/PUT/iotdps-register/?operationId=1",
            "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=1",
            "$dps/registrations/res/abc/?$rid=1",
            "devices/d/messages/events/",
        ] {
            assert_eq!(DpsTopic::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,80}") {
            let _ = DpsTopic::parse(&text);
            let _ = DpsTopic::parse(&format!("{REGISTER}{text}"));
        }
    }
}
