//! YAML with the place of every value. Knows no keys.

use std::fmt;

use base::{Diagnostic, Source, Span};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};
use serde_yaml::Spanned;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tree {
    pub(super) at: Span,
    pub(super) node: Node,
}

/// What it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// Null, a truth value, a number or a text.
    Leaf(Value),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// Reads a text.
    pub(super) fn read(source: &Source) -> Result<Self, Diagnostic> {
        let options = serde_yaml::options! { strict_booleans: true, with_snippet: false };
        serde_yaml::from_str_with_options::<Spanned<Node>>(source.text(), options)
            .map(Self::of)
            .map_err(|error| refused(source, &error))
    }

    fn of(spanned: Spanned<Node>) -> Self {
        let span = spanned.defined.span();
        let count = |number: Option<_>| number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
        let start = count(span.byte_offset());
        Self { at: Span::new(start, start + count(span.byte_len())), node: spanned.value }
    }

    /// The value without its places.
    pub(super) fn value(&self) -> Value {
        match &self.node {
            Node::Leaf(value) => value.clone(),
            Node::List(items) => items.iter().map(Self::value).collect(),
            Node::Map(members) => {
                Value::Object(members.iter().map(|(key, tree)| (key.clone(), tree.value())).collect::<Map<_, _>>())
            }
        }
    }
}

fn refused(source: &Source, error: &serde_yaml::Error) -> Diagnostic {
    let (line, column) = error.location().map_or((1, 1), |at| {
        let count = |number| usize::try_from(number).unwrap_or(1).max(1);
        (count(at.line()), count(at.column()))
    });
    let start = source.offset(line, column);
    let text = error.to_string();
    let message = text.rfind(" at line ").map_or(text.as_str(), |at| &text[..at]);
    Diagnostic::error(message.lines().next().unwrap_or("not YAML").to_owned())
        .at(source.place(Span::new(start, start + 1)))
        .help("an expression inside { .. } or [ .. ] wants quotes: { time: \"${{ value != () }}\" }")
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number that JSON does not have"))?;
        Ok(Node::Leaf(number.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Node>>()? {
            items.push(Tree::of(item));
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            members.push((key, Tree::of(map.next_value::<Spanned<Node>>()?)));
        }
        Ok(Node::Map(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_value_keeps_its_place_and_its_kind() {
        let source = Source::new("c.yaml", "a: 1\nb:\n  - \"1\"\n  - { c: 1.5, d: null, e: true }\n");
        let tree = Tree::read(&source).unwrap();
        assert_eq!(tree.value(), json!({"a": 1, "b": ["1", {"c": 1.5, "d": null, "e": true}]}));
        let Node::Map(members) = &tree.node else { panic!("a map") };
        let Node::List(items) = &members[1].1.node else { panic!("a list") };
        let Node::Map(inner) = &items[1].node else { panic!("a map") };
        let label = |at| source.place(at).label();
        assert_eq!((label(members[0].1.at), label(inner[0].1.at)), ("c.yaml:1:4".into(), "c.yaml:4:10".into()));
        let wrong = Tree::read(&Source::new("c.yaml", "a: [1\nb: 2\n")).unwrap_err();
        assert!(wrong.place.is_some(), "{wrong}");
    }
}
