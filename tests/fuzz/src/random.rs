//! The generator behind an input: cheap to begin, since every input begins one from the seed and its own number.

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

/// See the module's description.
pub(crate) struct Random(SmallRng);

impl Random {
    /// The same seed and number give the same input, whatever came before.
    pub(crate) fn of(seed: u64, number: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// 0 to `end` without it; 0 when that is nothing.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { self.0.random_range(0..end) }
    }

    /// One time in so many.
    pub(crate) fn once_in(&mut self, many: u32) -> bool {
        self.0.random_ratio(1, many)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.0.random()
    }

    /// One of a list that is not empty.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        of.choose(&mut self.0).expect("lists to pick from are written down, and none is empty")
    }
}
