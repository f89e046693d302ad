//! The names that an expression may use: unknown ones are errors at load, with the closest known name, or with the line of
//! the later step that registers them.

use base::{Diagnostic, Place, Source, did_you_mean};

use super::Check;
use super::expression::Expression;
use super::steps::is_name;

/// Checks the names of an expression and remembers what it reads. `false`, with findings, when one is unknown.
pub(super) fn check(expression: &Expression, check: &mut Check<'_>) -> bool {
    let mut good = true;
    for (name, offset) in expression.expr().names() {
        if check.known.names.contains(name.as_str()) {
            continue;
        }
        good = false;
        let finding = match dashed(expression.expr().text(), *offset, name) {
            Some(help) => Diagnostic::error(format!("unknown name `{name}`")).help(help),
            None => unknown(name, check.source, check),
        };
        check.push(finding, expression.at(*offset, offset + name.len()));
    }
    good &= good && changes(expression, check);
    let place = check.source.place(expression.span());
    good & paths(expression.paths(), &place, check)
}

/// `changed(x)`: a step must have registered `x`, or it is this attempt's `result`.
fn changes(expression: &Expression, check: &mut Check<'_>) -> bool {
    let text = expression.expr().text().to_owned();
    let mut good = true;
    for call in expression.expr().calls().iter().filter(|call| call.name == "changed" && !call.method) {
        let [argument] = call.args.as_slice() else { continue };
        let name = text[argument.span().start..].chars();
        let name: String = name.take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let behind = text[argument.span().start + name.len()..].trim_start();
        let whole = behind.starts_with(')') && is_name(&name);
        if whole && (name == "result" || check.known.registered.contains(&name)) {
            continue;
        }
        good = false;
        let known = &check.known.registered;
        let finding = Diagnostic::error("`changed` is about what a step registered, as a whole");
        let help = match known.iter().find(|known| text[argument.span().start..].starts_with(known.as_str())) {
            Some(known) => format!("`changed({known})`"),
            None if known.is_empty() => "give the step a `register: reply`, then `changed(reply)`".to_owned(),
            None => format!("known here: {}", known.iter().cloned().collect::<Vec<_>>().join(", ")),
        };
        let (start, end) = (argument.span().start, argument.span().end);
        check.push(finding.help(help), expression.at(start, end.max(start + 1)));
    }
    good
}

/// Remembers what is read, and checks the members of names that have a fixed set of them. `false`, with findings at `place`,
/// when one is unknown.
pub(super) fn paths(paths: Vec<String>, place: &Place, check: &mut Check<'_>) -> bool {
    let mut good = true;
    for path in paths {
        good &= member(&path, place, check);
        check.used.insert(path);
    }
    good
}

/// The finding for a name that is not known here; `source` is the file that it stands in.
pub(crate) fn unknown(name: &str, source: &Source, check: &Check<'_>) -> Diagnostic {
    let finding = Diagnostic::error(format!("unknown name `{name}`"));
    let place_of = |at: &Place| {
        let line = at.source.position(at.span.start).0;
        if at.source == *source { format!("line {line}") } else { format!("{}:{line}", at.source.name()) }
    };
    if let Some(at) = check.known.later.get(name).map(place_of) {
        return finding.note(format!("only a later step registers it, at {at}"));
    }
    let place = match name {
        "item" => "`item` is known in a step with `loop`",
        "result" => "`result` is known in `until`, `failed_when` and `changed_when`",
        "attempt" => {
            "`attempt` is known in the keys of a verb, in `until`, `failed_when`, `changed_when` and `ignore_errors`"
        }
        "error" => "`error` is known in `rescue` and `always`",
        "device" => "`before`, `after`, `gate` and `success_if` are judged once, on the runner: there is no device",
        "devices" => "`devices` is known in `after`",
        "yes" | "on" => "YAML 1.2 and expressions say `true`",
        "no" | "off" => "YAML 1.2 and expressions say `false`",
        "env" => "list the variables that may be seen: `env: [NAME]`",
        "secret" => "list the secrets: `secrets: { NAME: { env: NAME } }`",
        _ => "",
    };
    if !place.is_empty() {
        return finding.help(place);
    }
    let known = || check.known.names.iter().map(String::as_str).filter(|name| is_name(name));
    if let Some(near) = did_you_mean(name, known()) {
        return finding.help(format!("did you mean `{near}`?"));
    }
    if let Some((near, at)) = did_you_mean(name, check.known.later.keys().map(String::as_str))
        .and_then(|near| check.known.later.get_key_value(near))
    {
        return finding.help(format!("did you mean `{near}`? Only a later step registers it, at {}", place_of(at)));
    }
    finding
        .help(format!("known here: {}", known().collect::<Vec<_>>().join(", ")))
        .help(format!("a text stands between quotes: \"{name}\""))
}

/// `twin.tags.my-tag` is a subtraction: how the key is written instead.
fn dashed(text: &str, offset: usize, name: &str) -> Option<String> {
    let before = text.get(..offset)?.strip_suffix('-')?;
    let start = before.rfind(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).map_or(0, |at| at + 1);
    let (map, first) = before[start..].rsplit_once('.')?;
    (!map.is_empty() && !first.is_empty()).then(|| format!("a key with a `-` in it: `{map}[\"{first}-{name}\"]`"))
}

/// `env.NAME` and `secret.NAME` are known when they are listed.
fn member(path: &str, place: &Place, check: &mut Check<'_>) -> bool {
    let mut parts = path.split('.');
    let (Some(root), Some(name)) = (parts.next(), parts.next()) else { return true };
    let Some(members) = check.known.members.get(root) else { return true };
    if members.contains(name) {
        return true;
    }
    let list = if root == "secret" { "secrets" } else { root };
    let near =
        did_you_mean(name, members.iter().map(String::as_str)).map(|near| format!("did you mean `{root}.{near}`?"));
    let finding = Diagnostic::error(format!("`{root}.{name}` is not listed under `{list}:`"))
        .help(near.unwrap_or_else(|| format!("add it to the play: `{list}:`")));
    let finding = finding.at(place.clone());
    if !check.found.0.contains(&finding) {
        check.found.push(finding);
    }
    false
}
