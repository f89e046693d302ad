//! From flags to the runner's options. Decides nothing about devices; that is the runner's plan.

use std::path::Path;

use base::{Clock, Seed, rfc3339_millis};
use runner::{RunFolder, RunOptions};

use super::{allowed, terminal, vars};
use crate::args::{RunArgs, Targeting};
use crate::process::{Signals, Trouble};
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
    options.most_forks = world.most_forks();
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

/// `20261123-132742-1ef9`: sorts by time, to 4 ms by the first half of its last part; the other half is chance.
fn id(clock: &Clock, seed: Seed) -> String {
    let now = rfc3339_millis(clock.now());
    let digits: String = now.chars().filter(char::is_ascii_digit).collect();
    let (seconds, millis) = digits.split_at(14);
    let (day, time) = seconds.split_at(8);
    let part = millis.parse::<u64>().unwrap_or(0) * 256 / 1_000;
    format!("{day}-{time}-{part:02x}{:02x}", seed.of("run id").0 & 0xff)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn ids_sort_by_time() {
        let (clock, hand) = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_795_440_462));
        let first = id(&clock, Seed(1));
        assert!(first.starts_with("20261123-132742-00") && first.len() == 20, "{first}");
        let mut last = first;
        for _ in 0..100 {
            hand.advance(Duration::from_millis(9));
            let next = id(&clock, Seed(7));
            assert!(next > last, "{next} after {last}");
            last = next;
        }
    }
}
