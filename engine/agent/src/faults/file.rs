//! The form of the file, as YAML has it. Every value that can be wrong in itself keeps its place; what goes with what is
//! `profile`'s matter.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_yaml::Spanned;

/// The whole file: each fault once, with one group of devices or several.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    #[serde(deserialize_with = "groups")]
    pub(super) slow_boot: Option<Spanned<Groups>>,
    #[serde(deserialize_with = "groups")]
    pub(super) never_returns: Option<Spanned<Groups>>,
    #[serde(deserialize_with = "groups")]
    pub(super) drops_reply: Option<Spanned<Groups>>,
    #[serde(deserialize_with = "groups")]
    pub(super) answers_late: Option<Spanned<Groups>>,
    #[serde(deserialize_with = "groups")]
    pub(super) answers_twice: Option<Spanned<Groups>>,
    #[serde(deserialize_with = "groups")]
    pub(super) rejects: Option<Spanned<Groups>>,
    #[serde(deserialize_with = "groups")]
    pub(super) offline: Option<Spanned<Groups>>,
}

/// A fault without a word about who has it is a slip, not a default.
fn groups<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Spanned<Groups>>, D::Error> {
    Spanned::deserialize(deserializer).map(Some)
}

/// One group, or a list of them.
pub(super) enum Groups {
    One(Box<Group>),
    Several(Vec<Spanned<Group>>),
}

/// Which devices, and the fault's own settings. Which of these belong to which fault is checked later, with better words.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Group {
    pub(super) share: Option<Spanned<String>>,
    pub(super) count: Option<Spanned<usize>>,
    pub(super) devices: Option<Spanned<Texts>>,
    pub(super) methods: Option<Spanned<Texts>>,
    pub(super) times: Option<Spanned<u32>>,
    pub(super) takes: Option<Spanned<String>>,
    pub(super) by: Option<Spanned<String>>,
    pub(super) status: Option<Spanned<i32>>,
    pub(super) payload: Option<Spanned<Value>>,
    pub(super) after: Option<Spanned<String>>,
    #[serde(rename = "for")]
    pub(super) lasts: Option<Spanned<String>>,
    pub(super) every: Option<Spanned<String>>,
    pub(super) waves: Option<Spanned<u32>>,
}

/// One text, or a list of texts.
pub(super) struct Texts(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Groups {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Groups;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a group of devices such as { share: 5% }, or a list of groups")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Groups, A::Error> {
                Group::deserialize(MapAccessDeserializer::new(map)).map(|group| Groups::One(Box::new(group)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Groups, A::Error> {
                let mut groups = Vec::new();
                while let Some(group) = seq.next_element()? {
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
                f.write_str("a name or a list of names")
            }

            fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_any(Either)
    }
}
