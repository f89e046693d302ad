//! The names of jobs. One that was asked for before must get the same name again, so that the hub says that it is there instead
//! of doing it twice: names are made of the run, the step, the wave and what is asked for, and of nothing that differs next time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use wire::JobId;

/// The longest part that comes from elsewhere; an id has 128 characters.
const LONGEST: usize = 88;
/// FNV-1a: the same in every version of every program, which a hash of the standard library need not be.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(OFFSET, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// The `number`th job (from 1) of a batch for those who ask for `work`.
pub(super) fn name(batch: &str, work: &str, number: usize) -> JobId {
    let allowed = |letter: char| if letter.is_ascii_alphanumeric() || "-.:_".contains(letter) { letter } else { '_' };
    let mut base: String = batch.chars().map(allowed).collect();
    if base.len() > LONGEST || base != batch {
        base.truncate(LONGEST);
        base.push_str(&format!("-{:08x}", fingerprint(batch) >> 32));
    }
    let work = fingerprint(work) >> 32;
    format!("iotplay-{base}-{work:08x}-{number}").parse().expect("letters that an id may have, and fewer than 128")
}

/// A batch that meets nobody (a call of a script): unlike every other, of this process and of those before.
pub(crate) fn alone(run: &str, now: SystemTime) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let millis = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    format!("{run}-{millis:x}-{count:x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_readable_and_stays_the_same() {
        assert_eq!(
            name("20261123-132742-0a1b-w1-s2", "{}", 1).as_str(),
            "iotplay-20261123-132742-0a1b-w1-s2-08f44b07-1"
        );
        assert_ne!(name("r", "a", 1), name("r", "b", 1));
        assert_ne!(alone("r", UNIX_EPOCH), alone("r", UNIX_EPOCH));
    }

    proptest! {
        #[test]
        fn whatever_the_run_is_called_it_is_a_name(batch in ".{0,300}", work in ".{0,20}", number in 1..1_000_000_usize) {
            let id = name(&batch, &work, number);
            prop_assert_eq!(id, name(&batch, &work, number));
            let other = format!("{batch}x");
            prop_assert_ne!(name(&batch, &work, number), name(&other, &work, number));
        }
    }
}
