//! When a device was heard last, for the note under a failed call. Costs one read, so only the first few failures pay it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use wire::Identity;

use crate::client::HubClient;

/// In a fleet the screen shows the first failures; the reads of all others would only eat the quota.
const NOTES: usize = 10;

/// Hands out the notes of one process.
#[derive(Debug, Default)]
pub(crate) struct LastSeen(AtomicUsize);

impl LastSeen {
    /// `last seen 2026-11-21 05:12 +01:00, 2 days ago`, `never seen`, or nothing when it cannot be told.
    pub(crate) async fn note(&self, client: &HubClient, identity: &Identity) -> Option<String> {
        if self.0.fetch_add(1, Ordering::Relaxed) >= NOTES {
            return None;
        }
        let device = client.device(&identity.device).await.ok()?;
        words(&device.last_activity_time, client.clock().now(), &TimeZone::system())
    }
}

fn words(last: &str, now: SystemTime, zone: &TimeZone) -> Option<String> {
    if last.starts_with(&base::NEVER[..4]) {
        return Some("never seen".to_owned());
    }
    let at = base::parse_time(last)?;
    let local = Timestamp::try_from(at).ok()?.to_zoned_datetime(zone.clone());
    let ago = ago(now.duration_since(at).unwrap_or_default());
    Some(format!("last seen {}, {ago}", local.strftime("%Y-%m-%d %H:%M %:z")))
}

/// `2 days ago`: the largest whole unit.
fn ago(since: Duration) -> String {
    let seconds = since.as_secs();
    let (count, unit) = match seconds {
        0..10 => return "just now".to_owned(),
        10..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_when_in_local_time_and_how_long_ago() {
        let now = base::parse_time("2026-11-23T13:00:00Z").unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        for (last, said) in [
            ("2026-11-21T04:12:00.0000000Z", Some("last seen 2026-11-21 05:12 +01:00, 2 days ago")),
            ("2026-11-23T12:59:55Z", Some("last seen 2026-11-23 13:59 +01:00, just now")),
            ("2026-11-23T12:59:00Z", Some("last seen 2026-11-23 13:59 +01:00, 1 minute ago")),
            ("2026-11-23T14:00:00Z", Some("last seen 2026-11-23 15:00 +01:00, just now")),
            (base::NEVER, Some("never seen")),
            ("0001-01-01T00:00:00", Some("never seen")),
            ("yesterday", None),
        ] {
            assert_eq!(words(last, now, &zone).as_deref(), said, "{last}");
        }
    }
}
