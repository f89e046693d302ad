//! `serial`: how many devices each wave takes. Pure.

use crate::book::Size;

/// The sizes of the waves for so many targets: each size once, in order, the last one repeated until nobody is left.
/// Percentages are of all targets, rounded up, at least one. No size = one wave.
pub(crate) fn waves(serial: &[Size], targets: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut left = targets;
    let mut serial = serial.iter().copied();
    let mut size = serial.next().unwrap_or(Size::Rest);
    while left > 0 {
        let wanted = match size {
            Size::Count(count) => count.max(1),
            Size::Percent(percent) => share(percent, targets),
            Size::Rest => left,
        };
        let taken = wanted.min(left);
        sizes.push(taken);
        left -= taken;
        size = serial.next().unwrap_or(size);
    }
    sizes
}

/// So many percent of a number, rounded up, at least one.
pub(crate) fn share(percent: f64, of: usize) -> usize {
    // Rounding up must not make 5 % of 100 a 6 because of a binary fraction.
    let exact = of as f64 * percent / 100.0;
    ((exact - 1e-9).ceil() as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_waves_of_the_language_page() {
        let serial = [Size::Count(1), Size::Percent(5.0), Size::Percent(25.0), Size::Rest];
        assert_eq!(waves(&serial, 100), [1, 5, 25, 69]);
        assert_eq!(waves(&serial, 10), [1, 1, 3, 5]);
        assert_eq!(waves(&serial, 1), [1]);
        assert_eq!(waves(&serial, 0), [] as [usize; 0]);
        assert_eq!(waves(&[], 7), [7]);
        assert_eq!(waves(&[Size::Count(3)], 7), [3, 3, 1], "the last size repeats, as Ansible's does");
        assert_eq!(waves(&[Size::Percent(30.0)], 10), [3, 3, 3, 1]);
        assert_eq!(waves(&[Size::Percent(0.1)], 3), [1, 1, 1]);
    }

    fn size() -> impl Strategy<Value = Size> {
        prop_oneof![(1usize..50).prop_map(Size::Count), (0.1f64..100.0).prop_map(Size::Percent), Just(Size::Rest)]
    }

    proptest! {
        #[test]
        fn every_target_is_in_exactly_one_wave(serial in proptest::collection::vec(size(), 0..6), targets in 0usize..500) {
            let sizes = waves(&serial, targets);
            prop_assert_eq!(sizes.iter().sum::<usize>(), targets);
            prop_assert!(sizes.iter().all(|size| *size > 0));
        }
    }
}
