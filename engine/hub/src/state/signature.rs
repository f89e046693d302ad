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

type Field = fn(&Entry) -> &str;

/// Fields of the identity that queries ask for, with the value of a device.
const FIELDS: [(&str, Field); 4] = [
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{Query, Row};
    use crate::state::Document;
    use crate::state::record::Record;
    use crate::state::rows::EntryRow;
    use proptest::prelude::*;
    use serde_json::json;
    use std::time::UNIX_EPOCH;
    use wire::Twin;

    fn device(twin: &Value) -> Entry {
        let asked = Document::Device(serde_json::from_value(json!({"deviceId": "d"})).unwrap());
        let mut empty = Twin::new(asked.identity(), UNIX_EPOCH);
        empty.replace_service(twin, UNIX_EPOCH).unwrap();
        let reported = serde_json::to_vec(&twin["reported"]).unwrap();
        empty.patch_reported(&reported, UNIX_EPOCH).unwrap();
        Entry::new(Record::of(&asked), empty)
    }

    fn lets(condition: &str, entry: &Entry) -> bool {
        let query = Query::parse(&format!("SELECT * FROM devices WHERE {condition}")).unwrap();
        Filter::of(&query.condition.unwrap().need()).lets(&Signature::of(entry))
    }

    #[test]
    fn lets_through_what_may_pass_and_not_the_others() {
        let long = "x".repeat(200);
        let entry = device(&json!({
            "tags": {"site": "delft", "n": 2, "zero": 0, "on": true, "deep": {"er": "x"}, "list": ["a"], "long": long},
            "properties": {"desired": {"rate": 1.5}}, "reported": {"fw": "1.2.3"},
        }));
        for (condition, expected) in [
            ("tags.site = 'delft'", true),
            ("tags.site = 'gent'", false),
            ("Tags.site = 'delft' AND tags.n = 2.0 AND tags.zero = -0.0 AND tags.on = true", true),
            ("tags.n = '2'", false),
            ("tags.on = false", false),
            ("tags.missing = 1", false),
            ("tags.deep.er = 'x'", true),
            ("tags.deeper = 'x'", false),
            ("tags.deep.e.r = 'x'", false),
            ("tags.list[0] = 'b'", true),
            ("properties.desired.rate = 1.5 AND properties.reported.fw = '1.2.3'", true),
            ("properties.reported.rate = 1.5", false),
            ("properties.reported.fw IN ['1.2.2', '1.2.3']", true),
            ("properties.reported.fw IN ['1.2.2', '1.2.4']", false),
            ("properties.reported.fw IN []", false),
            ("tags.site = 'gent' OR tags.n = 2", true),
            ("tags.site = 'gent' OR tags.n > 2", true),
            ("tags.site = 'gent' AND tags.n > 1", false),
            ("properties.reported.$version = 7 AND properties.desired.$metadata.$lastUpdated = 'x'", true),
            ("status = 'enabled' AND connectionState = 'Disconnected' AND authenticationType = 'sas'", true),
            ("status = 'disabled'", false),
            ("connectionState = 'Connected'", false),
            ("etag = 'x' AND version = 7 AND capabilities.iotEdge = true", true),
        ] {
            assert_eq!(lets(condition, &entry), expected, "{condition}");
        }
        assert!(lets(&format!("tags.long = '{long}'"), &entry));
    }

    fn twin() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            (-3_i64..3).prop_map(Value::from),
            proptest::sample::select(vec![0.0, -0.0, 1.0, 2.5]).prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            "[a-cé]{0,2}".prop_map(Value::from),
        ];
        let members = leaf.prop_recursive(3, 20, 4, |inner| {
            proptest::collection::vec(("[a-c]{1,2}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect()))
        });
        let section = proptest::collection::vec(("[a-c]{1,2}", members), 0..6)
            .prop_map(|members| Value::Object(members.into_iter().collect()));
        (section.clone(), section.clone(), section).prop_map(
            |(tags, desired, reported)| json!({"tags": tags, "properties": {"desired": desired}, "reported": reported}),
        )
    }

    /// Every leaf of a document, as a condition that the document satisfies.
    fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    leaves(value, &format!("{path}{}[[{name}]]", if path.is_empty() { "" } else { "." }), found);
                }
            }
            Value::Null | Value::Array(_) => {}
            Value::String(text) => found.push(format!("{path} = '{text}'")),
            other => found.push(format!("{path} = {other}")),
        }
    }

    proptest! {
        /// What passes is never skipped.
        #[test]
        fn never_says_no_of_what_is_there(twin in twin()) {
            let entry = device(&twin);
            let row = EntryRow::of(&entry);
            let mut conditions = Vec::new();
            leaves(&row.document(), "", &mut conditions);
            for condition in &conditions {
                let query = Query::parse(&format!("SELECT * FROM devices WHERE {condition}")).unwrap();
                prop_assert!(query.condition.unwrap().passes(&row), "{}", condition);
                prop_assert!(lets(condition, &entry), "{}", condition);
            }
            // As many as fit into a query.
            conditions.truncate(50);
            prop_assert!(lets(&conditions.join(" AND "), &entry));
        }
    }
}
