//! YAML 1.2 into a [`Node`], by serde-saphyr: one pass, byte spans, duplicate keys refused, budgets against bombs. Sentences
//! about what YAML does otherwise than it looks are in `traps`.

use std::fmt;

use base::{Diagnostic, Diagnostics, Source, Span};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;

use super::{Key, Node, NodeKind, origin, traps};

/// Larger files are no playbooks; an inventory of 100,000 devices is a tenth of it.
const LARGEST: usize = 32 * 1024 * 1024;

/// An inventory of 100,000 devices in a `devices` list is within it; serde-saphyr's own 250,000 is too near.
const MOST_NODES: usize = 1_000_000;

/// What aliases may repeat in all: far more than a person shares, far less than a bomb.
const MOST_REPEATED: usize = 100_000;

/// Reads one YAML document. Numbers that lose digits are warned about in `found`.
pub fn read_yaml(source: &Source, found: &mut Diagnostics) -> Result<Node, Diagnostics> {
    if source.text().len() > LARGEST {
        return Err(Diagnostic::error(format!("{} is larger than 32 MiB", source.name())).into());
    }
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_nodes: MOST_NODES,
            max_events: 4 * MOST_NODES,
            max_recorded_anchor_events: MOST_REPEATED,
        },
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: MOST_REPEATED },
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: serde_yaml::NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    let raw: Spanned<Raw> = serde_yaml::from_str_with_options(source.text(), options)
        .map_err(|error| Diagnostics::from(traps::syntax(source, &error)))?;
    let node = node(source, raw);
    traps::warn(source, &node, found);
    Ok(node)
}

/// A value as serde sees it.
enum Raw {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<RawKey>, Spanned<Raw>)>),
}

/// A key: any scalar, as text.
struct RawKey(String);

fn span(location: serde_yaml::Location) -> Span {
    let span = location.span();
    let start = span.byte_offset().unwrap_or(0);
    let end = start + span.byte_len().unwrap_or(0);
    Span::new(usize::try_from(start).unwrap_or(0), usize::try_from(end).unwrap_or(0))
}

fn node(source: &Source, raw: Spanned<Raw>) -> Node {
    let span = span(raw.defined);
    let written = source.text().get(span.start..span.end).unwrap_or("").trim();
    let kind = match raw.value {
        Raw::Null => NodeKind::Null,
        Raw::Bool(it) => NodeKind::Bool(it),
        Raw::Number(it) => NodeKind::Number(it, written.into()),
        Raw::Text(it) => {
            let quoted = origin::Style::of(source.text(), span, &it) != origin::Style::Plain;
            NodeKind::Text(it.into(), quoted)
        }
        Raw::List(items) => NodeKind::List(items.into_iter().map(|item| node(source, item)).collect()),
        Raw::Map(entries) => {
            NodeKind::Map(entries.into_iter().map(|(key, item)| (named(key), node(source, item))).collect())
        }
    };
    Node { kind, span }
}

fn named(raw: Spanned<RawKey>) -> Key {
    Key { text: raw.value.0.into(), span: span(raw.defined) }
}

impl<'de> Deserialize<'de> for RawKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(RawKey)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Raw, E> {
        Ok(Raw::Number(it.into()))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Raw, E> {
        Ok(Raw::Number(it.into()))
    }

    fn visit_f64<E>(self, it: f64) -> Result<Raw, E> {
        Ok(serde_json::Number::from_f64(it).map_or(Raw::Null, Raw::Number))
    }

    fn visit_str<E>(self, it: &str) -> Result<Raw, E> {
        Ok(Raw::Text(it.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}
