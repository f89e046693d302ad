//! From flags to the runner's options. Decides nothing about devices; that is the runner's plan.

use std::path::Path;

use base::{Clock, Seed, rfc3339_millis};
use runner::{RunFolder, RunOptions};

use super::{allowed, terminal, vars};
use crate::args::{RunArgs, Targeting};
use crate::process::{Signals, Trouble, connections};
use crate::world::World;

/// The folder that runs write into; one folder a run.
pub(crate) const RUNS: &str = ".iotplay/runs";

/// The options of one run of this command line.
pub(crate) fn options(args: &RunArgs, world: &World, signals: &Signals) -> Result<RunOptions, Trouble> {
    let seed = Seed::from_os();
    let run = id(&Clock::system(), seed);
    let Targeting { limit, query, all, yes, allow_empty } = args.targeting.clone();
    let files = args.out.clone().unwrap_or_else(|| RunFolder::new(Path::new(RUNS), &run).files());
    let mut options = RunOptions::new(run.as_str(), files);
    options.limit = limit;
    options.query = query;
    options.all = all;
    options.vars = vars::parse(&args.extra_vars)?;
    options.forks = args.forks;
    // A local hub takes all calls on one connection.
    options.most_forks = (!world.local()).then(connections);
    options.tags = args.tags.clone();
    options.skip_tags = args.skip_tags.clone();
    options.check = args.check;
    options.fail_on_change = args.fail_on_change;
    options.allow_empty = allow_empty;
    options.yes = allowed(yes.as_deref(), world.production())?;
    options.confirm = terminal(signals.asked());
    options.seed = seed;
    options.cancel = signals.asked().child_token();
    Ok(options)
}

/// `20261123-132742-k3f9`: sorts by time, and two of one second differ.
fn id(clock: &Clock, seed: Seed) -> String {
    let now = rfc3339_millis(clock.now());
    let digits: String = now.chars().take(19).filter(char::is_ascii_digit).collect();
    let (day, time) = digits.split_at(8);
    format!("{day}-{time}-{:04x}", seed.of("run id").0 & 0xffff)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn ids_sort_by_time() {
        let (clock, _) = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_795_440_462));
        assert!(id(&clock, Seed(1)).starts_with("20261123-132742-"), "{}", id(&clock, Seed(1)));
    }
}
