//! Which key of a step is its verb, and what its value stands for. Says what is meant when there is none, two, or a wrong one.

use std::sync::Arc;

use base::{Diagnostic, did_you_mean};

use super::walk::Walk;
use super::{Key, Node, NodeKind, keys, steps};
use crate::Action;

/// The verb of a step, with its value. `None`, with findings, when there is not exactly one; also for a block.
pub(super) fn find<'n>(entries: &'n [(Key, Node)], walk: &mut Walk<'_>) -> Option<(&'n Key, &'n Node)> {
    let others: Vec<_> = entries.iter().filter(|(key, _)| !keys::STEP.contains(&&*key.text)).collect();
    let (verbs, unknown): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|(key, _)| walk.registry.get(&key.text).is_some());
    let block = entries.iter().find(|(key, _)| &*key.text == "block");
    for (key, _) in &unknown {
        let verb = verbs.first().map(|(key, _)| &*key.text).or(block.map(|_| "block"));
        let finding = stray(&key.text, verb, walk);
        walk.push(finding, key.span);
    }
    match (verbs.as_slice(), block) {
        ([(key, value)], None) => Some((key, value)),
        ([(key, _), ..], Some(_)) => {
            let finding =
                Diagnostic::error(format!("a step has a verb or a block, not both: `{}` and `block`", key.text));
            walk.push(finding.help(format!("put `- {}: ..` into the block", key.text)), key.span);
            None
        }
        ([(first, _), (second, _), ..], None) => {
            let finding = Diagnostic::error(format!("two verbs in one step: `{}` and `{}`", first.text, second.text));
            walk.push(finding.help(format!("begin a new step: `- {}: ..`", second.text)), second.span);
            None
        }
        ([], None) if unknown.is_empty() => {
            let verbs = walk.registry.iter().map(|(_, action)| action.name()).collect::<Vec<_>>().join(", ");
            let finding = Diagnostic::error("this step has no verb").help(format!("verbs: {verbs}"));
            walk.push(finding, steps::place(entries));
            None
        }
        ([], _) => None,
    }
}

/// What is said of a key that is neither a verb nor a key of a step; `verb` is the step's own, if it has one.
fn stray(key: &str, verb: Option<&str>, walk: &Walk<'_>) -> Diagnostic {
    let names = || walk.registry.iter().map(|(_, action)| action.name());
    let Some(verb) = verb else {
        let finding = Diagnostic::error(format!("unknown verb `{key}`"));
        return match did_you_mean(key, names().chain(keys::STEP.iter().copied())) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!("verbs: {}", names().collect::<Vec<_>>().join(", "))),
        };
    };
    let finding = Diagnostic::error(format!("unknown key `{key}`")).note("not a key of a step");
    let inside = walk.registry.get(verb).is_some_and(|action| takes(action.as_ref(), key));
    if inside {
        return finding.help(format!("`{key}` stands inside `{verb}`, not beside it: `{verb}: {{ {key}: .. }}`"));
    }
    if keys::PLAY.contains(&key) {
        return finding.help(format!("`{key}` stands in the play, beside `steps`"));
    }
    match did_you_mean(key, keys::STEP.iter().copied()) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help(format!("a step has one verb, here `{verb}`, and beside it: {}", keys::STEP.join(", "))),
    }
}

/// Whether a verb has a parameter of this name, by its schema.
pub(super) fn takes(action: &dyn Action, name: &str) -> bool {
    action.schema().get("properties").is_some_and(|properties| properties.get(name).is_some())
}

/// Whether the verb takes any key (`set`): then its keys become names.
pub(super) fn gives_names(action: &dyn Action) -> bool {
    let schema = action.schema();
    schema.get("properties").is_none() && schema.get("additionalProperties").is_some_and(|it| it != false)
}

/// The parameters as a map: a value that is none stands for the verb's main parameter.
pub(super) fn parameters(action: &dyn Action, value: &Node) -> Node {
    match (action.main(), &value.kind) {
        (_, NodeKind::Map(_) | NodeKind::Null) | (None, _) => value.clone(),
        (Some(main), _) => {
            let key = Key { text: Arc::from(main), span: value.span };
            Node { kind: NodeKind::Map(vec![(key, value.clone())]), span: value.span }
        }
    }
}
