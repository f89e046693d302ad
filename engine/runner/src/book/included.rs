//! Steps of another file: read in the place of the step that names it, with its names in sight and its own file's places in
//! every finding. A file that includes itself, or too many of them, is refused.

use base::{Diagnostic, Severity, Span};

use super::walk::Walk;
use super::{Node, NodeKind, Step, steps, yaml};

/// Files within files: deeper is a mistake, or a circle through links of the file system.
const DEEPEST: usize = 16;

/// Two includes in each of a few files that include one another grow without end.
const MOST_STEPS: usize = 10_000;

/// Reads the steps of a file that is named at `span`.
pub(super) fn read(name: &str, span: Span, walk: &mut Walk<'_>) -> Vec<Step> {
    let source = match walk.shelf.read(&walk.source, name) {
        Ok(source) => source,
        Err(finding) => {
            walk.push(finding, span);
            return Vec::new();
        }
    };
    if let Some(finding) = too_deep(source.name(), walk) {
        walk.push(finding, span);
        return Vec::new();
    }
    let before = walk.found.0.len();
    let root = yaml::read_yaml(&source, &mut walk.found);
    let at = walk.source.place(span);
    let outer = std::mem::replace(&mut walk.source, source);
    walk.including.push(outer);
    let steps = match root {
        Ok(root) => {
            walk.foresee(&root);
            list(&root, walk)
        }
        Err(found) => {
            walk.found.0.extend(found.0);
            Vec::new()
        }
    };
    if let Some(outer) = walk.including.pop() {
        walk.source = outer;
    }
    let from = format!("included at {}", at.label());
    for finding in walk.found.0[before..].iter_mut().filter(|finding| finding.severity == Severity::Error) {
        finding.help.push(from.clone());
    }
    steps
}

/// Why a file cannot be included here.
fn too_deep(name: &str, walk: &Walk<'_>) -> Option<Diagnostic> {
    let chain = || walk.including.iter().chain([&walk.source]).map(base::Source::name);
    if chain().any(|known| known == name) {
        let way = chain().skip_while(|known| *known != name).chain([name]).collect::<Vec<_>>().join(" -> ");
        return Some(Diagnostic::error(format!("{name} includes itself: {way}")));
    }
    if walk.including.len() >= DEEPEST {
        return Some(Diagnostic::error(format!("files are included {DEEPEST} deep: that is as deep as it goes")));
    }
    (walk.steps.len() >= MOST_STEPS)
        .then(|| Diagnostic::error(format!("this playbook has more than {MOST_STEPS} steps, files included")))
}

fn list(root: &Node, walk: &mut Walk<'_>) -> Vec<Step> {
    let play = root.is_map() && (root.get("steps").is_some() || root.get("tasks").is_some());
    if play {
        let finding = Diagnostic::error("an included file is a list of steps, this one is a play");
        walk.push(finding.help("keep only what stands under `steps:`, and begin each step with `- `"), root.span);
        return Vec::new();
    }
    if !matches!(root.kind, NodeKind::List(_)) {
        let finding = Diagnostic::error("an included file is a list of steps").note(root.what());
        walk.push(finding.help("write each step as `- verb: ..`"), root.span);
        return Vec::new();
    }
    steps::read(root, "an included file", walk)
}
