//! The stamps of a section as they are kept: without the names, which the properties have, in the properties' own order. Most
//! twins were written in one go, and then one moment serves all. [`Stamp`] is the form to work on.

use serde_json::{Map, Value};

use super::stamp::{Moment, Stamp};

/// A section's stamps, parents before their members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stamps {
    /// Everything was written at one moment.
    Same(Moment),
    /// The section itself, then each property with what is below it.
    Each(Box<[Moment]>),
}

impl Stamps {
    /// Drops the names; `properties` has a member for each.
    pub(super) fn pack(stamp: &Stamp, properties: &Map<String, Value>) -> Self {
        let mut moments = Vec::new();
        write(stamp, properties, &mut moments);
        match moments.split_first() {
            Some((first, rest)) if rest.iter().all(|moment| moment == first) => Self::Same(*first),
            _ => Self::Each(moments.into()),
        }
    }

    /// The same with names.
    pub(super) fn unpack(&self, properties: &Map<String, Value>) -> Stamp {
        match self {
            Self::Same(moment) => read(properties, &mut std::iter::repeat(*moment)),
            Self::Each(moments) => read(properties, &mut moments.iter().copied()),
        }
    }
}

fn write(stamp: &Stamp, members: &Map<String, Value>, moments: &mut Vec<Moment>) {
    moments.push(stamp.at);
    for (at, (key, value)) in members.iter().enumerate() {
        match (stamp.below_at(at, key), value) {
            (Some(below), Value::Object(members)) => write(below, members, moments),
            (below, _) => moments.push(below.map_or(stamp.at, |below| below.at)),
        }
    }
}

fn read(members: &Map<String, Value>, moments: &mut impl Iterator<Item = Moment>) -> Stamp {
    let at = moments.next().unwrap_or_default();
    let below = members.iter().map(|(key, value)| {
        let stamp = match value {
            Value::Object(members) => read(members, moments),
            _ => Stamp { at: moments.next().unwrap_or_default(), below: Vec::new() },
        };
        (key.clone(), stamp)
    });
    Stamp { at, below: below.collect() }
}
