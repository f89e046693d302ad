//! Masks known secret values in anything that leaves the process as text, in the forms that texts hold them in.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, RwLock};

use crate::encodings;

/// Shorter values would mask ordinary words; whoever declares a shorter secret gets an error instead.
const SHORTEST: usize = 6;

/// A set of values that must not be shown, shared by every output of a process.
#[derive(Clone, Debug, Default)]
pub struct Mask(Arc<RwLock<Forms>>);

/// Forms by their first bytes: a text is gone through once, however many there are, and one more costs nothing.
type Forms = HashMap<[u8; SHORTEST], Vec<Box<str>>>;

impl Mask {
    /// The mask of this process: command line, logs, panics and reports share it.
    pub fn process() -> &'static Self {
        static PROCESS: OnceLock<Mask> = OnceLock::new();
        PROCESS.get_or_init(Self::default)
    }

    /// Adds a value to hide: as it is, quoted, in base64, in URLs, in hex, and line by line. Returns `false`, and hides
    /// nothing, when it is shorter than six characters.
    pub fn add(&self, value: &str) -> bool {
        let fits = value.chars().count() >= SHORTEST;
        if fits {
            value.lines().for_each(|line| self.hide(line.trim()));
            encodings::all(value).iter().for_each(|form| self.hide(form));
        }
        fits
    }

    /// Adds one of very many values, such as the keys of a fleet: hidden as it is and in URLs only.
    pub fn add_one_of_many(&self, value: &str) {
        self.hide(value);
        self.hide(&encodings::percent(value, ""));
    }

    fn hide(&self, form: &str) {
        let Some(start) = form.as_bytes().first_chunk() else { return };
        let mut forms = self.0.write().expect("a map of texts: no panic while held");
        let alike = forms.entry(*start).or_default();
        if !alike.iter().any(|known| **known == *form) {
            alike.push(form.into());
            alike.sort_by_key(|known| std::cmp::Reverse(known.len()));
        }
    }

    /// Whether there is something in the text to hide.
    pub fn hides(&self, text: &str) -> bool {
        matches!(self.apply(text), Cow::Owned(_))
    }

    /// The text with every known value replaced by `***`.
    pub fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let forms = self.0.read().expect("a map of texts: no panic while held");
        let (mut shown, mut copied, mut at) = (String::new(), 0, 0);
        while let Some(start) = text.as_bytes()[at..].first_chunk().filter(|_| !forms.is_empty()) {
            let here = |form: &&str| text.as_bytes()[at..].starts_with(form.as_bytes());
            // Whole characters on both sides: what matches begins and ends with one.
            match forms.get(start).and_then(|alike| alike.iter().map(|form| &**form).find(here)) {
                None => at += 1,
                Some(form) => {
                    shown.push_str(&text[copied..at]);
                    shown.push_str("***");
                    at += form.len();
                    copied = at;
                }
            }
        }
        if copied == 0 { Cow::Borrowed(text) } else { Cow::Owned(shown + &text[copied..]) }
    }

    /// The masked text, cut with `..` after so many characters: a cut through a secret would show its beginning.
    pub fn shorten(&self, text: &str, most: usize) -> String {
        let shown = self.apply(text);
        match shown.char_indices().nth(most) {
            Some((end, _)) => format!("{}..", &shown[..end]),
            None => shown.into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn longer_values_go_first_and_short_ones_are_refused() {
        let mask = Mask::default();
        assert!(mask.add("secret-key"));
        assert!(mask.add("secret-key-and-more"));
        assert!(!mask.add("abc"));
        assert_eq!(mask.apply("a secret-key-and-more, a secret-key, abc"), "a ***, a ***, abc");
        assert!(matches!(mask.apply("nothing"), Cow::Borrowed(_)));
        assert_eq!(mask.shorten("it is secret-key-and-more", 8), "it is **..");
        mask.add_one_of_many("a+b/c=d=");
        assert_eq!(mask.apply("a+b/c=d= a%2Bb%2Fc%3Dd%3D"), "*** ***");
    }

    #[test]
    fn every_form_is_hidden() {
        let mask = Mask::default();
        assert!(mask.add("päss: \"x\" +/") && mask.add("first line\n-----BEGIN KEY-----"));
        for (text, shown) in [
            (r#"{"a":"päss: \"x\" +/"}"#, r#"{"a":"***"}"#),
            ("=70c3a473733a20227822202b2f= 70C3A473733A20227822202B2F", "=***= ***"),
            ("p%C3%A4ss%3A+%22x%22+%2B%2F p%c3%a4ss%3a%20%22x%22%20%2b%2f", "*** ***"),
            // base64 of it with a `!` behind, and with nothing, `u` and `u:` before: the neighbours' own letters stay.
            ("cMOkc3M6ICJ4IiArLyE=", "***yE="),
            ("dXDDpHNzOiAieCIgKy8h", "dX***8h"),
            ("dTpww6RzczogIngiICsvIQ==", "dTp***IQ=="),
            ("> -----BEGIN KEY-----", "> ***"),
        ] {
            assert_eq!(mask.apply(text), shown);
        }
    }

    proptest! {
        #[test]
        fn nothing_of_it_is_left(value in "[ -~]{6,40}", before in "[A-Z]{0,4}", after in "[A-Z]{0,4}") {
            let mask = Mask::default();
            prop_assert!(mask.add(&value));
            for form in encodings::all(&value) {
                let text = format!("é{before} {form} {after}é");
                prop_assert!(!mask.apply(&text).contains(&form), "{}", text);
            }
        }
    }
}
