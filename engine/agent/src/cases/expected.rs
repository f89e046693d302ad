//! What a case expects at one place, and how it differs from what came. A map names what must be in it and leaves the rest
//! free; `${{ }}` is an expression over `value`; everything else is equal or not.

use base::{Diagnostic, Source, Span};
use script::{Dynamic, Expr, ExprError, Expressions, Names, from_json, to_json};
use serde_json::{Map, Value};

use super::tree::{Node, Tree};

/// Values in messages are cut at this length: a diff is read, not parsed.
const SHOWN: usize = 300;

/// An expectation with its place.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) at: Span,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Equal(Value),
    Code(Expr),
    List(Vec<Expected>),
    Map(Vec<(String, Expected)>),
}

/// Where expectations stand, and what their expressions see beside `value`.
pub(super) struct Looking<'a> {
    pub(super) source: &'a Source,
    pub(super) expressions: &'a Expressions,
    pub(super) names: &'a Map<String, Value>,
    /// Members that are not named must not be there.
    pub(super) exactly: bool,
}

impl Expected {
    /// Compiles a tree.
    pub(super) fn of(tree: &Tree, source: &Source, expressions: &Expressions) -> Result<Self, Diagnostic> {
        let kind = match &tree.node {
            Node::Leaf(Value::String(text)) => match code(text) {
                Some(code) => {
                    let expr = expressions.compile(code).map_err(|error| refused(&error, source, tree.at))?;
                    Kind::Code(expr)
                }
                None => Kind::Equal(Value::String(text.clone())),
            },
            Node::Leaf(value) => Kind::Equal(value.clone()),
            Node::List(items) => {
                Kind::List(items.iter().map(|item| Self::of(item, source, expressions)).collect::<Result<_, _>>()?)
            }
            Node::Map(members) => {
                let member = |(key, tree): &(String, Tree)| Ok((key.clone(), Self::of(tree, source, expressions)?));
                Kind::Map(members.iter().map(member).collect::<Result<_, Diagnostic>>()?)
            }
        };
        Ok(Self { at: tree.at, kind })
    }

    /// Every difference, each at the place of what was expected.
    pub(super) fn compare(&self, path: &str, actual: Option<&Value>, look: &Looking<'_>, found: &mut Vec<Diagnostic>) {
        let place = look.source.place(self.at);
        match (&self.kind, actual) {
            (Kind::Code(expr), _) => {
                if let Err(why) = holds(expr, actual.unwrap_or(&Value::Null), look) {
                    found.push(Diagnostic::error(format!("{path}: {why}")).at(place));
                }
            }
            (_, None) => found.push(
                Diagnostic::error(format!("{path} is missing")).at(place).note(format!("expected {}", self.shown())),
            ),
            (Kind::Map(members), Some(Value::Object(there))) => {
                for (key, expected) in members {
                    expected.compare(&join(path, key), there.get(key), look, found);
                }
                if look.exactly {
                    let known = |key: &String| members.iter().any(|(name, _)| name == key);
                    for (key, value) in there.iter().filter(|(key, _)| !known(key)) {
                        let more = format!("{} is there too: {}", join(path, key), shown(value));
                        found.push(Diagnostic::error(more).at(place.clone()).note("`exactly` was asked for"));
                    }
                }
            }
            (Kind::List(items), Some(Value::Array(there))) if items.len() == there.len() => {
                for (index, (item, value)) in items.iter().zip(there).enumerate() {
                    item.compare(&format!("{path}[{index}]"), Some(value), look, found);
                }
            }
            (Kind::List(items), Some(Value::Array(there))) => found.push(
                Diagnostic::error(format!("{path} has {} items, expected {}", there.len(), items.len()))
                    .at(place)
                    .note(format!("got {}", shown(&Value::Array(there.clone())))),
            ),
            (Kind::Equal(expected), Some(value)) if same(expected, value) => {}
            (_, Some(value)) => found.push(
                Diagnostic::error(format!("{path} is {}, expected {}", shown(value), self.shown()))
                    .at(place)
                    .note(format!("got {}", shown(value))),
            ),
        }
    }

    fn shown(&self) -> String {
        match &self.kind {
            Kind::Equal(value) => shown(value),
            Kind::Code(expr) => format!("${{{{ {} }}}}", expr.text().trim()),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a map".to_owned(),
        }
    }
}

/// An expression that must hold: true, or, where `value` is not asked, equal to the value.
fn holds(expr: &Expr, value: &Value, look: &Looking<'_>) -> Result<(), String> {
    struct Seen<'a>(&'a Map<String, Value>, &'a Value);
    impl Names for Seen<'_> {
        fn get(&self, name: &str) -> Option<Dynamic> {
            if name == "value" { Some(from_json(self.1)) } else { self.0.get(name).map(from_json) }
        }
    }
    let seen = Seen(look.names, value);
    let eval = |expr: &Expr| look.expressions.eval(expr, &seen).map_err(|error| error.message);
    let result = eval(expr)?;
    if expr.names().iter().any(|(name, _)| name == "value") {
        return match result.as_bool() {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("`{}` does not hold; value is {}", expr.text().trim(), shown(value))),
            Err(_) => Err(format!("`{}` is neither true nor false", expr.text().trim())),
        };
    }
    let wanted = to_json(&result);
    if same(&wanted, value) { Ok(()) } else { Err(format!("is {}, expected {}", shown(value), shown(&wanted))) }
}

/// A condition over everything that a step came to; with both sides of a comparison when it does not hold.
pub(super) fn condition(expr: &Expr, at: Span, look: &Looking<'_>) -> Result<(), Diagnostic> {
    struct Seen<'a>(&'a Map<String, Value>);
    impl Names for Seen<'_> {
        fn get(&self, name: &str) -> Option<Dynamic> {
            self.0.get(name).map(from_json)
        }
    }
    let seen = Seen(look.names);
    let place = look.source.place(at);
    let wrong = |message: String| Diagnostic::error(message).at(place.clone());
    let text = expr.text().trim();
    match look.expressions.eval(expr, &seen) {
        Err(ExprError { message, help, .. }) => {
            Err(wrong(format!("`{text}`: {message}")).help(help.unwrap_or_default()))
        }
        Ok(result) => match result.as_bool() {
            Ok(true) => Ok(()),
            Ok(false) => {
                let side = |expr: &Expr| look.expressions.eval(expr, &seen).ok().map(|value| shown(&to_json(&value)));
                let sides = expr
                    .comparison()
                    .and_then(|(left, operator, right)| Some(format!("{} {operator} {}", side(&left)?, side(&right)?)));
                let finding = wrong(format!("`{text}` does not hold"));
                Err(sides.map_or(finding.clone(), |sides| finding.note(sides)))
            }
            Err(_) => Err(wrong(format!("`{text}` is neither true nor false"))),
        },
    }
}

/// The inside of a text that is nothing but `${{ .. }}`.
pub(super) fn code(text: &str) -> Option<&str> {
    text.trim().strip_prefix("${{")?.strip_suffix("}}")
}

/// What is wrong with an expression that stands in this text.
pub(super) fn refused(error: &ExprError, source: &Source, at: Span) -> Diagnostic {
    Diagnostic::error(error.message.clone()).at(source.place(at)).help(error.help.clone().unwrap_or_default())
}

/// Numbers are equal by value: 1 is 1.0.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => one == other,
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A value in a message.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{} ..", &text[..at]),
        None => text,
    }
}
