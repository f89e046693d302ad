//! A serde `Deserializer` over a [`Node`]. Errors know their place and the value at fault; keys are looked at before serde
//! sees them, so that all unknown ones are found at once. Knows our own types by the names in `handed`.

use std::fmt;
use std::time::Duration;

use base::{Span, did_you_mean, parse_duration};
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::decode::{Id, Shared, id};
use super::template::Template;
use super::{Key, Node, NodeKind, handed};

/// Why a value did not fit, and which one.
#[derive(Debug, Default)]
pub(super) struct DecodeError {
    /// What was wanted, or what serde says.
    pub(super) message: String,
    /// The path of keys to it, innermost first.
    path: Vec<String>,
    /// Words beside the caret.
    note: Option<String>,
    /// How to mend it.
    pub(super) help: Vec<String>,
    /// Where.
    pub(super) span: Option<Span>,
    /// The value to pass over when decoding goes on.
    pub(super) culprit: Option<Id>,
    /// A field that is not there.
    pub(super) missing: Option<&'static str>,
    /// Already told: only ends this round.
    pub(super) reported: bool,
}

impl DecodeError {
    fn told() -> Self {
        Self { reported: true, ..Self::default() }
    }

    fn wanted(what: impl fmt::Display, node: &Node) -> Self {
        Self { message: format!("expected {what}"), note: Some(node.what()), span: Some(node.span), ..Self::default() }
    }

    /// The first line, and the words beside the caret.
    pub(super) fn sentence(&self) -> (String, Option<String>) {
        let mut path = String::new();
        for key in self.path.iter().rev() {
            let dot = if path.is_empty() || key.starts_with('[') { "" } else { "." };
            path = path + dot + key.as_str();
        }
        let message = if path.is_empty() { self.message.clone() } else { format!("`{path}`: {}", self.message) };
        (message, self.note.clone())
    }

    fn under(mut self, node: &Node, key: impl FnOnce() -> String) -> Self {
        self.span.get_or_insert(node.span);
        self.culprit.get_or_insert(id(node));
        self.path.push(key());
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), ..Self::default() }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { message: format!("`{field}` is missing"), missing: Some(field), ..Self::default() }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let help = did_you_mean(variant, expected.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        Self {
            message: format!("expected one of {}", expected.join(", ")),
            note: Some(format!("`{variant}` is none of them")),
            help: help.into_iter().collect(),
            ..Self::default()
        }
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!("expected {expected}"))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!("expected {expected}"))
    }
}

/// Reads one node.
#[derive(Clone, Copy)]
pub(super) struct Reader<'n, 's, 'a, 'c> {
    node: &'n Node,
    shared: &'s Shared<'a, 'c>,
}

impl<'n, 's, 'a, 'c> Reader<'n, 's, 'a, 'c> {
    pub(super) fn new(node: &'n Node, shared: &'s Shared<'a, 'c>) -> Self {
        Self { node, shared }
    }

    fn wanted<T>(&self, what: impl fmt::Display) -> Result<T, DecodeError> {
        Err(DecodeError::wanted(what, self.node))
    }

    fn skipped(&self, node: &Node) -> bool {
        self.shared.skip.borrow().contains(&id(node))
    }

    /// The text of a scalar that must be known when the file is read.
    fn text(&self, what: &str) -> Result<&'n str, DecodeError> {
        let Some(text) = self.node.scalar() else { return self.wanted(what) };
        if super::scan::is_template(text) && self.shared.check.is_some() {
            return Err(DecodeError {
                message: "`${{ }}` cannot stand here: this is read once, before any device is known".into(),
                span: Some(self.node.span),
                ..DecodeError::default()
            });
        }
        Ok(text)
    }

    fn whole<'de, V: Visitor<'de>>(
        self,
        visitor: V,
        range: std::ops::RangeInclusive<i128>,
    ) -> Result<V::Value, DecodeError> {
        let expected = || {
            if *range.end() > i128::from(u32::MAX) {
                let sign = if *range.start() < 0 { "" } else { ", not negative" };
                return format!("a whole number{sign}");
            }
            format!("a whole number from {} to {}", range.start(), range.end())
        };
        let number = match &self.node.kind {
            NodeKind::Number(number, _) => number.as_i128().or_else(|| number.as_u64().map(i128::from)),
            _ => None,
        };
        if let NodeKind::Text(..) = &self.node.kind {
            self.text(&expected())?;
        }
        match number {
            Some(number) if range.contains(&number) => match (i64::try_from(number), u64::try_from(number)) {
                (Ok(number), _) => visitor.visit_i64(number),
                (_, Ok(number)) => visitor.visit_u64(number),
                _ => self.wanted(expected()),
            },
            _ => self.wanted(expected()),
        }
    }

    fn duration<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        const WHAT: &str = "a duration: `90s`, `1h30m`, `250ms` or a number of seconds";
        let parsed = match &self.node.kind {
            NodeKind::Number(_, text) => parse_duration(text).ok(),
            NodeKind::Text(..) => parse_duration(self.text(WHAT)?).ok(),
            _ => None,
        };
        match parsed {
            Some(duration) => visitor.visit_seq(Parts { duration, next: 0 }),
            None => self.wanted(WHAT),
        }
    }

    fn handed<'de, V: Visitor<'de>>(self, name: &str, visitor: V) -> Result<V::Value, DecodeError> {
        let Some(cell) = &self.shared.check else { return visitor.visit_newtype_struct(self) };
        let mut check = cell.borrow_mut();
        if name == handed::EXPRESSION {
            handed::give_expression(check.expression(self.node).ok_or_else(DecodeError::told)?);
            return visitor.visit_unit();
        }
        if name == handed::FILLED && !Template::is_needed(self.node) {
            drop(check);
            return visitor.visit_newtype_struct(self);
        }
        let template = check.template(self.node).ok_or_else(DecodeError::told)?;
        drop(check);
        if name == handed::FILLED
            && let Some(value) = template.constant()
        {
            // Only an escaped `$${{`: what it stands for is known now.
            let node = Node::from_json(value, self.node.span);
            let plain = Shared { check: None, skip: std::cell::RefCell::default() };
            return visitor
                .visit_newtype_struct(Reader::new(&node, &plain))
                .map_err(|error| DecodeError { culprit: None, ..error });
        }
        handed::give_template(template);
        visitor.visit_unit()
    }

    fn map<'de, V: Visitor<'de>>(self, entries: &'n [(Key, Node)], visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_map(Entries { reader: self, rest: entries.iter(), value: None }).map_err(|mut error| {
            let skipped = |name| entries.iter().any(|(key, value)| &*key.text == name && self.skipped(value));
            if error.span.is_none() && error.missing.is_some_and(skipped) {
                error.reported = true;
            }
            error.span.get_or_insert(self.node.span);
            error
        })
    }

    /// Tells of unknown keys, once, and leaves them out.
    fn unknown_keys(&self, entries: &[(Key, Node)], fields: &[&str]) -> Result<(), DecodeError> {
        for (key, value) in entries {
            if fields.contains(&&*key.text) || self.skipped(value) {
                continue;
            }
            let Some(cell) = &self.shared.check else {
                return Err(DecodeError { message: format!("unknown key `{}`", key.text), ..DecodeError::default() });
            };
            cell.borrow_mut().unknown_key(key, fields);
            self.shared.skip.borrow_mut().insert(id(value));
        }
        Ok(())
    }
}

macro_rules! whole_numbers {
    ($($method:ident: $type:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            self.whole(visitor, i128::from(<$type>::MIN)..=i128::from(<$type>::MAX))
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'_, '_, '_, '_> {
    type Error = DecodeError;

    whole_numbers! {
        deserialize_i8: i8, deserialize_i16: i16, deserialize_i32: i32, deserialize_i64: i64,
        deserialize_u8: u8, deserialize_u16: u16, deserialize_u32: u32, deserialize_u64: u64,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.kind {
            NodeKind::Null => visitor.visit_unit(),
            NodeKind::Bool(it) => visitor.visit_bool(*it),
            NodeKind::Number(number, _) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(it), _, _) => visitor.visit_u64(it),
                (_, Some(it), _) => visitor.visit_i64(it),
                (_, _, Some(it)) => visitor.visit_f64(it),
                _ => self.wanted("a number of at most 64 bits"),
            },
            NodeKind::Text(..) => visitor.visit_str(self.text("a text")?),
            NodeKind::List(_) => self.deserialize_seq(visitor),
            NodeKind::Map(entries) => self.map(entries, visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.kind {
            NodeKind::Bool(it) => visitor.visit_bool(*it),
            NodeKind::Text(..) => self.text("`true` or `false`").and_then(|_| self.wanted("`true` or `false`")),
            _ => self.wanted("`true` or `false`"),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.kind {
            NodeKind::Number(number, _) => match number.as_f64() {
                Some(it) => visitor.visit_f64(it),
                None => self.wanted("a number"),
            },
            NodeKind::Text(..) => self.text("a number").and_then(|_| self.wanted("a number")),
            _ => self.wanted("a number"),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_str(self.text("a text")?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() { visitor.visit_unit() } else { self.wanted("nothing") }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match name {
            handed::FILLED | handed::TEMPLATE | handed::EXPRESSION => self.handed(name, visitor),
            handed::NODE => {
                handed::give_node(self.node.clone());
                visitor.visit_unit()
            }
            handed::ONE_OR_MANY if !matches!(self.node.kind, NodeKind::List(_)) => {
                visitor.visit_newtype_struct(One(self))
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.kind {
            NodeKind::List(items) => visitor.visit_seq(Items { reader: self, all: items, at: 0 }),
            _ => self.wanted("a list"),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.kind {
            NodeKind::Map(entries) => self.map(entries, visitor),
            _ => self.wanted("a map"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name == "Duration" && fields == ["secs", "nanos"] {
            return self.duration(visitor);
        }
        match &self.node.kind {
            // `get_twin:` with nothing behind it has no parameters.
            NodeKind::Null => self.map(&[], visitor),
            NodeKind::Map(entries) => {
                self.unknown_keys(entries, fields)?;
                self.map(entries, visitor)
            }
            _ if fields.is_empty() => self.wanted("nothing: it has no parameters"),
            _ => self.wanted(format!("a map with {}", fields.join(", "))),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match &self.node.kind {
            NodeKind::Map(entries) if entries.len() == 1 => {
                let (key, value) = &entries[0];
                visitor.visit_enum(Variant { reader: self, name: &key.text, value: Some(value) })
            }
            NodeKind::Map(_) | NodeKind::List(_) | NodeKind::Null => {
                self.wanted(format!("one of {}", variants.join(", ")))
            }
            _ => visitor.visit_enum(Variant { reader: self, name: self.text("a word")?, value: None }),
        }
        .map_err(|mut error| {
            error.span.get_or_insert(self.node.span);
            error
        })
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }
}

/// A single value read as a list of one.
struct One<'n, 's, 'a, 'c>(Reader<'n, 's, 'a, 'c>);

impl<'de> Deserializer<'de> for One<'_, '_, '_, '_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_seq(Items { reader: self.0, all: std::slice::from_ref(self.0.node), at: 0 })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Items<'n, 's, 'a, 'c> {
    reader: Reader<'n, 's, 'a, 'c>,
    all: &'n [Node],
    at: usize,
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
            return seed.deserialize(reader).map(Some).map_err(|error| error.under(node, || format!("[{index}]")));
        }
        Ok(None)
    }
}

struct Entries<'n, 's, 'a, 'c> {
    reader: Reader<'n, 's, 'a, 'c>,
    rest: std::slice::Iter<'n, (Key, Node)>,
    value: Option<(&'n Key, &'n Node)>,
}

impl<'de> MapAccess<'de> for Entries<'_, '_, '_, '_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        for (key, value) in self.rest.by_ref() {
            if self.reader.skipped(value) {
                continue;
            }
            self.value = Some((key, value));
            let name: de::value::StrDeserializer<'_, DecodeError> = (*key.text).into_deserializer();
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

struct Variant<'n, 's, 'a, 'c> {
    reader: Reader<'n, 's, 'a, 'c>,
    name: &'n str,
    value: Option<&'n Node>,
}

impl<'n, 'de, 's, 'a, 'c> EnumAccess<'de> for Variant<'n, 's, 'a, 'c> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DecodeError> {
        let name: de::value::StrDeserializer<'_, DecodeError> = self.name.into_deserializer();
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
struct Parts {
    duration: Duration,
    next: u8,
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
