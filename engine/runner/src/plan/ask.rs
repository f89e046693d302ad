//! Whom a person must allow: the confirmation before the first call that changes a device of a hub that is not local.

use base::Diagnostic;

use crate::book::{Body, Play, Step};
use crate::{Effect, HubInfo, Question, RunOptions, Target};

/// How many ids a question shows.
const FIRST: usize = 5;

/// What came of asking.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Go on.
    Allowed,
    /// Nothing may be sent: why.
    Refused(Box<Diagnostic>),
}

/// The changing verbs of a play, each once, in reading order.
pub(crate) fn changing(play: &Play) -> Vec<&'static str> {
    let mut verbs = Vec::new();
    for steps in [&play.before, &play.steps, &play.after, &play.on_abort] {
        collect(steps, &mut verbs);
    }
    if let Some(between) = &play.between_waves {
        collect(&between.verify, &mut verbs);
    }
    verbs
}

fn collect(steps: &[Step], verbs: &mut Vec<&'static str>) {
    for step in steps {
        match &step.body {
            Body::Verb { verb, effect: Effect::Changes, .. } if !verbs.contains(verb) => verbs.push(verb),
            Body::Verb { .. } => {}
            Body::Block { block, rescue, always } => {
                [block, rescue, always].into_iter().for_each(|steps| collect(steps, verbs));
            }
        }
    }
}

/// Asks, when it must: `verbs` change, the hub is not local, `--yes` was not said and this is no `--check`.
pub(crate) async fn ask(verbs: Vec<&'static str>, targets: &[Target], hub: &HubInfo, options: &RunOptions) -> Asked {
    if verbs.is_empty() || hub.local || options.yes || options.check || targets.is_empty() {
        return Asked::Allowed;
    }
    let question = Question {
        hub: hub.title.clone(),
        devices: targets.len(),
        first: targets.iter().take(FIRST).map(|target| target.id.clone()).collect(),
        verbs,
        approve: None,
    };
    put(question, options).await
}

/// The same for a script: without `-l`, `-q` or `--all` nobody knows its devices before it runs.
pub(crate) async fn ask_script(
    verbs: Vec<&'static str>,
    targets: &[Target],
    hub: &HubInfo,
    options: &RunOptions,
    file: &str,
) -> Asked {
    if !targets.is_empty() || verbs.is_empty() || hub.local || options.yes || options.check {
        return ask(verbs, targets, hub, options).await;
    }
    let sentence = format!("{file} calls {} on devices of {} that it names itself.", verbs.join(", "), hub.title);
    let approve = Some(sentence);
    put(Question { hub: hub.title.clone(), devices: 0, first: Vec::new(), verbs, approve }, options).await
}

async fn put(question: Question, options: &RunOptions) -> Asked {
    let expected = question.expected();
    let Some(confirm) = &options.confirm else {
        return Asked::Refused(Box::new(unanswered(&question)));
    };
    match confirm(question).await {
        Some(answer) if answer.trim() == expected => Asked::Allowed,
        Some(_) => {
            let refused = Diagnostic::error("not confirmed: nothing was sent");
            Asked::Refused(Box::new(refused.help(format!("the answer that goes on is `{expected}`, or give --yes"))))
        }
        None => Asked::Refused(Box::new(Diagnostic::error("no answer: nothing was sent"))),
    }
}

fn unanswered(question: &Question) -> Diagnostic {
    if let Some(sentence) = &question.approve {
        return Diagnostic::error(format!("{sentence} There is no terminal to ask on: nothing was sent"))
            .help("give --yes (IOTPLAY_YES=1) to go on without being asked");
    }
    let devices = if question.devices == 1 { "1 device".to_owned() } else { format!("{} devices", question.devices) };
    let more = if question.devices > question.first.len() { ", .." } else { "" };
    Diagnostic::error(format!(
        "{} would change {devices} of {}: {}{more}. There is no terminal to ask on: nothing was sent",
        question.verbs.join(", "),
        question.hub,
        question.first.join(", "),
    ))
    .help("give --yes (IOTPLAY_YES=1) to go on without being asked")
}
