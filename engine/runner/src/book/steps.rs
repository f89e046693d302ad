//! Steps: what stands beside a verb, blocks, and which key is the verb. The verb's own parameters are decoded by the verb.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base::{Diagnostic, Span, did_you_mean};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::walk::Walk;
use super::{
    Body, DurationText, Expression, Filled, Key, Node, NodeKind, Offline, OneOrMany, Step, Template, doubts, fleet,
    included, keys, verbs,
};

/// Names that only exist while an attempt of a step is judged.
const JUDGED: &[&str] = &["result", "attempt"];

/// Reads a list of steps, in order; `what` is the key that it stands under.
pub(super) fn read(node: &Node, what: &str, walk: &mut Walk<'_>) -> Vec<Step> {
    let NodeKind::List(items) = &node.kind else {
        let finding = Diagnostic::error(format!("`{what}` is a list of steps")).note(node.what());
        walk.push(finding.help("write each step as `- verb: ..`"), node.span);
        return Vec::new();
    };
    let steps: Vec<Step> = items.iter().filter_map(|item| step(item, walk)).collect();
    doubts::list(&steps, walk);
    steps
}

/// A step with what its keys used, while it is being read.
struct Reading {
    step: Step,
    /// What the name, the loop and the verb's parameters used: the runner reads the facts of conditions when it judges them.
    used: BTreeSet<String>,
    /// Names beside those that are known: `item` in a loop, the step's own `vars`.
    own: Vec<String>,
    good: bool,
}

fn step(node: &Node, walk: &mut Walk<'_>) -> Option<Step> {
    let entries = match &node.kind {
        NodeKind::Map(entries) if !entries.is_empty() => entries,
        _ => {
            let finding = Diagnostic::error("a step is a map with a verb").note(node.what());
            walk.push(finding.help("for instance `- get_twin:` (with the colon)"), node.span);
            return None;
        }
    };
    let step = Step::new(walk.steps.len(), Template::of(Value::Null, node.span), walk.source.clone(), node.span);
    let mut reading = Reading { step, used: BTreeSet::new(), own: Vec::new(), good: true };
    walk.steps.push(("".into(), walk.source.place(node.span)));
    let verb = verbs::find(entries, walk);
    if let Some((key, _)) = &verb {
        reading.step.name = Template::of(Value::String(key.text.to_string()), key.span);
        walk.steps[reading.step.index] = (Arc::clone(&key.text), walk.source.place(key.span));
    }
    // What gives names to the rest comes first, wherever it is written.
    for order in [Order::Names, Order::Before, Order::Body, Order::After] {
        for (key, value) in entries.iter().filter(|(key, _)| Order::of(&key.text) == order) {
            reading.key(key, value, walk);
        }
        if order == Order::Body
            && let Some((key, value)) = verb
        {
            reading.verb(key, value, walk);
        }
    }
    reading.block(entries, walk);
    reading.finish(entries, walk)
}

/// In which order the keys of a step are read: names must be known before they are used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Names,
    Before,
    Body,
    After,
    Verb,
}

impl Order {
    fn of(key: &str) -> Self {
        match key {
            "loop" | "vars" => Self::Names,
            "block" | "rescue" | "always" => Self::Body,
            "until" | "failed_when" | "changed_when" | "register" => Self::After,
            _ if keys::STEP.contains(&key) => Self::Before,
            _ => Self::Verb,
        }
    }
}

impl Reading {
    fn key(&mut self, key: &Key, value: &Node, walk: &mut Walk<'_>) {
        let before = walk.found.0.len();
        match &*key.text {
            "loop" => {
                self.step.each = self.filled(walk, &[], |check| check.decode::<Filled<Vec<Value>>>(value));
                self.own.push("item".into());
            }
            "vars" => self.step.vars = self.vars(value, walk),
            "when" | "if" => {
                if self.step.when.is_some() {
                    walk.error(key.span, "`if` is another word for `when`: write one of them");
                }
                self.step.when = self.expression(value, &[], walk);
            }
            "name" => self.name(value, walk),
            "until" => self.step.retries.until = self.expression(value, JUDGED, walk),
            "failed_when" => self.step.failed_when = self.expression(value, JUDGED, walk),
            "changed_when" => self.step.changed_when = self.expression(value, JUDGED, walk),
            "ignore_errors" => self.step.ignore_errors = self.expression(value, &["error", "attempt"], walk),
            "timeout" => {
                self.step.timeout = self.with(walk, &[], |check| check.decode::<Filled<Duration>>(value)).0;
            }
            "retries" => self.step.retries.retries = walk.decode(value),
            "delay" => self.step.retries.delay = walk.decode(value),
            "backoff" => self.step.retries.backoff = at_least(1.0, walk.decode(value), value, walk),
            "tags" => self.step.tags = walk.decode::<OneOrMany<Arc<str>>>(value).map(|tags| tags.0).unwrap_or_default(),
            "run_once" => self.step.run_once = walk.decode(value).unwrap_or_default(),
            "no_log" => self.step.no_log = walk.decode(value).unwrap_or_default(),
            "throttle" => self.step.throttle = one_or_more(walk.decode(value), value, walk),
            "serial" => self.step.serial = fleet::serial(value, walk),
            "offline" => self.step.offline = offline(value, walk).unwrap_or_default(),
            "register" => self.register(value, walk),
            // `block`, `rescue` and `always` are read together, verbs by `verb`.
            _ => {}
        }
        self.good &= walk.found.0[before..].iter().all(|found| found.severity != base::Severity::Error);
    }

    /// Checks with the step's own names; also says what was used.
    fn with<T>(
        &self,
        walk: &mut Walk<'_>,
        more: &[&str],
        work: impl FnOnce(&mut super::Check<'_>) -> Option<T>,
    ) -> (Option<T>, BTreeSet<String>) {
        let names: Vec<&str> = self.own.iter().map(String::as_str).chain(more.iter().copied()).collect();
        walk.check(&names, work)
    }

    /// The same for what the runner fills before the verb runs: its facts must be at hand.
    fn filled<T>(
        &mut self,
        walk: &mut Walk<'_>,
        more: &[&str],
        work: impl FnOnce(&mut super::Check<'_>) -> Option<T>,
    ) -> Option<T> {
        let (value, used) = self.with(walk, more, work);
        self.used.extend(used);
        value
    }

    fn expression(&self, node: &Node, more: &[&str], walk: &mut Walk<'_>) -> Option<Expression> {
        self.with(walk, more, |check| check.expression(node)).0
    }

    fn name(&mut self, value: &Node, walk: &mut Walk<'_>) {
        let Some(text) = value.scalar() else {
            let finding = Diagnostic::error("`name` is a text").note(value.what());
            walk.push(finding, value.span);
            return;
        };
        walk.steps[self.step.index].0 = text.into();
        if let Some(name) = self.filled(walk, &[], |check| check.template(value)) {
            self.step.name = name;
        }
    }

    fn vars(&mut self, node: &Node, walk: &mut Walk<'_>) -> IndexMap<Arc<str>, Template> {
        let mut vars = IndexMap::new();
        for (key, value) in walk.map(node, "`vars`") {
            if !is_name(&key.text) {
                walk.push(not_a_name(&key.text), key.span);
            }
            if let Some(template) = self.with(walk, &[], |check| check.template(value)).0 {
                vars.insert(Arc::clone(&key.text), template);
            }
            self.own.push(key.text.to_string());
        }
        vars
    }

    fn register(&mut self, value: &Node, walk: &mut Walk<'_>) {
        let Some(name) = walk.decode::<Arc<str>>(value) else { return };
        if !is_name(&name) {
            walk.push(not_a_name(&name), value.span);
        } else if walk.reserved.contains(&*name) {
            let finding = Diagnostic::error(format!("`{name}` is a name that is always there"));
            walk.push(finding.help("register under another name"), value.span);
        }
        self.step.register = Some(name);
    }

    fn verb(&mut self, key: &Key, value: &Node, walk: &mut Walk<'_>) {
        let Some(action) = walk.registry.get(&key.text).cloned() else {
            self.good = false;
            return;
        };
        let parameters = verbs::parameters(action.as_ref(), value);
        let ready = self.filled(walk, &["attempt"], |check| {
            check.verb = Some((action.name(), key.span));
            action.check(&parameters, check)
        });
        let Some(ready) = ready else {
            self.good = false;
            // Or each use of a name that the step gives would be one more error.
            if verbs::gives_names(action.as_ref()) {
                learn(&parameters, walk);
            }
            return;
        };
        if ready.sets() {
            learn(&parameters, walk);
        }
        if let Some(file) = ready.includes() {
            let span = value.get("file").unwrap_or(value).span;
            let block = self.inside(walk, |walk| included::read(&file, span, walk));
            self.step.body = Body::Block { block, rescue: Vec::new(), always: Vec::new() };
            return;
        }
        self.step.run_once |= ready.once();
        let effect = ready.effect().unwrap_or_else(|| action.effect());
        self.step.body = Body::Verb { verb: action.name(), span: key.span, effect, ready: ready.into() };
    }

    /// `block`, `rescue` and `always`, in this order.
    fn block(&mut self, entries: &[(Key, Node)], walk: &mut Walk<'_>) {
        let find = |name: &str| entries.iter().find(|(key, _)| &*key.text == name);
        if find("block").is_none() {
            for name in ["rescue", "always"] {
                if let Some((key, _)) = find(name) {
                    walk.error(key.span, format!("`{name}` belongs to a `block`, and this step has none"));
                    self.good = false;
                }
            }
            return;
        }
        let part = |walk: &mut Walk<'_>, name: &str, more: Option<&str>| {
            let Some((_, value)) = find(name) else { return Vec::new() };
            let added = more.is_some_and(|name| walk.known.names.insert(name.to_owned()));
            let steps = read(value, name, walk);
            if let (Some(name), true) = (more, added) {
                walk.known.names.remove(name);
            }
            steps
        };
        self.step.body = self.inside(walk, |walk| Body::Block {
            block: part(walk, "block", None),
            rescue: part(walk, "rescue", Some("error")),
            always: part(walk, "always", Some("error")),
        });
    }

    /// Reads steps inside of this one: they see its own names.
    fn inside<T>(&self, walk: &mut Walk<'_>, work: impl FnOnce(&mut Walk<'_>) -> T) -> T {
        let own: Vec<_> = self.own.iter().filter(|name| walk.known.names.insert((*name).clone())).cloned().collect();
        let read = work(walk);
        for name in own {
            walk.known.names.remove(&name);
        }
        read
    }

    fn finish(mut self, entries: &[(Key, Node)], walk: &mut Walk<'_>) -> Option<Step> {
        let retries = &self.step.retries;
        if retries.retries.is_none()
            && retries.until.is_none()
            && (retries.delay.is_some() || retries.backoff.is_some())
        {
            let (key, _) = entries
                .iter()
                .find(|(key, _)| matches!(&*key.text, "delay" | "backoff"))
                .expect("one of the two was read from a key");
            let finding = Diagnostic::error(format!("`{}` stands between attempts, and there is only one", key.text));
            walk.push(finding.help("add `retries: 3` or `until: ..`"), key.span);
        }
        if let (Body::Verb { verb, .. }, Some((key, _))) =
            (&self.step.body, entries.iter().find(|(key, _)| &*key.text == "serial"))
            && self.good
        {
            let finding = Diagnostic::error("`serial` stands beside a `block`: its devices go through it in batches");
            let help =
                format!("for {verb} alone `throttle: 1` lets one device at a time do it; or put it into a `block`");
            let play = "for the waves of the whole play it stands in the play, beside `steps`";
            walk.push(finding.help(help).help(play), key.span);
            self.good = false;
        }
        self.step.facts = walk.facts_of(&self.used);
        if let Some(name) = &self.step.register {
            walk.known.names.insert(name.to_string());
            walk.known.registered.insert(name.to_string());
        }
        if self.good {
            doubts::step(&self.step, entries, walk);
        }
        self.good.then_some(self.step)
    }
}

fn learn(parameters: &Node, walk: &mut Walk<'_>) {
    let names = parameters.entries().iter().map(|(key, _)| key.text.to_string());
    walk.known.names.extend(names);
}

/// Whether an expression can name it: letters, digits and `_`, no digit first.
pub fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first && chars.all(|c| c.is_ascii_alphanumeric() || c == '_') && !text.trim_start_matches('_').is_empty()
}

pub(super) fn not_a_name(text: &str) -> Diagnostic {
    let better: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let finding = Diagnostic::error(format!("`{text}` is not a name: expressions know letters, digits and _"));
    if is_name(&better) { finding.help(format!("for instance `{better}`")) } else { finding }
}

fn at_least(least: f64, value: Option<f64>, node: &Node, walk: &mut Walk<'_>) -> Option<f64> {
    if value.is_some_and(|value| value < least) {
        walk.error(node.span, format!("expected a number of at least {least}"));
        return None;
    }
    value
}

pub(super) fn one_or_more(value: Option<usize>, node: &Node, walk: &mut Walk<'_>) -> Option<usize> {
    if value == Some(0) {
        walk.error(node.span, "expected a number of at least 1");
        return None;
    }
    value
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    /// For so long.
    #[schemars(with = "DurationText")]
    wait: Duration,
}

fn offline(node: &Node, walk: &mut Walk<'_>) -> Option<Offline> {
    if node.is_map() {
        return walk.decode::<Wait>(node).map(|it| Offline::Wait(it.wait));
    }
    const WORDS: [&str; 3] = ["fail", "skip", "skip_step"];
    match node.scalar() {
        Some("fail") => Some(Offline::Fail),
        Some("skip") => Some(Offline::Skip),
        Some("skip_step") => Some(Offline::SkipStep),
        other => {
            let near = other.and_then(|word| did_you_mean(word, WORDS)).map(|near| format!("did you mean `{near}`?"));
            let finding = Diagnostic::error("expected fail, skip, skip_step or { wait: 2h }").note(node.what());
            walk.push(finding.help(near.unwrap_or_default()), node.span);
            None
        }
    }
}

/// Fills in what later expressions read of each registered value: the part behind `name.`, in reading order.
pub(super) fn show(steps: &mut [Step], used: &[String]) {
    for step in steps {
        if let Some(name) = &step.register {
            let mut shows: Vec<Arc<str>> = Vec::new();
            for path in used.iter().filter_map(|path| path.strip_prefix(&**name)?.strip_prefix('.')) {
                if !shows.iter().any(|known| &**known == path) {
                    shows.push(path.into());
                }
            }
            step.shows = shows;
        }
        if let Body::Block { block, rescue, always } = &mut step.body {
            [block, rescue, always].into_iter().for_each(|steps| show(steps, used));
        }
    }
}

/// The place of a step for findings about the whole of it.
pub(super) fn place(entries: &[(Key, Node)]) -> Span {
    entries.first().map(|(key, _)| key.span).unwrap_or_default()
}
