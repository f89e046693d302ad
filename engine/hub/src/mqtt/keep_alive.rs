//! When a connection must be cut for silence or for its token. One timer per connection, re-armed only when it fires:
//! a packet moves a mark, not a timer.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::link::Ending;

/// The two reasons for which time ends a connection.
#[derive(Debug)]
pub(super) struct Patience {
    silence: Duration,
    heard: Instant,
    /// When the token's grace is over, by the wall clock.
    until: Option<SystemTime>,
}

/// One and a half times the keep-alive, at most `longest`; 0 asks for no limit and gets the longest.
pub(crate) fn silence(keep_alive: u16, longest: Duration) -> Duration {
    match Duration::from_secs(u64::from(keep_alive)) * 3 / 2 {
        Duration::ZERO => longest,
        wanted => wanted.min(longest),
    }
}

impl Patience {
    pub(super) fn new(silence: Duration, until: Option<SystemTime>) -> Self {
        Self { silence, heard: Instant::now(), until }
    }

    /// A packet arrived.
    pub(super) fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// When to look again, or why to end. `now` is the wall clock's time, which a token is measured by.
    pub(super) fn next(&self, now: SystemTime) -> Result<Instant, Ending> {
        let silent_at = self.heard + self.silence;
        if Instant::now() >= silent_at {
            return Err(Ending::Silent);
        }
        let Some(until) = self.until else { return Ok(silent_at) };
        match until.duration_since(now) {
            Ok(left) if !left.is_zero() => Ok(silent_at.min(Instant::now() + left)),
            _ => Err(Ending::Expired),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    const LONGEST: Duration = Duration::from_secs(1767);

    #[test]
    fn silence_is_half_again_the_keep_alive_and_capped() {
        for (keep_alive, seconds) in
            [(0, 1767.0), (1, 1.5), (60, 90.0), (180, 270.0), (1177, 1765.5), (1179, 1767.0), (65_535, 1767.0)]
        {
            assert_eq!(silence(keep_alive, LONGEST), Duration::from_secs_f64(seconds), "{keep_alive}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_packet_moves_the_mark_and_the_token_does_not_care() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut patience = Patience::new(10 * second, Some(UNIX_EPOCH + 25 * second));
        assert_eq!(patience.next(UNIX_EPOCH), Ok(start + 10 * second));
        tokio::time::advance(9 * second).await;
        patience.heard();
        assert_eq!(patience.next(UNIX_EPOCH + 9 * second), Ok(start + 19 * second));
        tokio::time::advance(9 * second).await;
        patience.heard();
        assert_eq!(patience.next(UNIX_EPOCH + 18 * second), Ok(start + 25 * second));
        assert_eq!(patience.next(UNIX_EPOCH + 25 * second), Err(Ending::Expired));
        tokio::time::advance(10 * second).await;
        assert_eq!(patience.next(UNIX_EPOCH), Err(Ending::Silent));
    }
}
