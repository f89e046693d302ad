//! What is allowed and hardly meant: steps that are never reached or never run, retries that will not be made. Warnings only.

use base::{Diagnostic, Span};

use super::walk::Walk;
use super::{Body, Key, Node, Step};

/// A list of steps, as it was read.
pub(super) fn list(steps: &[Step], walk: &mut Walk<'_>) {
    for pair in steps.windows(2) {
        let [step, next] = pair else { continue };
        if always_fails(step) {
            let (line, _) = step.source.position(step.span.start);
            warn(
                "this step is never reached",
                format!("the one before it, at line {line}, always fails"),
                key(next),
                walk,
            );
        }
    }
}

fn warn(message: &str, note: String, span: Span, walk: &mut Walk<'_>) {
    walk.push(Diagnostic::warning(message).note(note), span);
}

/// The place of a step's verb, or of the block.
fn key(step: &Step) -> Span {
    match &step.body {
        Body::Verb { span, .. } => *span,
        Body::Block { .. } => step.span,
    }
}

/// Nothing that stands beside it keeps it from failing.
fn always_fails(step: &Step) -> bool {
    let alone = step.when.is_none() && step.each.is_none() && step.tags.is_empty();
    let counts = step.ignore_errors.is_none() && step.failed_when.is_none() && step.retries.until.is_none();
    alone && counts && matches!(&step.body, Body::Verb { ready, .. } if ready.fails())
}

/// One step with its keys.
pub(super) fn step(step: &Step, entries: &[(Key, Node)], walk: &mut Walk<'_>) {
    if let Some(when) = step.when.as_ref().filter(|when| when.text() == "false") {
        warn("this step never runs", "false for every device".to_owned(), when.span(), walk);
    }
    let has = |tag: &str| step.tags.iter().any(|it| &**it == tag);
    if has("always") && has("never") {
        let span = place(entries, &["tags"], step.span);
        warn("a step runs `always` or `never`", "left out without `-t`, run with any `-t`".to_owned(), span, walk);
    }
    if step.retries.retries.is_some_and(|retries| retries > 0)
        && let Some((verb, says)) = doubtful(&step.body, walk)
    {
        let finding = Diagnostic::warning(format!("a call of {verb} whose reply is unknown is never repeated"))
            .note("these attempts are for calls that were refused or did not arrive");
        let help = format!("if calling it twice does no harm, say so inside {verb}: `idempotent: true`");
        walk.push(finding.help(if says { help } else { String::new() }), place(entries, &["retries"], step.span));
    }
}

fn place(entries: &[(Key, Node)], names: &[&str], otherwise: Span) -> Span {
    entries.iter().find(|(key, _)| names.contains(&&*key.text)).map_or(otherwise, |(key, _)| key.span)
}

/// The first verb that must not be repeated blindly, and whether it can be told that it may.
fn doubtful(body: &Body, walk: &Walk<'_>) -> Option<(&'static str, bool)> {
    match body {
        Body::Verb { verb, ready, .. } if ready.doubtful() => {
            let says = walk.registry.get(verb).is_some_and(|action| super::verbs::takes(action.as_ref(), "idempotent"));
            Some((verb, says))
        }
        Body::Verb { .. } => None,
        Body::Block { block, rescue, always } => {
            [block, rescue, always].into_iter().flatten().find_map(|step| doubtful(&step.body, walk))
        }
    }
}
