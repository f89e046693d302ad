//! Durations as people write them: `90s`, `1h30m`, `250ms`; a bare number is seconds.

use std::fmt::Write as _;
use std::time::Duration;

use thiserror::Error;

/// A text that is not a duration.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a duration: write `90s`, `1h30m`, `250ms` or a number of seconds")]
pub struct DurationError(String);

/// The units, largest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads `1d2h3m4s5ms` (units once each, largest first, decimals allowed), or a bare number of seconds.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let fail = || DurationError(text.to_owned());
    let body = text.trim();
    if let Ok(seconds) = body.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| fail());
    }
    let mut rest = body;
    let mut units = UNITS.iter();
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(fail)?;
        let number: f64 = rest[..digits].parse().map_err(|_| fail())?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (_, millis) = units.find(|(name, _)| *name == &rest[..end]).ok_or_else(fail)?;
        total += number * *millis as f64;
        rest = rest[end..].trim_start();
    }
    if body.is_empty() {
        return Err(fail());
    }
    // Whole microseconds: finer than any unit here, coarse enough to hide the rounding of binary fractions.
    let whole = Duration::try_from_secs_f64(total / 1_000.0).map_err(|_| fail())?;
    Ok(Duration::from_micros(u64::try_from((whole.as_nanos() + 500) / 1_000).map_err(|_| fail())?))
}

/// The shortest text that [`parse_duration`] reads back to the same whole number of milliseconds.
pub fn format_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (name, size) in UNITS {
        if rest >= size {
            write!(text, "{}{name}", rest / size).expect("writing to a String cannot fail");
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for (text, millis) in [
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("1.5s", 1_500),
            ("20", 20_000),
            ("0.5", 500),
            ("2d", 172_800_000),
            ("1m 30s", 90_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_one() {
        for text in ["", "s", "5 years", "1s1h", "-3", "nan", "1x", "1..2s", "inf", "1s1s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn round_trips(millis in 0u64..10_000_000_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn never_panics(text in ".{0,40}") {
            let _ = parse_duration(&text);
        }
    }
}
