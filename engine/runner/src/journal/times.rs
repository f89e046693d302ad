//! Times of a journal for people: UTC in the file, local on the screen.

use base::parse_time;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A UTC time as the people of this machine tell it, to the second and with its offset; what is no time stays as it is.
pub fn local_time(at: &str) -> String {
    let parsed = parse_time(at).and_then(|at| Timestamp::try_from(at).ok());
    parsed.map_or_else(
        || at.to_owned(),
        |at| at.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string(),
    )
}
