//! Variables from the command line: `-e name=value`, `-e '{..}'`, `-e @file`. A value given as text takes the type of the
//! default in `vars`.

use std::io;
use std::sync::Arc;

use base::{Diagnostic, Diagnostics, Source, Span, did_you_mean};
use indexmap::IndexMap;
use serde_json::Value;

use super::{Book, NodeKind, Play, Template, plays, read_yaml};
use crate::ExtraVar;

/// Reads one `-e` argument; `read` fetches the text of `@file`.
///
/// # Errors
/// An argument that is none of the three forms, a file that cannot be read, YAML or JSON that is not a map.
pub fn parse_extra(
    text: &str,
    read: &dyn Fn(&str) -> io::Result<String>,
) -> Result<Vec<(String, ExtraVar)>, Diagnostics> {
    if let Some(file) = text.strip_prefix('@') {
        let content =
            read(file).map_err(|error| Diagnostic::error(format!("-e {text}: cannot read {file}: {error}")))?;
        return map(&Source::new(file, content));
    }
    if text.trim_start().starts_with('{') {
        return map(&Source::new("-e", text));
    }
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok(vec![(name.trim().to_owned(), ExtraVar::Text(value.to_owned()))])
        }
        _ => Err(Diagnostic::error(format!("-e {text}: expected name=value, {{..}} or @file"))
            .help("-e deadline=5m   or   -e '{ deadline: 5m }'   or   -e @vars.yaml")
            .into()),
    }
}

fn map(source: &Source) -> Result<Vec<(String, ExtraVar)>, Diagnostics> {
    let mut warnings = Diagnostics::default();
    let node = read_yaml(source, &mut warnings)?;
    if !node.is_map() && !node.is_null() {
        let finding = Diagnostic::error("variables are a map: names with values").note(node.what());
        return Err(finding.at(source.place(node.span)).into());
    }
    Ok(node.entries().iter().map(|(key, value)| (key.text.to_string(), ExtraVar::Value(value.to_json()))).collect())
}

/// The variables of each play of a book, in the order of its plays: defaults, replaced by what was given; a later one wins.
///
/// # Errors
/// A name that no play declares, a text that is not of its default's type, a required name without a value.
pub fn extra_vars(book: &Book, given: &[(String, ExtraVar)]) -> Result<Vec<IndexMap<Arc<str>, Template>>, Diagnostics> {
    let mut found = Diagnostics::default();
    for (name, _) in given {
        if !book.plays.iter().any(|play| plays::is_declared(play, name)) {
            found.push(undeclared(name, book));
        }
    }
    let vars = book.plays.iter().map(|play| of_play(play, given, &mut found)).collect();
    found.0.dedup();
    if found.has_errors() { Err(found) } else { Ok(vars) }
}

fn undeclared(name: &str, book: &Book) -> Diagnostic {
    let declared = || book.plays.iter().flat_map(|play| play.vars.keys().chain(&play.required)).map(|known| &**known);
    let finding = Diagnostic::error(format!("-e {name}: {} has no variable of this name", book.source.name()));
    match did_you_mean(name, declared()) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None if declared().next().is_none() => finding.help(format!("declare it: `vars: {{ {name}: .. }}`")),
        None => finding.help(format!("declared: {}", declared().collect::<Vec<_>>().join(", "))),
    }
}

fn of_play(play: &Play, given: &[(String, ExtraVar)], found: &mut Diagnostics) -> IndexMap<Arc<str>, Template> {
    let mut vars = play.vars.clone();
    for (name, extra) in given.iter().filter(|(name, _)| plays::is_declared(play, name)) {
        let value = match extra {
            ExtraVar::Value(value) => value.clone(),
            ExtraVar::Text(text) => match typed(name, text, plays::default(play, name)) {
                Ok(value) => value,
                Err(finding) => {
                    found.push(finding);
                    continue;
                }
            },
        };
        vars.insert(name.as_str().into(), Template::of(value, Span::default()));
    }
    for name in play.required.iter().filter(|name| !vars.contains_key(*name)) {
        let finding = Diagnostic::error(format!("the play \"{}\" requires `{name}`", play.name));
        found.push(finding.help(format!("add -e {name}=..")));
    }
    vars
}

/// A text as a value of the default's type.
fn typed(name: &str, text: &str, default: Option<&Value>) -> Result<Value, Diagnostic> {
    let wanted = match default {
        None | Some(Value::Null | Value::String(_)) => return Ok(Value::String(text.to_owned())),
        Some(Value::Bool(_)) => "true or false, as its default is",
        Some(Value::Number(_)) => "a number, as its default is",
        Some(Value::Array(_)) => "a list such as [a, b], as its default is",
        Some(Value::Object(_)) => "a map such as { a: 1 }, as its default is",
    };
    let fail = || Diagnostic::error(format!("-e {name}={text}: expected {wanted}"));
    let node = read_yaml(&Source::new("-e", text), &mut Diagnostics::default()).map_err(|_| fail())?;
    let fits = matches!(
        (default, &node.kind),
        (Some(Value::Bool(_)), NodeKind::Bool(_))
            | (Some(Value::Number(_)), NodeKind::Number(..))
            | (Some(Value::Array(_)), NodeKind::List(_))
            | (Some(Value::Object(_)), NodeKind::Map(_))
    );
    if fits { Ok(node.to_json()) } else { Err(fail()) }
}
