//! What the SDKs' end-to-end tests ask of the service: a device-to-cloud message whose properties say which fault its sender wants to
//! meet, when, and for how long. Only read here; what comes of it is the hub's.

use std::time::Duration;

use thiserror::Error;

use crate::PropertyBag;

/// Which fault; its presence makes a message one of these.
const OPERATION: &str = "AzIoTHub_FaultOperationType";
/// Why, for logs.
const REASON: &str = "AzIoTHub_FaultOperationCloseReason";
/// Seconds from the message to the fault.
const DELAY: &str = "AzIoTHub_FaultOperationDelayInSecs";
/// Seconds that the fault lasts.
const DURATION: &str = "AzIoTHub_FaultOperationDurationInSecs";
/// What every fault of the other protocol contains; MQTT has none of its links and sessions.
const AMQP: &str = "Amqp";

/// The longest delay and the longest duration that are taken for meant: the SDKs' tests use seconds.
const LONGEST: u32 = 3_600;

/// A fault that a device asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultMessage {
    /// Which.
    pub operation: FaultOperation,
    /// In the sender's words; empty when it gave none.
    pub reason: String,
    /// From the message to the fault.
    pub delay: Duration,
    /// How long the fault lasts; none when the sender does not say.
    pub lasts: Option<Duration>,
}

/// The faults that mean something to a device that speaks MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultOperation {
    /// `KillTcp`: the TCP connection breaks.
    KillTcp,
    /// `ShutDownMqtt`: the service closes the connection.
    ShutDownMqtt,
    /// `InvokeThrottling`: the device does too much at once.
    Throttling,
    /// `InvokeMaxMessageQuota`: the messages of the day are used up.
    MaxMessageQuota,
    /// `InvokeAuthError`: the device is not authorised any more.
    AuthError,
}

/// Why a message with such properties asks for nothing.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FaultMessageError {
    /// A fault of AMQP.
    #[error("`{0}` is a fault of AMQP, and this is MQTT")]
    Amqp(String),
    /// No fault at all.
    #[error(
        "`{0}` is no fault: KillTcp, ShutDownMqtt, InvokeThrottling, InvokeMaxMessageQuota and InvokeAuthError are"
    )]
    Unknown(String),
    /// A time that is none.
    #[error("`{value}` is no {what}: whole seconds, at most {LONGEST}")]
    Time {
        /// The property's name.
        what: &'static str,
        /// Its value.
        value: String,
    },
}

impl FaultOperation {
    /// Every one with the name that it has in messages.
    pub const ALL: [(&str, Self); 5] = [
        ("KillTcp", Self::KillTcp),
        ("ShutDownMqtt", Self::ShutDownMqtt),
        ("InvokeThrottling", Self::Throttling),
        ("InvokeMaxMessageQuota", Self::MaxMessageQuota),
        ("InvokeAuthError", Self::AuthError),
    ];

    /// Its name in messages.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, one)| *one == self).map_or("", |(name, _)| name)
    }
}

impl FaultMessage {
    /// The fault that a message asks for; `None` for all other messages.
    pub fn of(properties: &PropertyBag) -> Option<Result<Self, FaultMessageError>> {
        properties.get(OPERATION).map(|operation| Self::read(operation, properties))
    }

    fn read(operation: &str, properties: &PropertyBag) -> Result<Self, FaultMessageError> {
        // What goes into a log line has a bound.
        let shown = || operation.chars().take(64).collect::<String>();
        let known = FaultOperation::ALL.iter().find(|(name, _)| *name == operation);
        let operation = match known {
            Some((_, operation)) => *operation,
            None if operation.contains(AMQP) => return Err(FaultMessageError::Amqp(shown())),
            None => return Err(FaultMessageError::Unknown(shown())),
        };
        let delay = seconds(properties, DELAY)?.unwrap_or_default();
        let lasts = seconds(properties, DURATION)?.filter(|lasts| !lasts.is_zero());
        let reason = properties.get(REASON).unwrap_or_default().chars().take(128).collect();
        Ok(Self { operation, reason, delay, lasts })
    }
}

fn seconds(properties: &PropertyBag, what: &'static str) -> Result<Option<Duration>, FaultMessageError> {
    let Some(text) = properties.get(what).filter(|text| !text.is_empty()) else { return Ok(None) };
    match text.parse::<u32>() {
        Ok(seconds) if seconds <= LONGEST => Ok(Some(Duration::from_secs(seconds.into()))),
        _ => Err(FaultMessageError::Time { what, value: text.chars().take(64).collect() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bag: &str) -> Option<Result<FaultMessage, FaultMessageError>> {
        FaultMessage::of(&PropertyBag::parse(bag).unwrap())
    }

    #[test]
    fn messages_by_table() {
        let seconds = Duration::from_secs;
        assert_eq!(read("a=b&AzIoTHub_FaultOperationDelayInSecs=1"), None);
        let full = "AzIoTHub_FaultOperationType=KillTcp&AzIoTHub_FaultOperationCloseReason=boom\
                    &AzIoTHub_FaultOperationDelayInSecs=2&AzIoTHub_FaultOperationDurationInSecs=20";
        let (operation, reason) = (FaultOperation::KillTcp, "boom".to_owned());
        let wanted = FaultMessage { operation, reason, delay: seconds(2), lasts: Some(seconds(20)) };
        assert_eq!(read(full), Some(Ok(wanted)));
        for (name, operation) in FaultOperation::ALL {
            let bare = read(&format!("AzIoTHub_FaultOperationType={name}")).unwrap().unwrap();
            assert_eq!((bare.operation, bare.delay, bare.lasts, operation.name()), (operation, seconds(0), None, name));
        }
        for (bag, said) in [
            ("AzIoTHub_FaultOperationType=KillAmqpSession", "a fault of AMQP"),
            ("AzIoTHub_FaultOperationType=killtcp", "no fault"),
            ("AzIoTHub_FaultOperationType", "no fault"),
            ("AzIoTHub_FaultOperationType=KillTcp&AzIoTHub_FaultOperationDelayInSecs=soon", "`soon` is no AzIoTHub_"),
            ("AzIoTHub_FaultOperationType=KillTcp&AzIoTHub_FaultOperationDurationInSecs=-1", "whole seconds"),
            ("AzIoTHub_FaultOperationType=KillTcp&AzIoTHub_FaultOperationDurationInSecs=3601", "at most 3600"),
        ] {
            let refused = read(bag).unwrap().unwrap_err().to_string();
            assert!(refused.contains(said), "{bag}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(operation in ".{0,90}", delay in ".{0,90}") {
            let mut bag = PropertyBag::default();
            bag.push(OPERATION, operation);
            bag.push(DELAY, delay);
            prop_assert!(FaultMessage::of(&bag).is_some());
        }
    }
}
