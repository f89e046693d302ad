//! What a play asks of its hub at least, counted before it starts: verbs and readings of facts, times devices. What may be left
//! out (`when`, `rescue`) is not counted, nor what may be repeated.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::book::{Body, Play, Step};
use crate::{Effect, RunOptions, Work};

/// A step without this tag runs only when it is named.
const NEVER: &str = "never";
/// A step with this tag always runs.
const ALWAYS: &str = "always";

/// Runs of each verb, and readings of each fact.
pub(crate) fn work(play: &Play, devices: usize, options: &RunOptions) -> Vec<Work> {
    let mut count = Count { options, work: BTreeMap::new() };
    let tags: Vec<&str> = play.tags.iter().map(AsRef::as_ref).collect();
    for steps in [&play.before, &play.after] {
        count.steps(steps, &tags, 1);
    }
    count.steps(&play.steps, &tags, devices);
    if let Some(between) = &play.between_waves {
        count.steps(&between.verify, &tags, devices);
    }
    count.work.into_iter().map(|((name, gathered), count)| Work { name, gathered, count }).collect()
}

struct Count<'o> {
    options: &'o RunOptions,
    work: BTreeMap<(Arc<str>, bool), usize>,
}

impl Count<'_> {
    fn steps<'s>(&mut self, steps: &'s [Step], outer: &[&'s str], devices: usize) {
        for step in steps.iter().filter(|step| step.when.is_none()) {
            let tags: Vec<&str> = outer.iter().copied().chain(step.tags.iter().map(AsRef::as_ref)).collect();
            let times = if step.run_once { devices.min(1) } else { devices };
            match &step.body {
                Body::Block { block, always, .. } => {
                    self.steps(block, &tags, times);
                    self.steps(always, &tags, times);
                }
                Body::Verb { verb, effect, ready, .. } if self.chosen(&tags) => {
                    step.facts.iter().for_each(|fact| self.add(Arc::clone(fact), false, times));
                    if !(self.options.check && *effect == Effect::Changes) {
                        self.add((*verb).into(), ready.gathers().is_some(), times);
                    }
                }
                Body::Verb { .. } => {}
            }
        }
    }

    fn chosen(&self, tags: &[&str]) -> bool {
        let named = |given: &[String]| given.iter().any(|tag| tags.contains(&tag.as_str()));
        let wanted = &self.options.tags;
        let takes = if wanted.is_empty() { !tags.contains(&NEVER) } else { named(wanted) || tags.contains(&ALWAYS) };
        takes && !named(&self.options.skip_tags)
    }

    fn add(&mut self, name: Arc<str>, gathered: bool, times: usize) {
        *self.work.entry((name, gathered)).or_default() += times;
    }
}
