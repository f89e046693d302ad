//! Faults that devices ask for by a message. A message whose fault cuts the connection is not acknowledged, as the service does it;
//! sent again by the device, as MQTT obliges it to, it must not cut the next connection too.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use wire::{FaultMessage, FaultOperation, Identity, PropertyBag};

use super::spec::Spec;
use super::table::Faults;
use crate::seam::HubEvent;

/// For so long after its fault an equal message is the same one: the slowest SDK gives up after four minutes.
const SAME: Duration = Duration::from_secs(240);
/// Devices whose messages are remembered; a fleet that asks for more at once forgets the oldest askers all together.
const MOST: usize = 10_000;

/// What devices have asked for without being told that it was heard.
#[derive(Default)]
pub(super) struct Asked(HashMap<Identity, (String, Bytes, Instant)>);

/// What becomes of a message that asks for a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// It is a message like any other.
    Ordinary,
    /// It is done with: acknowledge it.
    Done,
    /// The connection will end before it is acknowledged.
    Unanswered,
}

impl Asked {
    /// Whether it is the message of a moment ago, sent again.
    fn again(&mut self, from: &Identity, bag: &str, body: &Bytes, now: Instant) -> bool {
        let known = self.0.remove(from);
        known.is_some_and(|(old, old_body, until)| old == bag && old_body == body && now < until)
    }

    fn remember(&mut self, from: &Identity, bag: String, body: Bytes, until: Instant) {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(from.clone(), (bag, body, until));
    }
}

impl Faults {
    /// Hears a message of a device: if it asks for a fault, puts that in place.
    pub(crate) fn hear(&self, from: &Identity, properties: &PropertyBag, body: &Bytes) -> Hearing {
        let Some(asked) = FaultMessage::of(properties) else { return Hearing::Ordinary };
        let say = |said: String| self.say(HubEvent::FaultAsked { identity: from.clone(), said });
        if !self.obeys_messages() {
            say("it asks for a fault, and this hub does not listen to that".to_owned());
            return Hearing::Ordinary;
        }
        let message = match asked {
            Ok(message) => message,
            Err(error) => {
                say(format!("it asks for a fault that cannot be: {error}"));
                return Hearing::Ordinary;
            }
        };
        let name = message.operation.name();
        let cuts = !matches!(message.operation, FaultOperation::Throttling | FaultOperation::MaxMessageQuota);
        if cuts {
            let (bag, now) = (properties.to_string(), Instant::now());
            let mut table = self.table();
            if table.asked.again(from, &bag, body, now) {
                drop(table);
                say(format!("it sends its wish for {name} again, which was fulfilled"));
                return Hearing::Done;
            }
            table.asked.remember(from, bag, body.clone(), now + message.delay + SAME);
        }
        if let Err(error) = self.put(Spec::asked(from, &message)) {
            say(format!("it asks for {name}: {error}"));
            return Hearing::Ordinary;
        }
        let delay = base::format_duration(message.delay);
        let lasts = message.lasts.map_or_else(String::new, |lasts| format!(" for {}", base::format_duration(lasts)));
        let why = if message.reason.is_empty() { String::new() } else { format!(" ({})", message.reason) };
        say(format!("it asks for {name} in {delay}{lasts}{why}"));
        if cuts { Hearing::Unanswered } else { Hearing::Done }
    }
}
