//! The form of a profile, as YAML has it. Every value that can be wrong in itself keeps its place; what goes with what is `profile`'s
//! matter.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_yaml::Spanned;

/// A fault without a word about how it is would be a slip, not a default.
type Named = Option<Spanned<Groups>>;

/// The whole file: each fault once, with one group or several.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    #[serde(deserialize_with = "groups")]
    pub(super) answers_late: Named,
    #[serde(deserialize_with = "groups")]
    pub(super) clock_skew: Named,
    #[serde(deserialize_with = "groups")]
    pub(super) cuts: Named,
    #[serde(deserialize_with = "groups")]
    pub(super) drops_reply: Named,
    #[serde(deserialize_with = "groups")]
    pub(super) duplicates: Named,
    #[serde(deserialize_with = "groups")]
    pub(super) early_expiry: Named,
    #[serde(deserialize_with = "groups")]
    pub(super) rejects: Named,
    #[serde(deserialize_with = "groups")]
    pub(super) slices: Named,
    #[serde(deserialize_with = "groups")]
    pub(super) slow: Named,
    #[serde(deserialize_with = "groups")]
    pub(super) stalls: Named,
}

fn groups<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Named, D::Error> {
    Spanned::deserialize(deserializer).map(Some)
}

/// One group, or a list of them.
pub(super) enum Groups {
    One(Box<Group>),
    Several(Vec<Spanned<Group>>),
}

/// Who meets the fault, where, when, and the fault's own settings.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Group {
    pub(super) share: Option<Spanned<String>>,
    pub(super) count: Option<Spanned<usize>>,
    pub(super) devices: Option<Spanned<Texts>>,
    pub(super) on: Option<Spanned<Texts>>,
    pub(super) chance: Option<Spanned<String>>,
    pub(super) times: Option<Spanned<u32>>,
    pub(super) after: Option<Spanned<String>>,
    #[serde(rename = "for")]
    pub(super) lasts: Option<Spanned<String>>,
    pub(super) by: Option<Spanned<String>>,
    pub(super) how: Option<Spanned<String>>,
    pub(super) status: Option<Spanned<u16>>,
    pub(super) code: Option<Spanned<u8>>,
    pub(super) retry_after: Option<Spanned<String>>,
    pub(super) takes: Option<Spanned<String>>,
    pub(super) rate: Option<Spanned<u32>>,
}

/// One text, or a list of texts.
pub(super) struct Texts(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Groups {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Groups;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the settings of a fault such as { on: telemetry, share: 5% }, or a list of such")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Groups, A::Error> {
                Group::deserialize(MapAccessDeserializer::new(map)).map(|group| Groups::One(Box::new(group)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Groups, A::Error> {
                let mut groups = Vec::new();
                while let Some(group) = list.next_element()? {
                    groups.push(group);
                }
                Ok(Groups::Several(groups))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word or a list of words")
            }

            fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_any(Either)
    }
}
