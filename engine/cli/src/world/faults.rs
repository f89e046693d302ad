//! The faults of simulated devices and of local hubs: reads the profiles, says what they come to, and notices a method that nobody
//! answers.

use std::path::Path;

use agent::{FaultPlan, FaultProfile};
use base::{Seed, Source, did_you_mean};

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

/// Reads what is to go wrong with a local hub. It is configuration too.
pub(crate) fn read_hub_faults(file: &Path) -> Result<(hub::FaultProfile, Source), Trouble> {
    let source = project::read(file).map_err(|trouble| Trouble { exit: Exit::USAGE, ..trouble })?;
    Ok((parse_hub_faults(&source)?, source))
}

/// The same from a text.
pub(crate) fn parse_hub_faults(source: &Source) -> Result<hub::FaultProfile, Trouble> {
    hub::FaultProfile::parse(source).map_err(|found| Trouble::new(Exit::USAGE, found))
}

/// Says which methods of a plan no handler answers: a slip of the hand would be a fault that never shows.
pub(crate) fn unknown_methods(plan: &FaultPlan, known: &[String], say: &dyn Fn(&str)) {
    for method in plan.methods().into_iter().filter(|method| !known.iter().any(|name| name == method)) {
        let near = did_you_mean(method, known.iter().map(String::as_str));
        let near = near.map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
        say(&format!("warning: the faults name the method `{method}`, and no handler does{near}"));
    }
}
