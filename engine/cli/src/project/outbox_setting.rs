//! `agent: { outbox: .. }` of `iotplay.yaml`: how much may wait for the hub, and whether on the disk. Keeps nothing itself.

use serde::{Deserialize, Deserializer};

/// The section.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct OutboxSetting {
    /// On the disk too.
    pub(crate) disk: bool,
    /// Messages of a device.
    #[serde(deserialize_with = "some")]
    pub(crate) messages: Option<u32>,
    /// Bytes of them.
    #[serde(deserialize_with = "some")]
    pub(crate) bytes: Option<u32>,
}

/// A number that is at least 1.
fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    std::num::NonZeroU32::deserialize(deserializer).map(|number| Some(number.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_by_whole_numbers() {
        let read = |text: &str| serde_yaml::from_str::<OutboxSetting>(text);
        let outbox = read("{ disk: true, messages: 5 }").unwrap();
        assert_eq!((outbox.disk, outbox.messages, outbox.bytes), (true, Some(5), None));
        for wrong in ["{ messages: 0 }", "{ bytes: -1 }", "{ disc: true }", "{ messages: many }"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
