//! Flags of `hub` that make it as narrow and as slow as a bought one.

use std::time::Duration;

use clap::Args;
use hub::Latency;
use wire::Tier;

use super::run::duration;

/// Limits, latency and lags; all off by default.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "As narrow and as slow as a bought hub (all off by default)")]
pub(crate) struct QuotaArgs {
    /// The limits of this tier: free, B1, B2, B3, S1, S2 or S3
    #[arg(long, value_name = "TIER")]
    pub(crate) tier: Option<Tier>,
    /// How many units of the tier
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) units: u32,
    /// No limits, whatever IOTPLAY_TIER says
    #[arg(long)]
    pub(crate) quota_off: bool,
    /// How long calls may queue for their turn before they are refused (429); 0s refuses at once
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    pub(crate) shape: Duration,
    /// Say Retry-After when refusing
    #[arg(long)]
    pub(crate) retry_after: bool,
    /// Messages a day, instead of the tier's
    #[arg(long, value_name = "N")]
    pub(crate) daily_messages: Option<u64>,
    /// Answer services so much later: 50ms, or 20ms..80ms
    #[arg(long, value_name = "TIME")]
    pub(crate) latency: Option<Latency>,
    /// Let queries see changes so much later; twins are always true
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s")]
    pub(crate) query_lag: Duration,
    /// Let connectionState change so much later than the connection
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s")]
    pub(crate) state_lag: Duration,
    /// The same latencies again for the same number
    #[arg(long, value_name = "N")]
    pub(crate) random_seed: Option<u64>,
}
