//! What serde asks a [`Reader`] for, part by part: items of a list, entries of a map, the variant of an enum. A value found at
//! fault before is passed over.

use std::time::Duration;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor, value,
};

use super::decode::id;
use super::misfit::DecodeError;
use super::reader::Reader;
use super::{Key, Node};

/// A single value read as a list of one.
pub(super) struct One<'n, 's, 'a, 'c>(pub(super) Reader<'n, 's, 'a, 'c>);

impl<'de> Deserializer<'de> for One<'_, '_, '_, '_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_seq(Items { reader: self.0, all: std::slice::from_ref(self.0.node), at: 0, numbered: false })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

pub(super) struct Items<'n, 's, 'a, 'c> {
    pub(super) reader: Reader<'n, 's, 'a, 'c>,
    pub(super) all: &'n [Node],
    pub(super) at: usize,
    /// Whether errors say which item: not for one value that is read as a list.
    pub(super) numbered: bool,
}

impl<'de> SeqAccess<'de> for Items<'_, '_, '_, '_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        while let Some(node) = self.all.get(self.at) {
            let index = self.at;
            self.at += 1;
            if self.reader.skipped(node) {
                continue;
            }
            let reader = Reader { node, ..self.reader };
            let place = if self.numbered { format!("[{index}]") } else { String::new() };
            return seed.deserialize(reader).map(Some).map_err(|error| error.under(node, || place));
        }
        Ok(None)
    }
}

pub(super) struct Entries<'n, 's, 'a, 'c> {
    pub(super) reader: Reader<'n, 's, 'a, 'c>,
    pub(super) rest: std::slice::Iter<'n, (Key, Node)>,
    pub(super) value: Option<(&'n Key, &'n Node)>,
}

impl<'de> MapAccess<'de> for Entries<'_, '_, '_, '_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        for (key, value) in self.rest.by_ref() {
            if self.reader.skipped(value) {
                continue;
            }
            self.value = Some((key, value));
            let name: value::StrDeserializer<'_, DecodeError> = (*key.text).into_deserializer();
            return seed.deserialize(name).map(Some).map_err(|mut error| {
                error.span.get_or_insert(key.span);
                error.culprit.get_or_insert(id(value));
                error
            });
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let (key, node) = self.value.take().expect("serde asks for a key before its value");
        seed.deserialize(Reader { node, ..self.reader }).map_err(|error| error.under(node, || key.text.to_string()))
    }
}

pub(super) struct Variant<'n, 's, 'a, 'c> {
    pub(super) reader: Reader<'n, 's, 'a, 'c>,
    pub(super) name: &'n str,
    pub(super) value: Option<&'n Node>,
}

impl<'n, 'de, 's, 'a, 'c> EnumAccess<'de> for Variant<'n, 's, 'a, 'c> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DecodeError> {
        let name: value::StrDeserializer<'_, DecodeError> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, '_, '_, '_> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        match self.value {
            Some(node) if !node.is_null() => Err(DecodeError::wanted(format!("`{}` without a value", self.name), node)),
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DecodeError> {
        match self.value {
            Some(node) => seed
                .deserialize(Reader { node, ..self.reader })
                .map_err(|error| error.under(node, || self.name.to_owned())),
            None => self.reader.wanted(format!("`{}: ..` with a value", self.name)),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Some(node) => Reader { node, ..self.reader }.deserialize_seq(visitor),
            None => self.reader.wanted(format!("`{}: [..]` with a list", self.name)),
        }
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.value {
            Some(node) => Reader { node, ..self.reader }.deserialize_struct("", fields, visitor),
            None => self.reader.wanted(format!("`{}: {{ .. }}` with a map", self.name)),
        }
    }
}

/// A duration as the two numbers that std's own `Deserialize` wants.
pub(super) struct Parts {
    pub(super) duration: Duration,
    pub(super) next: u8,
}

impl<'de> SeqAccess<'de> for Parts {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        self.next += 1;
        match self.next {
            1 => seed.deserialize(self.duration.as_secs().into_deserializer()).map(Some),
            2 => seed.deserialize(self.duration.subsec_nanos().into_deserializer()).map(Some),
            _ => Ok(None),
        }
    }
}
