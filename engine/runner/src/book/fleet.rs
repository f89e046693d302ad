//! How a play walks over a fleet: targets, waves, pace, failure budget, gates. Types of these keys only; counting and deciding
//! is the runner's.

use std::sync::Arc;
use std::time::Duration;

use base::{Diagnostic, did_you_mean};
use jiff::civil::Time;
use schemars::JsonSchema;
use serde::Deserialize;

use super::walk::Walk;
use super::{
    AbortAction, AbortIf, BetweenWaves, DurationText, Failing, Gate, Key, Node, NodeKind, OneOrMany, Order, Play,
    Rollout, Size, Targets, Window, steps, window, words,
};
use crate::{Class, Selection};

/// Reads the keys that concern the fleet; `between_waves` has steps and is read by [`between`].
pub(super) fn read(play: &mut Play, key: &Key, value: &Node, walk: &mut Walk<'_>) {
    match &*key.text {
        "targets" | "hosts" => {
            if play.targets.is_some() {
                walk.error(key.span, "`hosts` is another word for `targets`: write one of them");
            }
            play.targets = targets(value, walk);
        }
        "serial" => play.serial = serial(value, walk),
        "forks" => play.forks = steps::one_or_more(walk.decode(value), value, walk),
        "rollout" => play.rollout = rollout(value, walk),
        "abort_if" => play.abort_if = abort_if(value, walk),
        "window" => play.window = window(value, walk),
        "concurrency" => play.group = group(value, walk),
        _ => {}
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetKeys {
    query: Option<String>,
    devices: Option<OneOrMany<String>>,
    file: Option<Arc<str>>,
    #[schemars(with = "Option<words::OrderWord>")]
    order: Option<Node>,
}

fn targets(node: &Node, walk: &mut Walk<'_>) -> Option<Targets> {
    let plain = |which| Some(Targets { which, file: None, order: Order::Id });
    match &node.kind {
        NodeKind::Text(text, _) if &**text == "all" => return plain(Selection::All),
        NodeKind::Text(text, _) => {
            let ids = text.split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
            return plain(Selection::Ids(ids.collect()));
        }
        NodeKind::List(_) => return walk.decode(node).and_then(|ids| plain(Selection::Ids(ids))),
        _ => {}
    }
    let keys = walk.decode::<TargetKeys>(node)?;
    let order = match &keys.order {
        None => None,
        Some(node) => word(node, &[("id", Order::Id), ("given", Order::Given), ("random", Order::Random)], walk),
    };
    let (which, file) = match (keys.query, keys.devices, keys.file) {
        (Some(query), None, None) => (Selection::Query(query), None),
        (None, Some(ids), None) => (Selection::Ids(ids.0), None),
        (None, None, Some(file)) => {
            if let Err(finding) = walk.shelf.has(&walk.source, &file) {
                walk.push(finding, node.get("file").unwrap_or(node).span);
            }
            (Selection::Ids(Vec::new()), Some(walk.beside(&file)))
        }
        (None, None, None) if keys.order.is_some() => (Selection::All, None),
        _ => {
            walk.error(node.span, "targets are said once: one of `query`, `devices`, `file`");
            return None;
        }
    };
    Some(Targets { which, file, order: order.unwrap_or_default() })
}

/// One of a few words.
fn word<T: Copy>(node: &Node, words: &[(&str, T)], walk: &mut Walk<'_>) -> Option<T> {
    let written = node.scalar().unwrap_or("");
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == written) {
        return Some(*value);
    }
    let all = words.iter().map(|(word, _)| *word);
    let near = did_you_mean(written, all.clone()).map(|near| format!("did you mean `{near}`?"));
    let finding = Diagnostic::error(format!("expected one of {}", all.collect::<Vec<_>>().join(", ")));
    walk.push(finding.note(node.what()).help(near.unwrap_or_default()), node.span);
    None
}

/// Sizes of waves, or of a block's batches.
pub(super) fn serial(node: &Node, walk: &mut Walk<'_>) -> Vec<Size> {
    let sizes: Vec<_> = match &node.kind {
        NodeKind::List(items) => items.iter().filter_map(|item| size(item, walk)).collect(),
        _ => size(node, walk).into_iter().collect(),
    };
    if let Some(at) = sizes.iter().position(|size| *size == Size::Rest)
        && at + 1 < sizes.len()
    {
        walk.error(node.span, "`rest` is the last wave: nothing is left for those behind it");
    }
    sizes
}

/// `5`, `5%` or `rest`.
fn size(node: &Node, walk: &mut Walk<'_>) -> Option<Size> {
    let size = match &node.kind {
        NodeKind::Number(number, _) => number.as_u64().and_then(|n| usize::try_from(n).ok()).map(Size::Count),
        NodeKind::Text(text, _) if &**text == "rest" => Some(Size::Rest),
        NodeKind::Text(text, _) => percent(text),
        _ => None,
    };
    if size.is_none() || size == Some(Size::Count(0)) {
        let finding = Diagnostic::error("expected a number of devices, a share such as `5%`, or `rest`");
        walk.push(finding.note(node.what()), node.span);
        return None;
    }
    size
}

fn percent(text: &str) -> Option<Size> {
    let share: f64 = text.strip_suffix('%')?.trim().parse().ok()?;
    (share > 0.0 && share <= 100.0).then_some(Size::Percent(share))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RolloutKeys {
    #[schemars(with = "words::Rate")]
    rate: Node,
    ramp: Option<RampKeys>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RampKeys {
    #[schemars(with = "words::Rate")]
    base: Node,
    factor: f64,
    after_success: usize,
}

fn rollout(node: &Node, walk: &mut Walk<'_>) -> Option<Rollout> {
    let keys = walk.decode::<RolloutKeys>(node)?;
    let rate = rate(&keys.rate, walk)?;
    let ramp = match keys.ramp {
        None => None,
        Some(ramp) if ramp.factor < 1.0 || ramp.after_success == 0 => {
            walk.error(node.span, "a ramp grows: `factor` is at least 1, `after_success` at least 1");
            return None;
        }
        Some(ramp) => Some((self::rate(&ramp.base, walk)?, ramp.factor, ramp.after_success)),
    };
    Some(Rollout { rate, ramp })
}

/// Devices a second: `30/s`, `100/m`, `1000/h`, or a number.
fn rate(node: &Node, walk: &mut Walk<'_>) -> Option<f64> {
    let text = node.scalar().unwrap_or("");
    let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
    let seconds = match unit.trim() {
        "s" => Some(1.0),
        "m" | "min" => Some(60.0),
        "h" => Some(3600.0),
        _ => None,
    };
    let rate = number.trim().parse::<f64>().ok().zip(seconds).map(|(number, seconds)| number / seconds);
    let rate = rate.filter(|rate| rate.is_finite() && *rate > 0.0);
    if rate.is_none() {
        let finding = Diagnostic::error("expected devices per time: `30/s`, `100/m`, `1000/h`");
        walk.push(finding.note(node.what()), node.span);
    }
    rate
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WindowKeys {
    /// `mon`, `mon-fri`, a list of such; every day when it is left out. A window over midnight belongs to the day it opens on.
    #[schemars(with = "Option<words::Days>")]
    days: Option<Node>,
    /// When it opens; midnight when it is left out.
    #[schemars(with = "Option<words::TimeOfDay>")]
    from: Option<Node>,
    /// When it shuts; the end of the day when it is left out.
    #[schemars(with = "Option<words::TimeOfDay>")]
    to: Option<Node>,
    /// The time zone by its IANA name.
    #[schemars(with = "words::Text")]
    tz: Node,
}

fn window(node: &Node, walk: &mut Walk<'_>) -> Option<Window> {
    let keys = walk.decode::<WindowKeys>(node)?;
    let days = keys.days.as_ref().map_or(Some([true; 7]), |days| window_days(days, walk));
    let from = keys.from.as_ref().map_or(Some(Some(Time::midnight())), |from| window_time(from, walk));
    let to = keys.to.as_ref().map_or(Some(None), |to| window_time(to, walk));
    let zone = keys.tz.scalar().ok_or(None).and_then(window::zone);
    if let Err(near) = &zone {
        let near = near.as_ref().map(|near| format!("did you mean `{near}`?"));
        let finding = Diagnostic::error("expected a time zone by its IANA name, such as Europe/Berlin or UTC");
        walk.push(finding.note(keys.tz.what()).help(near.unwrap_or_default()), keys.tz.span);
    }
    let (days, from, to, zone) = (days?, from?, to?, zone.ok()?);
    let Some(from) = from.filter(|from| Some(*from) != to) else {
        let finding = Diagnostic::error("this window never opens: it ends when it begins");
        walk.push(finding.help("for the whole day leave out `from` and `to`"), node.span);
        return None;
    };
    Some(Window::new(days, from, to, zone))
}

fn window_days(node: &Node, walk: &mut Walk<'_>) -> Option<[bool; 7]> {
    let items = match &node.kind {
        NodeKind::List(items) if !items.is_empty() => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut chosen = [false; 7];
    for item in items {
        match window::days(item.scalar().unwrap_or("")) {
            Ok(days) => days.into_iter().for_each(|day| chosen[day] = true),
            Err(help) => {
                let finding = Diagnostic::error("expected a day of the week").note(item.what());
                walk.push(finding.help(help), item.span);
                return None;
            }
        }
    }
    Some(chosen)
}

/// A time of day; nothing inside stands for its end.
fn window_time(node: &Node, walk: &mut Walk<'_>) -> Option<Option<Time>> {
    let time = node.scalar().and_then(window::time);
    if time.is_none() {
        walk.push(Diagnostic::error("expected a time of day, such as 22:00").note(node.what()), node.span);
    }
    time
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupKeys {
    /// Runs of one group never overlap on this machine.
    #[schemars(with = "words::Group")]
    group: Node,
}

/// Longer names are refused by common file systems once a suffix is added.
const LONGEST_GROUP: usize = 64;

/// The name of the group: it becomes a file's name.
fn group(node: &Node, walk: &mut Walk<'_>) -> Option<Arc<str>> {
    let group = walk.decode::<GroupKeys>(node)?.group;
    let plain = |name: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !name.is_empty() && name.len() <= LONGEST_GROUP && name.chars().all(allowed) && !name.starts_with('.')
    };
    match group.scalar() {
        Some(name) if plain(name) => Some(name.into()),
        _ => {
            let finding = Diagnostic::error("expected a name of letters, digits, `-`, `_` and `.`");
            walk.push(finding.note(group.what()), group.span);
            None
        }
    }
}

/// A percentage of fewer devices says nothing.
const MIN_SAMPLE: usize = 20;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AbortKeys {
    /// Everything that is not ok.
    #[schemars(with = "Option<words::Limit>")]
    failed: Option<Node>,
    #[schemars(with = "Option<words::Limit>")]
    unreachable: Option<Node>,
    #[schemars(with = "Option<words::Limit>")]
    timeout: Option<Node>,
    #[schemars(with = "Option<words::Limit>")]
    rejected: Option<Node>,
    /// Shares count from so many devices on (20); numbers always.
    min_sample: Option<usize>,
    /// Counts start anew with each wave.
    #[serde(default)]
    per_wave: bool,
    #[schemars(with = "Option<words::ActionWord>")]
    #[expect(dead_code, reason = "read from the node itself, so that one mistake does not hide another")]
    action: Option<Node>,
}

fn abort_if(node: &Node, walk: &mut Walk<'_>) -> Option<AbortIf> {
    const WORDS: [(&str, AbortAction); 3] =
        [("stop", AbortAction::Stop), ("pause", AbortAction::Pause), ("continue", AbortAction::Continue)];
    // What is wrong with one key does not hide what is wrong with another.
    let action = node.get("action").and_then(|it| word(it, &WORDS, walk)).unwrap_or_default();
    let keys = walk.decode::<AbortKeys>(node)?;
    let counted = [
        (Failing::Failed, keys.failed),
        (Failing::Class(Class::Unreachable), keys.unreachable),
        (Failing::Class(Class::Timeout), keys.timeout),
        (Failing::Class(Class::Rejected), keys.rejected),
    ];
    let mut limits = Vec::new();
    for (failing, value) in counted.iter().filter_map(|(failing, value)| Some((*failing, value.as_ref()?))) {
        match size(value, walk) {
            Some(Size::Rest) => walk.error(value.span, "expected a number of devices or a share such as `5%`"),
            Some(limit) => limits.push((failing, limit)),
            None => {}
        }
    }
    if limits.is_empty() && counted.iter().all(|(_, value)| value.is_none()) {
        let finding = Diagnostic::error("`abort_if` says how many failures are too many");
        walk.push(finding.help("for instance `abort_if: { failed: 3% }`"), node.span);
    }
    Some(AbortIf { limits, min_sample: keys.min_sample.unwrap_or(MIN_SAMPLE), per_wave: keys.per_wave, action })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BetweenKeys {
    /// How long a wave is left alone before it is judged.
    #[schemars(with = "Option<DurationText>")]
    soak: Option<Duration>,
    /// Steps on the wave's devices, after the soak.
    #[schemars(with = "Option<words::Steps>")]
    #[expect(dead_code, reason = "read from the node itself, so that one mistake does not hide another")]
    verify: Option<Node>,
    /// What must hold before the next wave starts.
    #[schemars(with = "Option<words::GateWord>")]
    #[expect(dead_code, reason = "read from the node itself, so that one mistake does not hide another")]
    gate: Option<Node>,
}

/// Reads `between_waves`, whose steps know what the play's steps registered.
pub(super) fn between(play: &mut Play, entries: &[(Key, Node)], walk: &mut Walk<'_>) {
    let Some((_, node)) = entries.iter().find(|(key, _)| &*key.text == "between_waves") else { return };
    let keys = walk.decode::<BetweenKeys>(node);
    let part = |name: &str| node.get(name);
    play.between_waves = Some(BetweenWaves {
        soak: keys.and_then(|keys| keys.soak),
        verify: part("verify").map(|value| steps::read(value, "verify", walk)).unwrap_or_default(),
        gate: part("gate").and_then(|value| walk.on_runner(None, |walk| gate(value, walk))),
    });
}

/// An expression, or `{ that, approve }`.
fn gate(node: &Node, walk: &mut Walk<'_>) -> Option<Gate> {
    if !node.is_map() {
        return walk.check(&[], |check| check.expression(node)).0.map(|that| Gate { that: Some(that), approve: false });
    }
    let mut gate = Gate { that: None, approve: false };
    for (key, value) in node.entries() {
        match &*key.text {
            "that" => gate.that = walk.check(&[], |check| check.expression(value)).0,
            "approve" => gate.approve = walk.decode(value).unwrap_or_default(),
            _ => walk.unknown(key, &["that", "approve"]),
        }
    }
    Some(gate)
}
