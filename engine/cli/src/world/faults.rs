//! The faults of simulated devices: reads the profile, says what it comes to, and notices a method that nobody answers.

use std::path::Path;

use agent::{FaultPlan, FaultProfile};
use base::{Seed, did_you_mean};

use crate::process::{Exit, Trouble};
use crate::project;

/// Deals a profile's faults to a fleet and says so on one line; no profile is a sound fleet.
pub(crate) fn deal_faults(
    file: Option<&Path>,
    seed: u64,
    ids: &[&str],
    say: &dyn Fn(&str),
) -> Result<FaultPlan, Trouble> {
    let Some(file) = file else { return Ok(FaultPlan::default()) };
    // They are configuration: their mistakes are not a playbook's.
    let usage = |found| Trouble::new(Exit::USAGE, found);
    let source = project::read(file).map_err(|trouble| usage(trouble.found))?;
    let profile = FaultProfile::parse(&source).map_err(usage)?;
    let plan = profile.deal(Seed(seed), ids).map_err(usage)?;
    say(&format!("faults  {} (seed {seed})", plan.summary()));
    Ok(plan)
}

/// Says which methods of a plan no handler answers: a slip of the hand would be a fault that never shows.
pub(crate) fn unknown_methods(plan: &FaultPlan, known: &[String], say: &dyn Fn(&str)) {
    for method in plan.methods().into_iter().filter(|method| !known.iter().any(|name| name == method)) {
        let near = did_you_mean(method, known.iter().map(String::as_str));
        let near = near.map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
        say(&format!("warning: the faults name the method `{method}`, and no handler does{near}"));
    }
}
