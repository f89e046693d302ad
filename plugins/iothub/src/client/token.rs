//! Service tokens: minted from the policy's key, kept until shortly before they end.

use std::sync::Mutex;
use std::time::Duration;

use base::Clock;
use http::HeaderValue;
use wire::ServiceConnection;

/// As long as the SDKs' own.
const LIFETIME: Duration = Duration::from_secs(3600);
/// Renewed this long before the end: a clock may be off by this much, and a call may take as long.
const AHEAD: Duration = Duration::from_secs(600);

/// The present token.
pub(super) struct Tokens {
    clock: Clock,
    present: Mutex<Option<(HeaderValue, u64)>>,
}

impl Tokens {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, present: Mutex::new(None) }
    }

    /// The value of `Authorization`; marked as sensitive, so that no log shows it.
    pub(super) fn header(&self, connection: &ServiceConnection) -> HeaderValue {
        let now = self.clock.unix_seconds();
        let mut present = self.present.lock().expect("a header and a number: no panic while held");
        if let Some((header, until)) = present.as_ref()
            && now + AHEAD.as_secs() < *until
        {
            return header.clone();
        }
        let until = now + LIFETIME.as_secs();
        let token = wire::sign(&connection.host.to_string(), &connection.key, until, Some(&connection.policy));
        let mut header = HeaderValue::from_str(token.expose()).expect("a token is printable ASCII");
        header.set_sensitive(true);
        *present = Some((header.clone(), until));
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn a_token_serves_until_shortly_before_its_end() {
        let (clock, hand) = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_000_000));
        let tokens = Tokens::new(clock);
        let connection: ServiceConnection =
            "HostName=h:1;SharedAccessKeyName=p;SharedAccessKey=c2VjcmV0".parse().unwrap();
        let first = tokens.header(&connection);
        assert!(first.to_str().unwrap().starts_with("SharedAccessSignature sr=h%3A1&sig="));
        assert!(first.is_sensitive());
        hand.advance(LIFETIME - AHEAD - Duration::from_secs(1));
        assert_eq!(tokens.header(&connection), first);
        hand.advance(Duration::from_secs(1));
        let second = tokens.header(&connection);
        assert_ne!(second, first);
        let token = wire::SasToken::parse(second.to_str().unwrap()).unwrap();
        assert!(token.verify(&connection.key));
        assert_eq!(token.policy.as_deref(), Some("p"));
    }
}
