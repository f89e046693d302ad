//! Flags of file upload: `hub uploads`, and how much of it a hub takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hub::FileLimits;
use wire::blob::BlobName;

use super::TailOutput;

/// Multiples of a byte, the longest ending first.
const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
/// An upload may take as long as IoT Hub lets it, from a minute to a day.
const TTL: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(24 * 3600));

/// `iotplay hub uploads`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "A hub remembers the last 10,000 uploads. A file stays until it is removed or its device uploads another \
                        one of the same name."
)]
pub(crate) struct UploadsArgs {
    /// Only this device's
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<String>,
    /// Go on with what ends, until interrupted
    #[arg(long, short, conflicts_with_all = ["get", "remove"])]
    pub(crate) follow: bool,
    /// ndjson: one object per upload, with everything that is known about it
    #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
    pub(crate) output: TailOutput,
    /// Fetch this file instead
    #[arg(long, value_name = "DEVICE/NAME", requires = "into")]
    pub(crate) get: Option<BlobName>,
    /// Where to write it; `-` is stdout
    #[arg(short = 'o', long = "into", value_name = "FILE", requires = "get")]
    pub(crate) into: Option<PathBuf>,
    /// Let it take the place of a file that is there already
    #[arg(long, requires = "get")]
    pub(crate) force: bool,
    /// Remove this file from the hub instead
    #[arg(long, value_name = "DEVICE/NAME", conflicts_with = "get")]
    pub(crate) remove: Option<BlobName>,
}

/// How much a hub takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct FileArgs {
    /// The largest file that a device may upload: 256MiB unless said
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) upload_max: Option<u64>,
    /// All uploaded files together: 4GiB unless said, 512MiB with --memory
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) upload_total: Option<u64>,
    /// How long a device has for an upload, 1m to 24h: 1h unless said
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    pub(crate) upload_ttl: Option<Duration>,
}

impl FileArgs {
    /// Puts what was said in the place of what would be.
    pub(crate) fn apply(&self, limits: &mut FileLimits) {
        limits.file = self.upload_max.unwrap_or(limits.file);
        limits.total = self.upload_total.unwrap_or(limits.total);
        limits.ttl = self.upload_ttl.unwrap_or(limits.ttl);
    }
}

fn size(text: &str) -> Result<u64, String> {
    let unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (number, bytes) = unit.unwrap_or((text, 1));
    let size = number.trim_end().parse::<u64>().ok().and_then(|number| number.checked_mul(bytes));
    size.filter(|size| *size > 0).ok_or_else(|| "a size is a number of bytes, or of KiB, MiB or GiB: 64MiB".to_owned())
}

fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = base::parse_duration(text).map_err(|error| error.to_string())?;
    let fits = (TTL.0..=TTL.1).contains(&ttl);
    if fits { Ok(ttl) } else { Err("an upload has one minute at least, 24 hours at most".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_by_table() {
        for (text, bytes) in [
            ("1", Some(1)),
            ("10B", Some(10)),
            ("64KiB", Some(65_536)),
            ("3 MiB", Some(3 << 20)),
            ("2GiB", Some(2 << 30)),
            ("0", None),
            ("-1", None),
            ("1MB", None),
            ("99999999999GiB", None),
            ("", None),
        ] {
            assert_eq!(size(text).ok(), bytes, "{text}");
        }
        assert_eq!((ttl("1m").is_ok(), ttl("59s").is_ok(), ttl("25h").is_ok()), (true, false, false));
    }
}
