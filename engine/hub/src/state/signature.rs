//! What a device has, in 64 bytes: enough to skip nearly every device that a selective query does not want, without a look at
//! its twin. A Bloom filter over the pairs of path and value; it may say maybe of a pair that is not there, never no of one that is.
//! Costs the same for every query and every property, so there is no index to declare, to build or to keep in step.

use serde_json::{Map, Value};

use super::registry::Entry;
use crate::fingerprint::Fingerprint;
use crate::query::{Need, Segment};

/// 512 bits: one cache line. With 3 bits a pair, 40 properties let through 1 stranger in 100, 100 properties 1 in 12; a twin
/// with many hundreds is always looked at.
const WORDS: usize = 8;
/// Bits per pair.
const BITS: usize = 3;
/// Texts that begin with the same bytes look the same here: a text of 4 KiB costs no more than a word.
const TEXT: usize = 64;

/// Fields of the identity that queries ask for, with the value of a device.
const FIELDS: [(&str, fn(&Entry) -> &str); 4] = [
    ("status", |entry| entry.record.status.as_str()),
    ("connectionState", |entry| entry.record.connection.as_str()),
    ("authenticationType", |entry| entry.record.authentication.kind.as_str()),
    ("modelId", |entry| entry.twin.model_id.as_str()),
];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signature([u64; WORDS]);

impl Signature {
    /// Of a device.
    pub(crate) fn of(entry: &Entry) -> Self {
        let mut signature = Self::default();
        for (name, value) in FIELDS {
            signature.add(text(named(Fingerprint::new(), name), value(entry)));
        }
        let properties = named(Fingerprint::new(), "properties");
        signature.add_members(named(Fingerprint::new(), "tags"), entry.twin.tags());
        signature.add_members(named(properties, "desired"), entry.twin.desired().properties());
        signature.add_members(named(properties, "reported"), entry.twin.reported().properties());
        signature
    }

    /// Arrays are left out: they would fill the filter with what hardly anyone asks for.
    fn add_members(&mut self, path: Fingerprint, members: &Map<String, Value>) {
        for (name, value) in members {
            let path = named(path, name);
            match value {
                Value::Object(members) => self.add_members(path, members),
                value => pair(path, value).into_iter().for_each(|pair| self.add(pair)),
            }
        }
    }

    fn add(&mut self, pair: Fingerprint) {
        *self = self.with(pair);
    }

    fn with(mut self, pair: Fingerprint) -> Self {
        // FNV's low bits alone are not even enough; this is the end of MurmurHash3.
        let mut hash = pair.value();
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^= hash >> 33;
        for turn in 0..BITS {
            let bit = (hash >> (turn * 9)) % 512;
            self.0[(bit / 64) as usize] |= 1 << (bit % 64);
        }
        self
    }

    fn has(&self, wanted: &Self) -> bool {
        self.0.iter().zip(&wanted.0).all(|(mine, wanted)| mine & wanted == *wanted)
    }
}

fn named(path: Fingerprint, name: &str) -> Fingerprint {
    // A byte that is in no name keeps `a.bc` and `ab.c` apart.
    path.with(name.as_bytes()).with(&[0xff])
}

fn text(path: Fingerprint, value: &str) -> Fingerprint {
    path.with(&[1]).with(&value.as_bytes()[..value.len().min(TEXT)])
}

/// What queries compare for equality has one fingerprint: 2 and 2.0 are the same. None of what they do not compare.
fn pair(path: Fingerprint, value: &Value) -> Option<Fingerprint> {
    match value {
        Value::String(value) => Some(text(path, value)),
        // With zero added, 0 and -0 are one.
        Value::Number(number) => Some(path.with(&[2]).with(&(number.as_f64()? + 0.0).to_bits().to_le_bytes())),
        Value::Bool(value) => Some(path.with(&[3, u8::from(*value)])),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What a device's signature must show for a row to pass.
pub(super) enum Filter {
    Pair(Signature),
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Nothing,
}

impl Filter {
    pub(super) fn of(need: &Need<'_>) -> Self {
        match need {
            Need::Equal(path, value) => asked(path, value).map_or(Self::Nothing, Self::Pair),
            Need::All(needs) => Self::All(needs.iter().map(Self::of).collect()),
            Need::Any(needs) => Self::Any(needs.iter().map(Self::of).collect()),
            Need::Anything => Self::Nothing,
        }
    }

    /// Whether the device may have what is needed.
    pub(super) fn lets(&self, device: &Signature) -> bool {
        match self {
            Self::Pair(wanted) => device.has(wanted),
            Self::All(filters) => filters.iter().all(|filter| filter.lets(device)),
            Self::Any(filters) => filters.iter().any(|filter| filter.lets(device)),
            Self::Nothing => true,
        }
    }
}

/// The signature of one pair; none of what signatures do not show.
fn asked(path: &[Segment], value: &Value) -> Option<Signature> {
    let names: Option<Vec<&str>> = path.iter().map(Segment::name).collect();
    let names = names?;
    let is_shown = match names.as_slice() {
        [field] => FIELDS.iter().any(|(name, _)| name == field),
        ["properties", "desired" | "reported", name] => *name != "$version",
        ["properties", "desired" | "reported", name, _, ..] => *name != "$metadata",
        ["tags", _, ..] => true,
        _ => false,
    };
    let path = names.into_iter().fold(Fingerprint::new(), named);
    let pair = pair(path, value).filter(|_| is_shown)?;
    Some(Signature::default().with(pair))
}
