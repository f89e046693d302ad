//! Masks known secret values in anything that leaves the process as text.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock, RwLock};

/// Shorter values would mask ordinary words; whoever declares a shorter secret gets an error instead.
const SHORTEST: usize = 6;

/// A set of values that must not be shown, shared by every output of a process.
#[derive(Clone, Debug, Default)]
pub struct Mask(Arc<RwLock<Vec<String>>>);

impl Mask {
    /// The mask of this process: command line, logs, panics and reports share it.
    pub fn process() -> &'static Self {
        static PROCESS: OnceLock<Mask> = OnceLock::new();
        PROCESS.get_or_init(Self::default)
    }

    /// Adds a value to hide. Returns `false`, and hides nothing, when it is shorter than six characters.
    pub fn add(&self, value: &str) -> bool {
        if value.chars().count() < SHORTEST {
            return false;
        }
        let mut values = self.0.write().expect("a list of texts: no panic while held");
        if !values.iter().any(|known| known == value) {
            values.push(value.to_owned());
            values.sort_by_key(|known| std::cmp::Reverse(known.len()));
        }
        true
    }

    /// The text with every known value replaced by `***`.
    pub fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let values = self.0.read().expect("a list of texts: no panic while held");
        values.iter().fold(Cow::Borrowed(text), |shown, value| {
            if shown.contains(value.as_str()) { Cow::Owned(shown.replace(value.as_str(), "***")) } else { shown }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_values_go_first_and_short_ones_are_refused() {
        let mask = Mask::default();
        assert!(mask.add("secret-key"));
        assert!(mask.add("secret-key-and-more"));
        assert!(!mask.add("abc"));
        assert_eq!(mask.apply("a secret-key-and-more, a secret-key, abc"), "a ***, a ***, abc");
        assert!(matches!(mask.apply("nothing"), Cow::Borrowed(_)));
    }
}
