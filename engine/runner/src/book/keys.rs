//! The keys that a playbook knows, and what is said of one that is unknown where it stands: a slip of the hand, or a key of
//! another level.

use base::{Diagnostic, did_you_mean};

/// What stands beside any verb.
pub(super) const STEP: &[&str] = &[
    "name",
    "when",
    "if",
    "loop",
    "register",
    "until",
    "retries",
    "delay",
    "backoff",
    "timeout",
    "ignore_errors",
    "failed_when",
    "changed_when",
    "tags",
    "run_once",
    "throttle",
    "serial",
    "offline",
    "no_log",
    "vars",
    "block",
    "rescue",
    "always",
];

/// What a play knows.
pub(super) const PLAY: &[&str] = &[
    "name",
    "vars",
    "required",
    "env",
    "secrets",
    "targets",
    "hosts",
    "serial",
    "forks",
    "rollout",
    "abort_if",
    "between_waves",
    "steps",
    "tasks",
    "before",
    "after",
    "on_abort",
    "success_if",
    "timeout",
    "tags",
    "concurrency",
    "window",
];

/// Keys inside a verb's parameters that the language has and this version does not: refused in so many words.
const NOT_YET_INSIDE: &[&str] = &["via"];

/// The finding for a key that is not one of `fields`; `verb` when it stands inside a verb's parameters.
pub(super) fn unknown(key: &str, fields: &[&str], verb: Option<&str>) -> Diagnostic {
    if verb.is_some() && NOT_YET_INSIDE.contains(&key) && !fields.contains(&key) {
        return Diagnostic::error(format!("`{key}` is not supported yet"));
    }
    let finding = Diagnostic::error(format!("unknown key `{key}`"));
    if let Some(near) = did_you_mean(key, fields.iter().copied()) {
        return finding.help(format!("did you mean `{near}`?"));
    }
    if let Some(verb) = verb
        && STEP.contains(&key)
    {
        return finding
            .note(format!("not a key of {verb}"))
            .help(format!("`{key}` stands beside `{verb}`, not inside it: move it one level out"));
    }
    match fields {
        [] => finding.help("nothing can stand here"),
        _ => finding.help(format!("known here: {}", fields.join(", "))),
    }
}
