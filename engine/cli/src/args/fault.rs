//! Flags of `hub fault`, and those of `hub` about faults.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::StatusOutput;

/// What `hub fault add` knows about a fault is said each time, and not taken from the environment.
pub(crate) const HEADING: &str = "The fault";

/// Faults from the start, and whether devices may ask for some.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Going wrong on purpose (docs/faults.md)")]
pub(crate) struct HubFaultArgs {
    /// What goes wrong from the start: a YAML file
    #[arg(long, value_name = "FILE")]
    pub(crate) faults: Option<PathBuf>,
    /// Messages with AzIoTHub_FaultOperationType are messages like any other
    #[arg(long)]
    pub(crate) no_fault_messages: bool,
}

/// `iotplay hub fault`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum FaultCommand {
    /// Let the running hub go wrong, and print the number of each fault
    Add(Box<FaultAddArgs>),
    /// List the faults in place
    List {
        /// json: the document as the hub gives it
        #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
        output: StatusOutput,
    },
    /// Take a fault away, or all of them
    Clear {
        /// Its number
        #[arg(value_name = "ID")]
        id: Option<String>,
    },
}

/// `iotplay hub fault add`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Faults: answers_late, clock_skew, cuts, drops_reply, duplicates, early_expiry, rejects, slices, slow, stalls.
Operations: connect, telemetry, methods, twin, c2d, rest, registry, query."
)]
pub(crate) struct FaultAddArgs {
    /// What goes wrong
    #[arg(value_name = "FAULT", required_unless_present = "file")]
    pub(crate) kind: Option<String>,
    /// All faults of a YAML file
    #[arg(long, value_name = "FILE", conflicts_with = "kind", help_heading = HEADING)]
    pub(crate) file: Option<PathBuf>,
    /// Only for so many of the devices: 5%
    #[arg(long, value_name = "SHARE", help_heading = HEADING)]
    share: Option<String>,
    /// Only for so many devices
    #[arg(long, value_name = "N", help_heading = HEADING)]
    count: Option<u64>,
    /// Only for these devices (comma-separated): ids, with * and ?
    #[arg(long, value_name = "IDS", value_delimiter = ',', help_heading = HEADING)]
    devices: Vec<String>,
    /// On these operations (comma-separated)
    #[arg(long, value_name = "OPERATIONS", value_delimiter = ',', help_heading = HEADING)]
    on: Vec<String>,
    /// So often when there is an occasion: 1%
    #[arg(long, value_name = "SHARE", help_heading = HEADING)]
    chance: Option<String>,
    /// So often for each device, then no more
    #[arg(long, value_name = "N", help_heading = HEADING)]
    times: Option<u64>,
    /// From now to its begin
    #[arg(long, value_name = "TIME", help_heading = HEADING)]
    after: Option<String>,
    /// From its begin to its end; else until it is cleared
    #[arg(long = "for", value_name = "TIME", help_heading = HEADING)]
    lasts: Option<String>,
    /// How late (answers_late: 200ms, 20ms..80ms), or how far ahead (clock_skew: 10m, -10m)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = HEADING)]
    by: Option<String>,
    /// How connections end (cuts): reset, close, silence
    #[arg(long, value_name = "WAY", help_heading = HEADING)]
    how: Option<String>,
    /// The HTTP status of a refusal (rejects)
    #[arg(long, value_name = "STATUS", help_heading = HEADING)]
    status: Option<u64>,
    /// The code of CONNACK (rejects on connect)
    #[arg(long, value_name = "CODE", help_heading = HEADING)]
    code: Option<u64>,
    /// What a refusal's Retry-After says (rejects)
    #[arg(long, value_name = "TIME", help_heading = HEADING)]
    retry_after: Option<String>,
    /// How long (stalls), or how soon after the login (early_expiry)
    #[arg(long, value_name = "TIME", help_heading = HEADING)]
    takes: Option<String>,
    /// Bytes a second (slow)
    #[arg(long, value_name = "BYTES", help_heading = HEADING)]
    rate: Option<u64>,
}

impl FaultAddArgs {
    /// The flags as a profile: JSON, which is YAML.
    pub(crate) fn profile(&self) -> String {
        let mut group = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                group.insert(name.to_owned(), value);
            }
        };
        let list = |texts: &[String]| (!texts.is_empty()).then(|| texts.to_vec().into());
        let text = |text: &Option<String>| text.clone().map(Value::from);
        let number = |number: Option<u64>| number.map(Value::from);
        put("share", text(&self.share));
        put("count", number(self.count));
        put("devices", list(&self.devices));
        put("on", list(&self.on));
        put("chance", text(&self.chance));
        put("times", number(self.times));
        put("after", text(&self.after));
        put("for", text(&self.lasts));
        put("by", text(&self.by));
        put("how", text(&self.how));
        put("status", number(self.status));
        put("code", number(self.code));
        put("retry_after", text(&self.retry_after));
        put("takes", text(&self.takes));
        put("rate", number(self.rate));
        // A hyphen is what flags have where words of a profile have an underscore.
        let kind = self.kind.as_deref().unwrap_or_default().replace('-', "_");
        let mut profile = Map::new();
        profile.insert(kind, Value::Object(group));
        Value::Object(profile).to_string()
    }
}
