//! A loopback address of one's own: official SDKs dial fixed ports (8883; 443 where it is allowed), so each story that runs them gets another 127.x.y.z.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// The port that the Python device SDK has built in.
const MQTT: u16 = 8883;

/// The port that the Node service SDK has built in.
const HTTPS: u16 = 443;

/// Addresses tried before giving up; more than one taken in a row is already unlikely.
const TRIES: u32 = 64;

/// Addresses of one process that lie this far apart do not meet those of its neighbours.
const STEP: u32 = 7;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A loopback address whose port 8883 is free, and that no other caller of this process has been given; `None` where the system
/// offers no loopback address but 127.0.0.1.
pub fn own_address() -> Option<IpAddr> {
    (0..TRIES).map(|_| candidate()).find(|address| TcpListener::bind((*address, MQTT)).is_ok())
}

/// The port for services on such an address: 443, or 0 (a free one) where the system refuses 443 to this user.
pub(crate) fn service_port(address: IpAddr) -> u16 {
    if TcpListener::bind((address, HTTPS)).is_ok() { HTTPS } else { 0 }
}

fn candidate() -> IpAddr {
    // 127.16.0.1 and up, spread by process so that test runs side by side do not meet.
    let spread = std::process::id().wrapping_mul(2_654_435_761) >> 12;
    let number = spread.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(STEP)) % (200 * 250 * 250);
    let octet = |value: u32| u8::try_from(value).expect("each part is reduced below 256");
    IpAddr::V4(Ipv4Addr::new(127, octet(16 + number / 62_500), octet(1 + number / 250 % 250), octet(1 + number % 250)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_differ_and_are_loopback() {
        let first = candidate();
        assert!(first.is_loopback());
        assert_ne!(first, candidate());
    }
}
