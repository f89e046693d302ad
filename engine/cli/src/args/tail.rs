//! Flags of `hub tail` and `hub status`: looking at a hub that runs.

use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};

/// `iotplay hub tail`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "A hub keeps the last 10,000 messages, 64 MiB of them and a day's at most, in memory: they end with it."
)]
pub(crate) struct TailArgs {
    /// Only this device's, and its modules'
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<String>,
    /// Only with this property, of the application or the system (content-type); without a value: with any. May be repeated
    #[arg(long = "property", value_name = "KEY[=VALUE]", value_parser = property)]
    pub(crate) properties: Vec<(String, Option<String>)>,
    /// Only since: a time ago (10m), or a moment (2026-11-23T18:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(crate) since: Option<Since>,
    /// Go on with what comes, until interrupted
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Of those that are there only the last N
    #[arg(short = 'n', long = "last", value_name = "N")]
    pub(crate) last: Option<usize>,
    /// ndjson: one object per message, with everything that is known about it
    #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
    pub(crate) output: TailOutput,
}

/// `--output` of `hub tail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TailOutput {
    // One line per message, for people.
    Text,
    // One object per message.
    Ndjson,
}

/// `iotplay hub status`.
#[derive(Args, Clone, Debug)]
pub(crate) struct StatusArgs {
    /// json: the document as the hub gives it
    #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
    pub(crate) output: StatusOutput,
}

/// `--output` of `hub status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusOutput {
    // One number to a line.
    Text,
    // One document.
    Json,
}

/// `--since`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// So long ago.
    Ago(Duration),
    /// Then.
    At(SystemTime),
}

fn since(text: &str) -> Result<Since, String> {
    if let Some(at) = base::parse_time(text) {
        return Ok(Since::At(at));
    }
    base::parse_duration(text).map(Since::Ago).map_err(|error| format!("{error}; or a moment: 2026-11-23T18:00:00Z"))
}

fn property(text: &str) -> Result<(String, Option<String>), String> {
    let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value.to_owned())));
    if key.is_empty() { Err("a property has a name".to_owned()) } else { Ok((key.to_owned(), value)) }
}
