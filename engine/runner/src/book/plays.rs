//! Plays: the keys of section 3 of the language, in the order in which names become known. Steps are read by `steps`, how a
//! fleet is walked by `fleet`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::{Diagnostic, did_you_mean};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::walk::Walk;
use super::{Key, Node, NodeKind, OneOrMany, Play, SecretFrom, Step, Template, fleet, keys, steps};

/// Names that every expression on a device may use.
const ALWAYS: &[&str] = &["device", "run", "wave", "vars"];
/// Names that come and go; nobody may register under them.
const PASSING: &[&str] = &["item", "attempt", "result", "error", "env", "secret", "devices"];

/// Reads a file: one play or a list of plays.
pub(super) fn read(root: &Node, walk: &mut Walk<'_>) -> Vec<Play> {
    match &root.kind {
        NodeKind::Map(_) => vec![play(root, walk)],
        NodeKind::List(items) if !items.is_empty() => items.iter().map(|item| play(item, walk)).collect(),
        _ => {
            let finding = match &root.kind {
                NodeKind::Null | NodeKind::List(_) => Diagnostic::error("the file holds no play"),
                _ => Diagnostic::error("a playbook is a map, or a list of maps").note(root.what()),
            };
            walk.push(finding.help("begin with `name: ..` and `steps:`"), root.span);
            Vec::new()
        }
    }
}

fn play(node: &Node, walk: &mut Walk<'_>) -> Play {
    let entries = walk.map(node, "a play");
    walk.used.clear();
    let mut play = empty(node, walk);
    for (key, _) in entries.iter().filter(|(key, _)| !keys::PLAY.contains(&&*key.text)) {
        stray(key, walk);
    }
    walk.foresee(node);
    names(&mut play, entries, walk);
    let known = walk.known.clone();
    for (key, value) in entries {
        whole(&mut play, key, value, walk);
        fleet::read(&mut play, key, value, walk);
    }
    play.before = runner_steps(entries, "before", None, walk);
    let before = registered(&walk.known.names, &known.names);
    let before_registered = std::mem::replace(&mut walk.known, known).registered;
    walk.known.registered.extend(before_registered);
    walk.known.names.extend(before.iter().cloned());
    device_steps(&mut play, entries, walk);
    walk.known.names.extend(before);
    play.after = runner_steps(entries, "after", Some("devices"), walk);
    let used = std::mem::take(&mut walk.used);
    for list in [&mut play.before, &mut play.steps, &mut play.on_abort, &mut play.after] {
        steps::show(list, &used);
    }
    play
}

/// The steps that run on devices.
fn device_steps(play: &mut Play, entries: &[(Key, Node)], walk: &mut Walk<'_>) {
    let find = |name: &str| entries.iter().find(|(key, _)| &*key.text == name);
    match (find("steps"), find("tasks")) {
        (Some(_), Some((key, _))) => walk.error(key.span, "`tasks` is another word for `steps`: write one of them"),
        (Some((key, value)), None) | (None, Some((key, value))) => play.steps = steps::read(value, &key.text, walk),
        (None, None) => {
            if !entries.is_empty() {
                let finding = Diagnostic::error("this play has no `steps`");
                walk.push(finding.help("add `steps:` with a list of verbs"), steps::place(entries));
            }
        }
    }
    fleet::between(play, entries, walk);
    if let Some((key, value)) = find("on_abort") {
        walk.known.names.insert("error".into());
        play.on_abort = steps::read(value, &key.text, walk);
        walk.known.names.remove("error");
    }
}

/// Steps that run once, on the runner: there is no device, and no fact of one.
fn runner_steps(entries: &[(Key, Node)], name: &str, more: Option<&str>, walk: &mut Walk<'_>) -> Vec<Step> {
    let Some((_, value)) = entries.iter().find(|(key, _)| &*key.text == name) else { return Vec::new() };
    walk.on_runner(more, |walk| steps::read(value, name, walk))
}

fn registered(now: &BTreeSet<String>, before: &BTreeSet<String>) -> BTreeSet<String> {
    now.difference(before).cloned().collect()
}

fn empty(node: &Node, walk: &Walk<'_>) -> Play {
    let stem = Path::new(walk.source.name()).file_stem().and_then(|stem| stem.to_str()).unwrap_or("play");
    Play::empty(stem, node.span)
}

/// An unknown key of a play: perhaps a step's key, or a step that lost its list.
fn stray(key: &Key, walk: &mut Walk<'_>) {
    let name = &*key.text;
    if walk.registry.get(name).is_some() {
        let finding = Diagnostic::error(format!("`{name}` is a verb: it stands in a step"));
        return walk.push(finding.help(format!("under `steps:` write `- {name}: ..`")), key.span);
    }
    if did_you_mean(name, keys::PLAY.iter().copied()).is_none() && keys::STEP.contains(&name) {
        let finding = Diagnostic::error(format!("unknown key `{name}`")).note("not a key of a play");
        return walk.push(finding.help(format!("`{name}` stands in a step, beside its verb")), key.span);
    }
    walk.unknown(key, keys::PLAY);
}

/// The keys that give names to all others: `env`, `secrets`, `required`, `vars`.
fn names(play: &mut Play, entries: &[(Key, Node)], walk: &mut Walk<'_>) {
    let find = |name: &str| entries.iter().find(|(key, _)| &*key.text == name).map(|(_, value)| value);
    walk.reserved = ALWAYS.iter().chain(PASSING).chain(walk.facts).map(|name| (*name).to_owned()).collect();
    walk.known.names = ALWAYS.iter().chain(walk.facts).map(|name| (*name).to_owned()).collect();
    walk.known.members = BTreeMap::new();
    walk.known.registered.clear();
    if let Some(list) = find("env").and_then(|node| walk.decode::<OneOrMany<Arc<str>>>(node)) {
        walk.known.members.insert("env".into(), list.0.iter().map(ToString::to_string).collect());
        play.env = list.0;
    }
    if let Some(node) = find("secrets") {
        play.secrets = secrets(node, walk);
        walk.known.members.insert("secret".into(), play.secrets.keys().map(ToString::to_string).collect());
    }
    walk.known.names.extend(walk.known.members.keys().cloned());
    if let Some(node) = find("required") {
        play.required = walk.decode::<OneOrMany<Arc<str>>>(node).map(|list| list.0).unwrap_or_default();
        for name in play.required.clone() {
            declare(&name, node.span, walk);
        }
    }
    let Some(node) = find("vars") else { return };
    for (key, value) in walk.map(node, "`vars`") {
        if let (Some(template), _) = walk.check(&[], |check| check.template(value)) {
            play.vars.insert(Arc::clone(&key.text), template);
        }
        declare(&key.text, key.span, walk);
    }
}

fn declare(name: &str, span: base::Span, walk: &mut Walk<'_>) {
    if walk.reserved.contains(name) {
        walk.error(span, format!("`{name}` is a name that is always there"));
    } else if !steps::is_name(name) {
        walk.push(steps::not_a_name(name), span);
    }
    walk.known.names.insert(name.to_owned());
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    env: Option<Arc<str>>,
    file: Option<Arc<str>>,
    command: Option<OneOrMany<Arc<str>>>,
}

/// `secrets: [TOKEN]`, or `secrets: { token: { env: TOKEN } }`, or `file`, or `command`.
fn secrets(node: &Node, walk: &mut Walk<'_>) -> IndexMap<Arc<str>, SecretFrom> {
    if !node.is_map() {
        let names = walk.decode::<OneOrMany<Arc<str>>>(node).map(|list| list.0).unwrap_or_default();
        return names.into_iter().map(|name| (Arc::clone(&name), SecretFrom::Env(name))).collect();
    }
    let mut secrets = IndexMap::new();
    for (key, value) in node.entries() {
        let Some(from) = walk.decode::<From>(value) else { continue };
        let command = |words: OneOrMany<Arc<str>>| match words.0.as_slice() {
            [line] => SecretFrom::Command(line.split_whitespace().map(Arc::from).collect()),
            _ => SecretFrom::Command(words.0),
        };
        match (from.env, from.file, from.command) {
            (Some(name), None, None) => secrets.insert(Arc::clone(&key.text), SecretFrom::Env(name)),
            (None, Some(file), None) => secrets.insert(Arc::clone(&key.text), SecretFrom::File(walk.beside(&file))),
            (None, None, Some(words)) => secrets.insert(Arc::clone(&key.text), command(words)),
            _ => {
                let finding = Diagnostic::error("a secret comes from one place");
                walk.push(finding.help("write one of `env: NAME`, `file: PATH`, `command: [..]`"), value.span);
                None
            }
        };
    }
    secrets
}

/// Keys about the play as a whole.
fn whole(play: &mut Play, key: &Key, value: &Node, walk: &mut Walk<'_>) {
    match &*key.text {
        "name" => {
            if let Some(name) = walk.decode(value) {
                play.name = name;
            }
        }
        "tags" => play.tags = walk.decode::<OneOrMany<Arc<str>>>(value).map(|tags| tags.0).unwrap_or_default(),
        "timeout" => play.timeout = walk.decode::<Duration>(value),
        "success_if" => {
            play.success_if = walk.on_runner(None, |walk| walk.check(&[], |check| check.expression(value)).0);
        }
        _ => {}
    }
}

/// A template that is not one: the play's variables by name, for `-e`.
pub(super) fn is_declared(play: &Play, name: &str) -> bool {
    play.vars.contains_key(name) || play.required.iter().any(|known| &**known == name)
}

/// The default of a variable, when it is known without a device.
pub(super) fn default<'p>(play: &'p Play, name: &str) -> Option<&'p serde_json::Value> {
    play.vars.get(name).and_then(Template::constant)
}
