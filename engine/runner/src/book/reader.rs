//! A serde `Deserializer` over a [`Node`]. Errors know their place and the value at fault; keys are looked at before serde
//! sees them, so that all unknown ones are found at once. Knows our own types by the names in `handed`.

use std::fmt;

use base::{did_you_mean, parse_duration};
use serde::de::{Deserializer, Visitor};

use super::access::{Entries, Items, One, Parts, Variant};
use super::decode::{Shared, id};
use super::misfit::DecodeError;
use super::template::Template;
use super::{Key, Node, NodeKind, handed};

/// Reads one node.
#[derive(Clone, Copy)]
pub(super) struct Reader<'n, 's, 'a, 'c> {
    pub(super) node: &'n Node,
    pub(super) shared: &'s Shared<'a, 'c>,
}

impl<'n, 's, 'a, 'c> Reader<'n, 's, 'a, 'c> {
    pub(super) fn new(node: &'n Node, shared: &'s Shared<'a, 'c>) -> Self {
        Self { node, shared }
    }

    pub(super) fn wanted<T>(&self, what: impl fmt::Display) -> Result<T, DecodeError> {
        Err(DecodeError::wanted(what, self.node))
    }

    pub(super) fn skipped(&self, node: &Node) -> bool {
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
            // Its value was at fault, or its name was misspelt: told already.
            let meant = |key: &str, name: &str| key == name || did_you_mean(key, [name]).is_some();
            let told = |name| entries.iter().any(|(key, value)| self.skipped(value) && meant(&key.text, name));
            if error.span.is_none() && error.missing.is_some_and(told) {
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
            NodeKind::Text(..) => {
                let text = self.text("`true` or `false`")?;
                let help = match text.to_lowercase().as_str() {
                    "yes" | "on" | "true" | "y" => vec!["write `true`".to_owned()],
                    "no" | "off" | "false" | "n" => vec!["write `false`".to_owned()],
                    _ => Vec::new(),
                };
                Err(DecodeError { help, ..DecodeError::wanted("`true` or `false`", self.node) })
            }
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
            NodeKind::List(items) => visitor.visit_seq(Items { reader: self, all: items, at: 0, numbered: true }),
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
