//! What one session is subscribed to. Pure: storing it and telling the exchange is the session's business.

use net::mqtt::{QoS, SubscribeFilter, SubscribeReasonCode};
use wire::limits::SUBSCRIPTIONS;
use wire::{DeviceFilter, Identity};

use crate::seam::Subscription;

/// At most five: the filters that exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Subscriptions(Vec<Subscription>);

impl Subscriptions {
    pub(super) fn new(kept: Vec<Subscription>) -> Self {
        Self(kept)
    }

    /// The answer to one filter of a SUBSCRIBE: granted at 1 at most, or refused when the filter is none of IoT Hub's,
    /// another identity's, or one too many.
    pub(super) fn add(&mut self, identity: &Identity, wanted: &SubscribeFilter) -> SubscribeReasonCode {
        let Ok(filter) = DeviceFilter::parse(&wanted.path) else { return SubscribeReasonCode::Failure };
        if filter.identity().is_some_and(|owner| owner != identity) {
            return SubscribeReasonCode::Failure;
        }
        let (qos, granted) = match wanted.qos {
            QoS::AtMostOnce => (0, QoS::AtMostOnce),
            QoS::AtLeastOnce | QoS::ExactlyOnce => (1, QoS::AtLeastOnce),
        };
        let full = self.0.len() >= SUBSCRIPTIONS;
        match self.0.iter_mut().find(|one| one.filter == filter) {
            Some(one) => one.qos = qos,
            None if full => return SubscribeReasonCode::Failure,
            None => self.0.push(Subscription { filter, qos }),
        }
        SubscribeReasonCode::Success(granted)
    }

    /// Ends a subscription; a filter that was not subscribed to is fine.
    pub(super) fn remove(&mut self, filter: &str) {
        if let Ok(filter) = DeviceFilter::parse(filter) {
            self.0.retain(|one| one.filter != filter);
        }
    }

    pub(super) fn has(&self, filter: &DeviceFilter) -> bool {
        self.0.iter().any(|one| one.filter == *filter)
    }

    /// The quality of service that was granted, if the filter is subscribed to.
    pub(super) fn quality(&self, filter: &DeviceFilter) -> Option<u8> {
        self.0.iter().find(|one| one.filter == *filter).map(|one| one.qos)
    }

    pub(super) fn filters(&self) -> impl Iterator<Item = &DeviceFilter> {
        self.0.iter().map(|one| &one.filter)
    }

    pub(super) fn to_vec(&self) -> Vec<Subscription> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(subscriptions: &mut Subscriptions, identity: &str, path: &str, qos: QoS) -> SubscribeReasonCode {
        let wanted = SubscribeFilter { path: path.to_owned(), qos };
        subscriptions.add(&identity.parse().unwrap(), &wanted)
    }

    #[test]
    fn filters_of_iot_hub_are_granted_at_most_1_and_others_refused() {
        use QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
        let success = SubscribeReasonCode::Success;
        let mut all = Subscriptions::default();
        for (path, asked, answer) in [
            ("$iothub/methods/POST/#", AtMostOnce, success(AtMostOnce)),
            ("$iothub/twin/res/#", AtLeastOnce, success(AtLeastOnce)),
            ("$iothub/twin/PATCH/properties/desired/#", ExactlyOnce, success(AtLeastOnce)),
            ("devices/d/messages/devicebound/#", AtLeastOnce, success(AtLeastOnce)),
            ("devices/other/messages/devicebound/#", AtLeastOnce, SubscribeReasonCode::Failure),
            ("devices/d/modules/m/inputs/#", AtLeastOnce, SubscribeReasonCode::Failure),
            ("devices/+/messages/devicebound/#", AtMostOnce, SubscribeReasonCode::Failure),
            ("#", AtMostOnce, SubscribeReasonCode::Failure),
            ("+/+", AtMostOnce, SubscribeReasonCode::Failure),
            ("$SYS/#", AtMostOnce, SubscribeReasonCode::Failure),
            ("$share/group/devices/d/messages/devicebound/#", AtMostOnce, SubscribeReasonCode::Failure),
            ("$iothub/methods/POST/reboot", AtMostOnce, SubscribeReasonCode::Failure),
            ("$iothub/#", AtMostOnce, SubscribeReasonCode::Failure),
        ] {
            assert_eq!(add(&mut all, "d", path, asked), answer, "{path}");
        }
        assert_eq!(all.filters().count(), 4);
        assert_eq!(add(&mut all, "d", "$iothub/methods/POST/#", AtLeastOnce), success(AtLeastOnce), "again");
        assert_eq!(all.filters().count(), 4);
        all.remove("$iothub/methods/POST/#");
        all.remove("never/subscribed");
        assert!(!all.has(&DeviceFilter::Methods) && all.has(&DeviceFilter::Desired));
    }

    #[test]
    fn a_module_has_its_own() {
        let mut all = Subscriptions::default();
        for path in ["devices/d/modules/m/inputs/#", "devices/d/modules/m/#", "$iothub/methods/POST/#"] {
            assert_ne!(add(&mut all, "d/m", path, QoS::AtMostOnce), SubscribeReasonCode::Failure, "{path}");
        }
        assert_eq!(all.filters().count(), 2, "two spellings of one filter");
        assert_eq!(
            add(&mut all, "d/m", "devices/d/messages/devicebound/#", QoS::AtMostOnce),
            SubscribeReasonCode::Failure,
            "the device's own messages are not its modules'"
        );
    }
}
