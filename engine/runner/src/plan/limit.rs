//! `-l`: ids and globs over the devices that a play means; `!` before one takes devices out. Pure.

use std::collections::BTreeSet;

use super::glob;
use crate::Target;

/// What `-l` says.
#[derive(Debug, Default)]
pub(crate) struct Limit<'a> {
    take: Vec<&'a str>,
    leave: Vec<&'a str>,
}

impl<'a> Limit<'a> {
    /// Reads the words; each may hold several, with commas between them.
    pub(crate) fn new(words: &'a [String]) -> Self {
        let mut limit = Self::default();
        for word in words.iter().flat_map(|words| words.split(',')).map(str::trim).filter(|word| !word.is_empty()) {
            match word.strip_prefix('!') {
                Some(pattern) => limit.leave.push(pattern),
                None => limit.take.push(word),
            }
        }
        limit
    }

    /// Nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        self.take.is_empty() && self.leave.is_empty()
    }

    /// The ids, when it names ids only and takes nothing out: then nobody needs the list of all devices.
    pub(crate) fn plain_ids(&self) -> Option<Vec<String>> {
        let plain = !self.take.is_empty() && self.leave.is_empty() && !self.take.iter().any(|word| glob::is_glob(word));
        plain.then(|| {
            let mut seen = BTreeSet::new();
            self.take.iter().filter(|id| seen.insert(**id)).map(|id| (*id).to_owned()).collect()
        })
    }

    /// The ids among what it takes (not globs) that are not among these targets.
    pub(crate) fn missing(&self, targets: &[Target]) -> Vec<String> {
        let known: BTreeSet<&str> = targets.iter().map(|target| target.id.as_ref()).collect();
        self.take.iter().filter(|id| !glob::is_glob(id) && !known.contains(**id)).map(|id| (*id).to_owned()).collect()
    }

    /// Whether an id is meant.
    pub(crate) fn takes(&self, id: &str) -> bool {
        let hit = |pattern: &&str| **pattern == *id || (glob::is_glob(pattern) && glob::matches(pattern, id));
        (self.take.is_empty() || self.take.iter().any(hit)) && !self.leave.iter().any(hit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn takes_and_leaves() {
        let said = words(&["press-*,drill-1", "!press-9"]);
        let limit = Limit::new(&said);
        for (id, expected) in [("press-7", true), ("press-9", false), ("drill-1", true), ("drill-2", false)] {
            assert_eq!(limit.takes(id), expected, "{id}");
        }
        assert_eq!(limit.plain_ids(), None);
    }

    #[test]
    fn only_taking_out_leaves_the_rest() {
        let said = words(&["!a"]);
        assert!(Limit::new(&said).takes("b"));
        assert!(!Limit::new(&said).takes("a"));
    }

    #[test]
    fn plain_ids_need_no_list() {
        assert_eq!(Limit::new(&words(&["a,b", "a"])).plain_ids(), Some(words(&["a", "b"])));
        assert_eq!(Limit::new(&[]).plain_ids(), None);
    }
}
