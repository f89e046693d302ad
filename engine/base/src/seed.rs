//! Randomness comes in through the door: one seed per run, and a named seed for every part of it, so that a run can be repeated.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// The number that all randomness of a run is derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// A fresh seed from the operating system.
    pub fn from_os() -> Self {
        Self(rand::random())
    }

    /// The seed of a named part: the same name gives the same seed (FNV-1a over the name, mixed with the parent).
    #[must_use]
    pub fn of(self, part: &str) -> Self {
        let start = 0xcbf2_9ce4_8422_2325 ^ self.0;
        Self(part.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
    }

    /// A generator that starts from this seed.
    pub fn rng(self) -> StdRng {
        StdRng::seed_from_u64(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_differ_and_repeat() {
        let seed = Seed(7);
        assert_eq!(seed.of("sim-1"), seed.of("sim-1"));
        assert_ne!(seed.of("sim-1"), seed.of("sim-2"));
        assert_ne!(seed.of("sim-1"), Seed(8).of("sim-1"));
    }
}
