//! A version such as `1.10.2` or `v2.0-rc1`, compared as people do: numbers by value, a suffix before none.

use std::cmp::Ordering;
use std::fmt;

/// A parsed version; keeps its text.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    text: String,
    numbers: Vec<u64>,
    suffix: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(String),
}

impl Version {
    /// Reads `[v]1.2.3[-suffix][+build]`; `None` when it does not start with a number.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let body = text.trim();
        let core = body.strip_prefix(['v', 'V']).unwrap_or(body);
        let core = core.split('+').next().unwrap_or(core);
        let end = core.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(core.len());
        let numbers: Vec<u64> =
            core[..end].trim_end_matches('.').split('.').map(|n| n.parse().ok()).collect::<Option<_>>()?;
        let suffix = core[end..].trim_start_matches(['-', '.', '_']);
        let part = |part: &str| part.parse().map_or_else(|_| Part::Word(part.to_owned()), Part::Number);
        let suffix = suffix.split(['.', '-', '_']).filter(|part| !part.is_empty()).map(part).collect();
        Some(Self { text: body.to_owned(), numbers, suffix })
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let longest = self.numbers.len().max(other.numbers.len());
        let number = |of: &Self, at: usize| of.numbers.get(at).copied().unwrap_or(0);
        (0..longest).map(|at| number(self, at).cmp(&number(other, at))).find(|order| order.is_ne()).unwrap_or_else(
            || match (self.suffix.is_empty(), other.suffix.is_empty()) {
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                _ => self.suffix.cmp(&other.suffix),
            },
        )
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_by_value() {
        let order = ["0.9", "1.0-alpha", "1.0-rc.2", "1.0-rc.10", "1", "1.2", "1.10", "v1.10.1", "2024.1"];
        for pair in order.windows(2) {
            assert!(Version::parse(pair[0]) < Version::parse(pair[1]), "{pair:?}");
        }
        assert_eq!(Version::parse("1.0"), Version::parse("v1.0.0+build7"));
        for bad in ["", "x", ".", "v", "1..2"] {
            assert!(Version::parse(bad).is_none(), "{bad}");
        }
    }
}
