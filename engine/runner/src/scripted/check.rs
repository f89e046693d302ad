//! What a script's calls of verbs say before anything runs: keys of options that nobody knows, values that can never fit. Looks
//! only at what is written out; what the run computes, the run checks.

use std::sync::Arc;

use base::{Diagnostic, Diagnostics, Severity, Source, Span, did_you_mean};
use script::{Expressions, Literal, Script, Written};
use serde_json::Value;

use super::call::literal;
use super::wait::OPTIONS as WAIT_OPTIONS;
use crate::book::{Check, Key, Known, Node, NodeKind};
use crate::{Action, Registry};

/// Findings about all calls of a compiled script; `beside` are the keys that its options maps take beside the verbs' own.
pub(crate) fn check(
    script: &Script,
    source: &Source,
    registry: &Registry,
    expressions: &Expressions,
    beside: &[&str],
) -> Diagnostics {
    let mut found = script.findings();
    calls(&script.calls(), source, (registry, expressions, beside), &mut found);
    for (source, written) in script.library() {
        calls(&written, source, (registry, expressions, beside), &mut found);
    }
    found.0.sort_by_key(|finding| finding.place.as_ref().map(|place| place.span.start));
    found.0.dedup();
    found
}

/// Findings about the calls of one file.
fn calls(
    written: &[Written],
    source: &Source,
    (registry, expressions, beside): (&Registry, &Expressions, &[&str]),
    found: &mut Diagnostics,
) {
    for call in written.iter().filter(|call| !call.method && !call.qualified) {
        let closure = call.args.iter().position(|arg| matches!(arg, Literal::Closure(_)));
        match (call.name.as_str(), closure, registry.get(&call.name)) {
            ("wait_until", Some(at), _) => keys(call.args.get(at + 1), "wait_until", WAIT_OPTIONS, source, found),
            ("parallel", ..) => keys(call.args.get(2), "parallel", &["forks"], source, found),
            // A closure may come in a variable.
            ("wait_until", None, _) if call.args.iter().any(|arg| matches!(arg, Literal::Unknown(_))) => {}
            (_, _, Some(action)) => verb(call, &**action, (source, expressions, beside), found),
            _ => {}
        }
    }
}

/// Keys of an options map that is written out.
fn keys(options: Option<&Literal>, name: &str, known: &[&str], source: &Source, found: &mut Diagnostics) {
    let Some(Literal::Map(entries, _)) = options else { return };
    for (key, span, _) in entries.iter().filter(|(key, ..)| !known.contains(&key.as_str())) {
        let finding = Diagnostic::error(format!("{name} has no option `{key}`")).at(source.place(*span));
        found.push(match did_you_mean(key, known.iter().copied()) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!("there is {}", known.join(", "))),
        });
    }
}

/// One call of a verb.
fn verb(
    call: &Written,
    action: &dyn Action,
    (source, expressions, beside): (&Source, &Expressions, &[&str]),
    found: &mut Diagnostics,
) {
    let args = call.args.get(usize::from(action.on_device())..).unwrap_or(&[]);
    let (mut entries, mut unknown) = (Vec::new(), Unknown::default());
    for (name, arg) in action.positional().iter().zip(args) {
        unknown.add(name, call.span, arg, &mut entries);
    }
    match args.get(action.positional().len()) {
        Some(Literal::Map(options, _)) => {
            for (key, span, value) in options.iter().filter(|(key, ..)| !beside.contains(&key.as_str())) {
                unknown.add(key, *span, value, &mut entries);
            }
        }
        Some(Literal::Unknown(_)) => unknown.all = true,
        _ => {}
    }
    let node = Node { kind: NodeKind::Map(entries), span: call.span };
    let (mut own, known) = (Diagnostics::default(), Known::default());
    let mut check = Check::new(source, &mut own, &known, expressions);
    check.verb = Some((action.name(), call.span));
    let _ready = action.check(&node, &mut check);
    let sure = |finding: &Diagnostic| {
        let at = finding.place.as_ref().map(|place| place.span);
        let whole = at == Some(call.span) && unknown.any();
        let unsaid = at.is_some_and(|at| unknown.places.contains(&at));
        // Which names an expression sees depends on the hub; what is not written out may be all that was missing.
        finding.severity == Severity::Error && !finding.message.starts_with("unknown name") && !whole && !unsaid
    };
    own.0.into_iter().filter(sure).for_each(|finding| found.push(beside_or_inside(finding, beside)));
}

/// In a script there is one options map for what stands inside of a verb and what stands beside it.
fn beside_or_inside(mut finding: Diagnostic, beside: &[&str]) -> Diagnostic {
    finding.help.retain(|help| !help.contains("move it one level out"));
    let key = finding.message.strip_prefix("unknown key `").and_then(|rest| rest.strip_suffix('`'));
    if let Some(near) = key.and_then(|key| did_you_mean(key, beside.iter().copied()))
        && !finding.help.iter().any(|help| help.starts_with("did you mean"))
    {
        finding.help = vec![format!("did you mean `{near}`?")];
    }
    finding
}

/// What of a call only the run can tell.
#[derive(Default)]
struct Unknown {
    places: Vec<Span>,
    all: bool,
}

impl Unknown {
    fn any(&self) -> bool {
        self.all || !self.places.is_empty()
    }

    fn add(&mut self, name: &str, span: Span, value: &Literal, entries: &mut Vec<(Key, Node)>) {
        // An entry whose value is not known still has a key that may be wrong.
        let value = node(value).unwrap_or_else(|| {
            self.places.push(value.span());
            Node { kind: NodeKind::Text(PLACEHOLDER.into(), true), span: value.span() }
        });
        entries.push((Key { text: Arc::from(name), span }, value));
    }
}

/// Stands for a value of any type: what a `${{ }}` may stand for too.
const PLACEHOLDER: &str = "${{ run }}";

/// A value that is written out; nothing when a part of it is not.
fn node(value: &Literal) -> Option<Node> {
    let kind = match value {
        Literal::Scalar(Value::Number(number), _) => NodeKind::Number(number.clone(), number.to_string().into()),
        Literal::Scalar(value, span) => Node::from_json(&literal(value.clone()), *span).kind,
        Literal::List(items, _) => NodeKind::List(items.iter().map(node).collect::<Option<_>>()?),
        Literal::Map(entries, _) => {
            let entry = |(key, span, value): &(String, Span, Literal)| {
                Some((Key { text: key.as_str().into(), span: *span }, node(value)?))
            };
            NodeKind::Map(entries.iter().map(entry).collect::<Option<_>>()?)
        }
        Literal::Closure(_) | Literal::Unknown(_) => return None,
    };
    Some(Node { kind, span: value.span() })
}
