//! Desired or reported properties: the members, their version, and when each was written.

use std::time::SystemTime;

use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::check::{SectionKind, check_form, check_size};
use super::stamp::Stamp;
use super::stamps::Stamps;
use crate::HubError;

const VERSION: &str = "$version";
const METADATA: &str = "$metadata";

/// A section with a version. Serialises as the hub stores it; [`Section::to_json_device`] and [`Section::to_json_service`] are the
/// forms of the wire.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Stored")]
pub struct Section {
    properties: Map<String, Value>,
    stamps: Stamps,
    version: u64,
    /// Desired properties also say at which version each was written.
    versioned: bool,
}

/// A section on the disk.
#[derive(Deserialize)]
struct Stored {
    properties: Map<String, Value>,
    stamps: Stamp,
    version: u64,
    versioned: bool,
}

impl From<Stored> for Section {
    fn from(Stored { properties, stamps, version, versioned }: Stored) -> Self {
        let stamps = Stamps::pack(&stamps, &properties);
        Self { properties, stamps, version, versioned }
    }
}

impl Serialize for Section {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut stored = serializer.serialize_struct("Section", 4)?;
        stored.serialize_field("properties", &self.properties)?;
        stored.serialize_field("stamps", &self.stamps.unpack(&self.properties))?;
        stored.serialize_field("version", &self.version)?;
        stored.serialize_field("versioned", &self.versioned)?;
        stored.end()
    }
}

/// Merges as JSON merge patch does: members recurse, anything else replaces, `null` deletes.
fn merge(target: &mut Map<String, Value>, stamps: &mut Stamp, patch: &Map<String, Value>, now: &Stamp) {
    stamps.touch(now);
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.shift_remove(key);
                stamps.remove(key);
            }
            Value::Object(members) => {
                let below = stamps.member(key);
                if let Some(Value::Object(existing)) = target.get_mut(key) {
                    merge(existing, below, members, now);
                } else {
                    let mut fresh = Map::new();
                    below.rewrite(&Value::Null, now);
                    merge(&mut fresh, below, members, now);
                    target.insert(key.clone(), Value::Object(fresh));
                }
            }
            other => {
                stamps.member(key).rewrite(other, now);
                target.insert(key.clone(), other.clone());
            }
        }
    }
}

/// Members without those that are `null`, at every level but inside arrays.
fn without_nulls(members: &Map<String, Value>) -> Map<String, Value> {
    let kept = |(key, value): (&String, &Value)| match value {
        Value::Null => None,
        Value::Object(below) => Some((key.clone(), Value::Object(without_nulls(below)))),
        other => Some((key.clone(), other.clone())),
    };
    members.iter().filter_map(kept).collect()
}

/// Members without `$metadata` and `$version`, which a fetched twin has and a sender may send back.
pub(super) fn own_members(members: &Map<String, Value>) -> Map<String, Value> {
    members.iter().filter(|(key, _)| *key != METADATA && *key != VERSION).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// [`merge`] for tags, which have no stamps.
pub(super) fn merge_plain(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    merge(target, &mut Stamp::default(), patch, &Stamp::default());
}

pub(super) fn plain(members: &Map<String, Value>) -> Map<String, Value> {
    without_nulls(members)
}

impl Section {
    /// Empty, at version 1.
    pub fn new(kind: SectionKind, now: SystemTime) -> Self {
        let versioned = kind == SectionKind::Desired;
        let properties = Map::new();
        let stamps = Stamps::pack(&Stamp::new(now, u64::from(versioned)), &properties);
        Self { properties, stamps, version: 1, versioned }
    }

    /// The members, without `$metadata` and `$version`.
    pub fn properties(&self) -> &Map<String, Value> {
        &self.properties
    }

    /// Grows by one with every accepted change.
    pub fn version(&self) -> u64 {
        self.version
    }

    fn kind(&self) -> SectionKind {
        if self.versioned { SectionKind::Desired } else { SectionKind::Reported }
    }

    fn now(&self, now: SystemTime) -> Stamp {
        Stamp::new(now, if self.versioned { self.version + 1 } else { 0 })
    }

    /// Merges a patch and counts the version up. Nothing is changed when the patch, or what would come of it, breaks a limit.
    pub fn merge(&mut self, patch: &Map<String, Value>, now: SystemTime) -> Result<u64, HubError> {
        check_form(self.kind(), patch)?;
        let now = self.now(now);
        let (mut properties, mut stamps) = (self.properties.clone(), self.stamps.unpack(&self.properties));
        merge(&mut properties, &mut stamps, patch, &now);
        check_size(self.kind(), &properties)?;
        self.stamps = Stamps::pack(&stamps, &properties);
        self.properties = properties;
        self.version += 1;
        Ok(self.version)
    }

    /// Becomes exactly the given members (nulls dropped) and counts the version up. Returns what the device is told: the new
    /// members, and `null` for each that is gone.
    pub fn replace(&mut self, members: &Map<String, Value>, now: SystemTime) -> Result<Map<String, Value>, HubError> {
        check_form(self.kind(), members)?;
        let members = without_nulls(members);
        check_size(self.kind(), &members)?;
        let mut told = members.clone();
        for key in self.properties.keys() {
            told.entry(key.clone()).or_insert(Value::Null);
        }
        let now = self.now(now);
        // All of it is new: one moment serves the section and everything in it.
        let mut stamps = Stamp::default();
        stamps.rewrite_members(&members, &now);
        self.stamps = Stamps::pack(&stamps, &members);
        self.properties = members;
        self.version += 1;
        Ok(told)
    }

    /// What a device sees: the members and `$version`.
    pub fn to_json_device(&self) -> Value {
        let mut written = self.properties.clone();
        written.insert(VERSION.into(), self.version.into());
        Value::Object(written)
    }

    /// What the service sees: the members, `$metadata` and `$version`.
    pub fn to_json_service(&self) -> Value {
        let mut written = self.properties.clone();
        written.insert(METADATA.into(), self.stamps.unpack(&self.properties).to_json());
        written.insert(VERSION.into(), self.version.into());
        Value::Object(written)
    }
}

/// [`Section::to_json_device`] written straight from the section.
pub(super) struct DeviceView<'a>(pub(super) &'a Section);

impl Serialize for DeviceView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.properties.len() + 1))?;
        for (key, value) in &self.0.properties {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry(VERSION, &self.0.version)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use std::time::{Duration, UNIX_EPOCH};

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(members) = value else { panic!("an object") };
        members
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn merges_and_keeps_metadata() {
        let mut section = Section::new(SectionKind::Desired, at(0));
        section.merge(&object(json!({"a": {"x": 1, "y": 2}, "b": [1], "c": null})), at(1)).unwrap();
        section.merge(&object(json!({"a": {"x": null, "z": {"w": null, "v": 3}}, "d": 4})), at(2)).unwrap();
        let stamp = |second: u64, version: u64| json!({"$lastUpdated": format!("1970-01-01T00:00:0{second}.0000000Z"), "$lastUpdatedVersion": version});
        let with = |mut base: Value, more: Value| {
            base.as_object_mut().unwrap().extend(object(more));
            base
        };
        assert_eq!(
            section.to_json_service(),
            json!({
                "a": {"y": 2, "z": {"v": 3}}, "b": [1], "d": 4,
                "$metadata": with(stamp(2, 3), json!({
                    "a": with(stamp(2, 3), json!({"y": stamp(1, 2), "z": with(stamp(2, 3), json!({"v": stamp(2, 3)}))})),
                    "b": stamp(1, 2),
                    "d": stamp(2, 3),
                })),
                "$version": 3,
            })
        );
        assert_eq!(section.to_json_device(), json!({"a": {"y": 2, "z": {"v": 3}}, "b": [1], "d": 4, "$version": 3}));
    }

    #[test]
    fn reported_metadata_has_no_version() {
        let section = Section::new(SectionKind::Reported, at(0));
        assert_eq!(
            section.to_json_service(),
            json!({"$metadata": {"$lastUpdated": "1970-01-01T00:00:00.0000000Z"}, "$version": 1})
        );
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<u8>().prop_map(Value::from), Just(json!([{"a": 1}]))];
        leaf.prop_recursive(3, 24, 4, |inner| {
            proptest::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect()))
        })
    }

    proptest! {
        /// The stamps that are kept say the same as the tree that they were made from, whatever was merged and removed.
        #[test]
        fn stamps_without_names_lose_nothing(patches in proptest::collection::vec(tree(), 1..6)) {
            let mut section = Section::new(SectionKind::Desired, at(0));
            let (mut properties, mut stamps) = (Map::new(), Stamp::new(at(0), 1));
            for (second, patch) in (1..).zip(patches) {
                let Value::Object(patch) = patch else { continue };
                let now = section.now(at(second));
                if section.merge(&patch, at(second)).is_err() {
                    continue;
                }
                merge(&mut properties, &mut stamps, &patch, &now);
                prop_assert_eq!(&section.properties, &properties);
                prop_assert_eq!(section.stamps.unpack(&properties).to_json(), stamps.to_json());
                let stored = serde_json::to_vec(&section).unwrap();
                prop_assert_eq!(&serde_json::from_slice::<Section>(&stored).unwrap(), &section);
            }
        }
    }

    #[test]
    fn replacing_tells_what_is_gone() {
        let mut section = Section::new(SectionKind::Desired, at(0));
        section.merge(&object(json!({"a": 0, "b": {"x": 1}})), at(1)).unwrap();
        let told = section.replace(&object(json!({"a": 1, "c": 100, "d": null})), at(2)).unwrap();
        assert_eq!(Value::Object(told), json!({"a": 1, "b": null, "c": 100}));
        assert_eq!(section.to_json_device(), json!({"a": 1, "c": 100, "$version": 3}));
    }

    #[test]
    fn a_refused_patch_changes_nothing() {
        let mut section = Section::new(SectionKind::Reported, at(0));
        section.merge(&(0..8).map(|n| (format!("{n}"), json!("x".repeat(4000)))).collect(), at(1)).unwrap();
        let before = section.clone();
        assert!(section.merge(&object(json!({"big": "x".repeat(4000)})), at(2)).is_err());
        assert!(section.merge(&object(json!({"ok": 1, "no.dots": 1})), at(2)).is_err());
        assert_eq!(section, before);
        let stored = serde_json::to_vec(&section).unwrap();
        assert_eq!(serde_json::from_slice::<Section>(&stored).unwrap(), section);
    }
}
