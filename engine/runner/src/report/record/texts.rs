//! Texts of a run, each kept once: masked first, then cut, then counted against the room that reports may take.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use base::Mask;

/// Room for replies and values: about 300 bytes for each of 10,000 devices. Beyond it they are left out, and that is said.
const VALUES: usize = 3 << 20;
/// Room for all that is said, replies too; beyond it only what names something (ids, steps) is kept.
const ALL: usize = 6 << 20;
/// Longest name or id.
const NAME: usize = 300;
/// Longest message or summary.
const SAID: usize = 1_000;
/// Longest reply or value.
const VALUE: usize = 2_000;
/// What stands where a text found no room.
const LEFT_OUT: &str = "(left out: the report would be too large)";

/// A text that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::report) struct Text(NonZeroU32);

impl Text {
    /// Its place in [`Texts::all`].
    pub(in crate::report) fn place(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// All texts of a run.
#[derive(Default)]
pub(in crate::report) struct Texts {
    list: Vec<Arc<str>>,
    known: HashMap<Arc<str>, Text>,
    bytes: usize,
}

impl Texts {
    /// The texts by their places.
    pub(in crate::report) fn all(&self) -> &[Arc<str>] {
        &self.list
    }

    /// A text that was kept.
    pub(in crate::report) fn get(&self, text: Text) -> &str {
        &self.list[text.place()]
    }

    /// A text that may be missing: then empty.
    pub(in crate::report) fn or_empty(&self, text: Option<Text>) -> &str {
        text.map_or("", |text| self.get(text))
    }

    /// A name or an id: always kept.
    pub(in crate::report) fn name(&mut self, text: &str) -> Text {
        self.keep(text, NAME, usize::MAX)
    }

    /// A message or a summary; nothing when it is empty.
    pub(in crate::report) fn said(&mut self, text: &str) -> Option<Text> {
        (!text.is_empty()).then(|| self.keep(text, SAID, ALL))
    }

    /// A reply or a value, as JSON. That of a failure matters more.
    pub(in crate::report) fn value(&mut self, text: &str, matters: bool) -> Option<Text> {
        (!text.is_empty()).then(|| self.keep(text, VALUE, if matters { ALL } else { VALUES }))
    }

    fn keep(&mut self, text: &str, longest: usize, room: usize) -> Text {
        // A secret that was cut would not be known any more.
        let masked = Mask::process().apply(text);
        let shown = cut(&masked, longest);
        if let Some(known) = self.known.get(&*shown) {
            return *known;
        }
        if self.bytes.saturating_add(shown.len()) > room {
            return self.keep(LEFT_OUT, NAME, usize::MAX);
        }
        self.bytes += shown.len();
        let shown: Arc<str> = shown.into();
        self.list.push(Arc::clone(&shown));
        let count = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        let text = Text(NonZeroU32::new(count).expect("a text was just added"));
        self.known.insert(shown, text);
        text
    }
}

/// At most so many characters.
fn cut(text: &str, longest: usize) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}..", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_masked_and_cut() {
        Mask::process().add("texts-secret-value");
        let mut texts = Texts::default();
        let first = texts.name("press-7");
        assert_eq!(texts.name("press-7"), first);
        assert_eq!(texts.all().len(), 1);
        let said = texts.said(&format!("{}texts-secret-value", "x".repeat(SAID - 6))).unwrap();
        assert!(texts.get(said).ends_with("x***"), "masked before it is cut: {}", texts.get(said));
        let long = texts.said(&"é".repeat(SAID + 5)).unwrap();
        assert_eq!(texts.get(long).chars().count(), SAID + 2);
        assert_eq!(texts.said(""), None);
    }

    #[test]
    fn room_is_bounded_and_names_are_always_kept() {
        let mut texts = Texts::default();
        for n in 0..20_000 {
            texts.value(&format!("{n}{}", "v".repeat(900)), false);
        }
        assert!(texts.bytes <= VALUES + LEFT_OUT.len(), "{}", texts.bytes);
        let said = texts.said("why").unwrap();
        assert_eq!(texts.get(said), "why", "a message still has room when values have none");
        let value = texts.value("another", false).unwrap();
        assert_eq!(texts.get(value), LEFT_OUT);
    }
}
