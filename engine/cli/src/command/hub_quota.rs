//! What the limits and lags of `iotplay hub` mean: from flags to the hub's settings, and the line that says so.

use base::{Diagnostic, Seed, format_duration};
use hub::{Delays, HubConfig, Quota};

use crate::args::QuotaArgs;
use crate::process::{Exit, Trouble};

/// Puts the flags into the settings.
pub(crate) fn apply(args: &QuotaArgs, config: &mut HubConfig) -> Result<(), Trouble> {
    if let Some(tier) = args.tier.filter(|_| !args.quota_off) {
        let mut quota = Quota::new(tier, args.units)
            .map_err(|error| Trouble::new(Exit::USAGE, Diagnostic::error(error.to_string())))?;
        quota.queue = args.shape;
        quota.retry_after = args.retry_after;
        quota.messages = args.daily_messages;
        config.quota = Some(quota);
    }
    config.delays =
        Delays { latency: args.latency.unwrap_or_default(), query_lag: args.query_lag, state_lag: args.state_lag };
    if let Some(seed) = args.random_seed {
        config.seed = Seed(seed);
    }
    Ok(())
}

/// What is not as fast as it could be, for the hub's first lines; none when all is off.
pub(crate) fn title(args: &QuotaArgs) -> Option<String> {
    let tier = args.tier.filter(|_| !args.quota_off).map(|tier| {
        let units = if args.units == 1 { "unit" } else { "units" };
        format!("throttled as {tier}, {} {units}", args.units)
    });
    let lag = |what: &str, lag| (lag != std::time::Duration::ZERO).then(|| format!("{what} {}", format_duration(lag)));
    let parts = [
        tier,
        args.latency.map(|latency| format!("latency {latency}")),
        lag("queries late by", args.query_lag),
        lag("connection states late by", args.state_lag),
    ];
    let said: Vec<String> = parts.into_iter().flatten().collect();
    (!said.is_empty()).then(|| said.join(", "))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn read(line: &str) -> QuotaArgs {
        let words = ["iotplay", "hub"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words).unwrap().command {
            Command::Hub(args) => args.quota,
            other => panic!("{other:?}"),
        }
    }

    fn applied(line: &str) -> Result<HubConfig, Trouble> {
        let mut config = HubConfig::embedded();
        apply(&read(line), &mut config).map(|()| config)
    }

    #[test]
    fn everything_is_off_unless_asked_for() {
        for line in ["", "--tier S1 --quota-off", "--units 7 --shape 1s --retry-after"] {
            let config = applied(line).ok().unwrap();
            assert_eq!((config.quota, config.delays), (None, Delays::default()), "{line}");
            assert_eq!(title(&read(line)), None, "{line}");
        }
    }

    #[test]
    fn flags_become_settings_and_a_line() {
        let line = "--tier s2 --units 3 --shape 0s --retry-after --daily-messages 9 \
                    --latency 20ms..80ms --query-lag 2s --state-lag 5s --random-seed 1";
        let config = applied(line).ok().unwrap();
        let quota = config.quota.unwrap();
        assert_eq!((quota.retry_after, quota.messages, quota.queue.as_secs()), (true, Some(9), 0));
        assert_eq!((config.delays.query_lag.as_secs(), config.delays.state_lag.as_secs()), (2, 5));
        assert_eq!(config.seed.0, 1);
        assert_eq!(
            title(&read(line)).unwrap(),
            "throttled as S2, 3 units, latency 20ms..80ms, queries late by 2s, connection states late by 5s"
        );
    }

    #[test]
    fn a_hub_that_nobody_sells_is_refused() {
        for line in ["--tier free --units 2", "--tier S1 --units 0", "--tier S1 --units 201"] {
            assert!(applied(line).is_err(), "{line}");
        }
    }
}
