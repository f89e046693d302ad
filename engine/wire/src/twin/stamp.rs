//! When each property was written last: the tree behind `$metadata`, kept small, as every twin of the hub has two.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// 100 ns: what the seventh fractional digit counts.
const TICK_NANOS: u128 = 100;

/// When, and at which version of the section. `$lastUpdatedVersion` is written only where `version` is not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moment {
    ticks: u64,
    version: u64,
}

/// The time of one level and of what is below it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub(super) struct Stamp {
    pub(super) at: Moment,
    pub(super) below: Vec<(String, Stamp)>,
}

/// A stamp on the disk.
#[derive(Serialize, Deserialize)]
struct Stored {
    ticks: u64,
    version: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    below: Vec<(String, Stamp)>,
}

impl From<Stored> for Stamp {
    fn from(Stored { ticks, version, below }: Stored) -> Self {
        Self { at: Moment { ticks, version }, below }
    }
}

impl From<Stamp> for Stored {
    fn from(Stamp { at: Moment { ticks, version }, below }: Stamp) -> Self {
        Self { ticks, version, below }
    }
}

impl Stamp {
    pub(super) fn new(at: SystemTime, version: u64) -> Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let ticks = u64::try_from(since.as_nanos() / TICK_NANOS).unwrap_or(u64::MAX);
        Self { at: Moment { ticks, version }, below: Vec::new() }
    }

    /// Takes the time of another, keeps what is below.
    pub(super) fn touch(&mut self, now: &Self) {
        self.at = now.at;
    }

    /// The stamp of a member that stands most likely at this place: both are in the order of their coming.
    pub(super) fn below_at(&self, at: usize, key: &str) -> Option<&Self> {
        let guess = self.below.get(at).filter(|(name, _)| name == key);
        guess.or_else(|| self.below.iter().find(|(name, _)| name == key)).map(|(_, stamp)| stamp)
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.below.retain(|(name, _)| name != key);
    }

    /// The stamp of a member, made anew if there is none.
    pub(super) fn member(&mut self, key: &str) -> &mut Self {
        let at = self.below.iter().position(|(name, _)| name == key).unwrap_or_else(|| {
            self.below.push((key.to_owned(), Self::default()));
            self.below.len() - 1
        });
        &mut self.below[at].1
    }

    /// Everything about `value` was written now.
    pub(super) fn rewrite(&mut self, value: &Value, now: &Self) {
        self.touch(now);
        self.below.clear();
        if let Value::Object(members) = value {
            self.rewrite_members(members, now);
        }
    }

    pub(super) fn rewrite_members(&mut self, members: &Map<String, Value>, now: &Self) {
        self.touch(now);
        self.below = members
            .iter()
            .map(|(key, value)| {
                let mut stamp = Self::default();
                stamp.rewrite(value, now);
                (key.clone(), stamp)
            })
            .collect();
    }

    /// `$metadata`.
    pub(super) fn to_json(&self) -> Value {
        let Moment { ticks, version } = self.at;
        let nanos = (ticks % 10_000_000) as u32 * 100;
        let at = UNIX_EPOCH + Duration::new(ticks / 10_000_000, nanos);
        let mut written = Map::new();
        written.insert("$lastUpdated".into(), base::rfc3339_ticks(at).into());
        if version > 0 {
            written.insert("$lastUpdatedVersion".into(), version.into());
        }
        written.extend(self.below.iter().map(|(key, stamp)| (key.clone(), stamp.to_json())));
        Value::Object(written)
    }
}
