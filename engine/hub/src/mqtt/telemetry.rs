//! Device-to-cloud messages: from a publish or a will to what the hub reports. Judges size; keeps nothing.

use bytes::Bytes;
use wire::limits::D2C_BYTES;
use wire::{DeviceTopic, Identity, PropertyBag, property};

use crate::link::Ending;

/// What a will's telemetry says it is.
const WILL: &str = "Will";
const TRUE: &str = "true";

/// A message that is fit to be reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) properties: PropertyBag,
    pub(super) body: Bytes,
}

impl Message {
    /// Checks sender and size, and turns MQTT's flags into the properties that IoT Hub makes of them.
    pub(super) fn new(
        owner: &Identity,
        sender: &Identity,
        mut properties: PropertyBag,
        body: Bytes,
        flags: Flags,
    ) -> Result<Self, Ending> {
        if owner != sender {
            return Err(Ending::Broke("it sent telemetry in another's name".to_owned()));
        }
        let size = body.len() + properties.counted_bytes();
        if size > D2C_BYTES {
            return Err(Ending::Broke(format!("it sent a message of {size} bytes, more than {D2C_BYTES}")));
        }
        if flags.retain {
            properties.push(property::MQTT_RETAIN, TRUE);
        }
        if flags.dup {
            properties.push(property::MQTT_DUP, TRUE);
        }
        if flags.will {
            properties.push(property::MESSAGE_TYPE, WILL);
        }
        Ok(Self { properties, body })
    }

    /// What is paid for: the body and the properties.
    pub(super) fn bytes(&self) -> usize {
        self.body.len() + self.properties.counted_bytes()
    }

    /// A will, judged when it is deposited: afterwards there is nobody left to refuse it to.
    pub(super) fn will(owner: &Identity, will: &net::mqtt::LastWill) -> Result<Self, String> {
        if will.qos == net::mqtt::QoS::ExactlyOnce {
            return Err("its will asks for quality of service 2".to_owned());
        }
        match DeviceTopic::parse(&will.topic) {
            Ok(DeviceTopic::Telemetry { identity, properties }) => {
                let flags = Flags { retain: will.retain, dup: false, will: true };
                Self::new(owner, &identity, properties, will.message.clone(), flags)
                    .map_err(|ending| format!("its will: {ending}"))
            }
            _ => Err("its will is not for its own telemetry topic".to_owned()),
        }
    }
}

/// How a message came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) retain: bool,
    pub(super) dup: bool,
    pub(super) will: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::mqtt::{LastWill, QoS};

    fn identity() -> Identity {
        "d".parse().unwrap()
    }

    fn message(bag: &str, body: usize, flags: Flags) -> Result<Message, Ending> {
        Message::new(&identity(), &identity(), bag.parse().unwrap(), vec![0; body].into(), flags)
    }

    #[test]
    fn the_size_counts_body_and_properties() {
        let plain = Flags::default();
        assert!(message("", D2C_BYTES, plain).is_ok());
        assert!(message("", D2C_BYTES + 1, plain).is_err());
        assert!(message("ab=cd", D2C_BYTES - 4, plain).is_ok());
        assert!(message("ab=cd", D2C_BYTES - 3, plain).is_err());
        assert!(message("%24.ct=cd", D2C_BYTES - 2, plain).is_ok(), "a system key's name does not count");
    }

    #[test]
    fn flags_become_properties() {
        let flagged = message("a=b", 1, Flags { retain: true, dup: true, will: true }).unwrap();
        assert_eq!(flagged.properties.to_string(), "a=b&mqtt-retain=true&mqtt-dup=true&iothub-MessageType=Will");
    }

    #[test]
    fn a_will_is_the_owners_telemetry_or_nothing() {
        let will = |topic: &str, qos| LastWill { topic: topic.to_owned(), message: "gone".into(), qos, retain: true };
        let kept = Message::will(&identity(), &will("devices/d/messages/events/x=1", QoS::AtLeastOnce)).unwrap();
        assert_eq!(kept.properties.to_string(), "x=1&mqtt-retain=true&iothub-MessageType=Will");
        for (topic, qos) in [
            ("devices/other/messages/events/", QoS::AtMostOnce),
            ("devices/d/modules/m/messages/events/", QoS::AtMostOnce),
            ("$iothub/twin/GET/?$rid=1", QoS::AtMostOnce),
            ("anything", QoS::AtMostOnce),
            ("devices/d/messages/events/", QoS::ExactlyOnce),
        ] {
            assert!(Message::will(&identity(), &will(topic, qos)).is_err(), "{topic}");
        }
    }
}
