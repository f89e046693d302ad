//! Text with `${{ }}` in it, or a whole tree of such, compiled at load and filled per device. A scalar that is nothing but
//! `${{ }}` keeps its type; inside a longer text values that are not text appear as JSON.

use std::fmt;
use std::sync::Arc;

use base::{Diagnostic, Span};
use script::Expressions;
use serde::de::{Deserialize, Deserializer, Visitor};
use serde_json::{Map, Value};

use super::expression::{Expression, FillError};
use super::origin::Origin;
use super::scan::{self, Piece};
use super::{Check, Node, NodeKind, handed};
use crate::Scope;

/// Text with `${{ }}` in it, or a whole tree of such, compiled.
#[derive(Clone, Debug)]
pub struct Template {
    root: Arc<Part>,
    span: Span,
}

#[derive(Debug)]
enum Part {
    Constant(Value),
    Only(Expression),
    Text(Vec<TextPart>),
    List(Vec<Part>),
    Map(Vec<(Arc<str>, Part)>),
}

#[derive(Debug)]
enum TextPart {
    Literal(String),
    Code(Expression),
}

impl Template {
    /// A value that is what it is, such as one given by `-e`.
    pub fn of(value: Value, span: Span) -> Self {
        Self { root: Arc::new(Part::Constant(value)), span }
    }

    /// Whether any text in the tree has to be looked at.
    pub(crate) fn is_needed(node: &Node) -> bool {
        match &node.kind {
            NodeKind::Text(text, _) => scan::is_template(text),
            NodeKind::List(items) => items.iter().any(Self::is_needed),
            NodeKind::Map(entries) => {
                entries.iter().any(|(key, item)| scan::is_template(&key.text) || Self::is_needed(item))
            }
            NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(..) => false,
        }
    }

    /// Compiles a tree; all its errors are found at once.
    pub(crate) fn compile(node: &Node, check: &mut Check<'_>) -> Option<Self> {
        let root = part(node, check)?;
        Some(Self { root: Arc::new(root), span: node.span })
    }

    /// Its place in the file.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Its value when it needs no device: no `${{ }}` in it.
    pub fn constant(&self) -> Option<&Value> {
        match &*self.root {
            Part::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// Its expressions, in order: what it will ask a scope for.
    pub fn expressions(&self) -> Vec<&Expression> {
        let mut found = Vec::new();
        self.root.collect(&mut found);
        found
    }

    /// The value on a device. An expression that gives `()` is an error that names it.
    pub fn fill_value(&self, scope: &dyn Scope, expressions: &Expressions) -> Result<Value, FillError> {
        self.root.fill(scope, expressions)
    }

    /// The text on a device; what is not text appears as JSON.
    pub fn fill_text(&self, scope: &dyn Scope, expressions: &Expressions) -> Result<String, FillError> {
        self.fill_value(scope, expressions).map(|value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }
}

fn part(node: &Node, check: &mut Check<'_>) -> Option<Part> {
    match &node.kind {
        NodeKind::Text(text, _) if scan::is_template(text) => text_part(node, text, check),
        NodeKind::List(items) => {
            let parts: Vec<_> = items.iter().map(|item| part(item, check)).collect();
            Some(fold_list(parts.into_iter().collect::<Option<_>>()?))
        }
        NodeKind::Map(entries) => {
            let parts: Vec<_> = entries
                .iter()
                .map(|(key, item)| {
                    if scan::is_template(&key.text) {
                        check.push(
                            Diagnostic::error("a key cannot be a `${{ }}`")
                                .help("build the whole map in one expression: `${{ #{ .. } }}`"),
                            key.span,
                        );
                        return None;
                    }
                    Some((Arc::clone(&key.text), part(item, check)?))
                })
                .collect();
            Some(fold_map(parts.into_iter().collect::<Option<_>>()?))
        }
        _ => Some(Part::Constant(node.to_json())),
    }
}

fn text_part(node: &Node, text: &str, check: &mut Check<'_>) -> Option<Part> {
    let origin = Origin::new(check.source.text(), node.span, text);
    let pieces = match scan::scan(text) {
        Ok(pieces) => pieces,
        Err(scan::Unclosed(at)) => {
            let finding = Diagnostic::error("this `${{` is never closed")
                .help(super::traps::unclosed(check.source.text(), node))
                .help("to write the characters themselves: `$${{`");
            check.push(finding, origin.span(at, at + 3));
            return None;
        }
    };
    if let [Piece::Code(range)] = pieces.as_slice() {
        return Expression::new(&text[range.clone()], origin, range.start, check).map(Part::Only);
    }
    if let [Piece::Literal(literal)] = pieces.as_slice() {
        return Some(Part::Constant(Value::String(literal.clone())));
    }
    let parts: Vec<_> = pieces
        .into_iter()
        .map(|piece| match piece {
            Piece::Literal(literal) => Some(TextPart::Literal(literal)),
            Piece::Code(range) => {
                Expression::new(&text[range.clone()], origin.clone(), range.start, check).map(TextPart::Code)
            }
        })
        .collect();
    parts.into_iter().collect::<Option<_>>().map(Part::Text)
}

fn fold_list(parts: Vec<Part>) -> Part {
    if parts.iter().all(|part| matches!(part, Part::Constant(_))) {
        return Part::Constant(parts.into_iter().map(Part::into_constant).collect());
    }
    Part::List(parts)
}

fn fold_map(parts: Vec<(Arc<str>, Part)>) -> Part {
    if parts.iter().all(|(_, part)| matches!(part, Part::Constant(_))) {
        return Part::Constant(parts.into_iter().map(|(key, part)| (key.to_string(), part.into_constant())).collect());
    }
    Part::Map(parts)
}

impl Part {
    fn into_constant(self) -> Value {
        match self {
            Self::Constant(value) => value,
            _ => Value::Null,
        }
    }

    fn collect<'a>(&'a self, found: &mut Vec<&'a Expression>) {
        match self {
            Self::Constant(_) => {}
            Self::Only(expression) => found.push(expression),
            Self::Text(parts) => found.extend(parts.iter().filter_map(|part| match part {
                TextPart::Code(expression) => Some(expression),
                TextPart::Literal(_) => None,
            })),
            Self::List(parts) => parts.iter().for_each(|part| part.collect(found)),
            Self::Map(parts) => parts.iter().for_each(|(_, part)| part.collect(found)),
        }
    }

    fn fill(&self, scope: &dyn Scope, expressions: &Expressions) -> Result<Value, FillError> {
        match self {
            Self::Constant(value) => Ok(value.clone()),
            Self::Only(expression) => something(expression, scope, expressions),
            Self::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        TextPart::Literal(literal) => text.push_str(literal),
                        TextPart::Code(expression) => match something(expression, scope, expressions)? {
                            Value::String(value) => text.push_str(&value),
                            other => text.push_str(&other.to_string()),
                        },
                    }
                }
                Ok(Value::String(text))
            }
            Self::List(parts) => parts.iter().map(|part| part.fill(scope, expressions)).collect(),
            Self::Map(parts) => {
                let mut map = Map::new();
                for (key, part) in parts {
                    map.insert(key.to_string(), part.fill(scope, expressions)?);
                }
                Ok(Value::Object(map))
            }
        }
    }
}

/// The value of an expression that must give one.
fn something(expression: &Expression, scope: &dyn Scope, expressions: &Expressions) -> Result<Value, FillError> {
    let value = expression.value(scope, expressions)?;
    if value.is_unit() {
        return Err(FillError {
            message: format!("`${{{{ {} }}}}` gives nothing", expression.text()),
            span: expression.span(),
            help: vec![format!(
                "say what to use instead: `${{{{ {} ?? \"x\" }}}}`, or write a literal `null`",
                expression.text()
            )],
        });
    }
    Ok(script::to_json(&value))
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Taken;
        impl<'de> Visitor<'de> for Taken {
            type Value = Template;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
                handed::take_template().ok_or_else(|| E::custom("a template can only be read from a playbook"))
            }
        }
        deserializer.deserialize_newtype_struct(handed::TEMPLATE, Taken)
    }
}
