//! Splits `a == b` into its sides, by text: only when the whole expression is that one comparison.

use crate::dialect::{Piece, pieces};

/// The sides of a comparison, without the space around them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Comparison<'a> {
    pub(super) left: &'a str,
    pub(super) operator: &'static str,
    pub(super) right: &'a str,
}

/// Longest first: `<=` is not `<`.
const OPERATORS: [&str; 6] = ["==", "!=", "<=", ">=", "<", ">"];
/// Operators that bind looser than a comparison, or shift; with one of these outside of brackets it is no comparison.
const OTHERS: [&str; 9] = ["&&", "||", "|", "&", "^", "<<", ">>", "=>", "!in"];

/// The one comparison outside of all brackets; `None` when there is none, a second one, or a looser operator.
pub(super) fn comparison(text: &str) -> Option<Comparison<'_>> {
    let mut depth = 0usize;
    let mut found: Option<(usize, &'static str)> = None;
    let mut past = 0;
    for (piece, at) in pieces(text) {
        if at.start < past {
            continue;
        }
        let rest = &text[at.start..];
        match piece {
            Piece::Symbol if rest.starts_with(['(', '[', '{']) => depth += 1,
            Piece::Symbol if rest.starts_with([')', ']', '}']) => depth = depth.checked_sub(1)?,
            // An interpolation leaves its string open; not worth following.
            Piece::Text if text[at.clone()].ends_with("${") => return None,
            Piece::Word if depth == 0 && ["and", "or", "not", "in"].contains(&&text[at.clone()]) => return None,
            Piece::Symbol if depth == 0 => {
                if OTHERS.iter().any(|operator| rest.starts_with(operator))
                    || (rest.starts_with('!') && !rest.starts_with("!="))
                {
                    return None;
                }
                if let Some(operator) = OPERATORS.into_iter().find(|operator| rest.starts_with(operator)) {
                    if found.replace((at.start, operator)).is_some() {
                        return None;
                    }
                    past = at.start + operator.len();
                }
            }
            _ => {}
        }
    }
    let (at, operator) = found?;
    Some(Comparison { left: text[..at].trim(), operator, right: text[at + operator.len()..].trim() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_the_one_comparison() {
        for (text, expected) in [
            ("a == b", Some(("a", "==", "b"))),
            ("twin.reported.t != before.t", Some(("twin.reported.t", "!=", "before.t"))),
            ("f(a < b) >= x[1 == 2]", Some(("f(a < b)", ">=", "x[1 == 2]"))),
            ("'a == b' == c", Some(("'a == b'", "==", "c"))),
            ("a + 1 < 2", Some(("a + 1", "<", "2"))),
            ("a == b and c", None),
            ("a == b && c", None),
            ("not a == b", None),
            ("!a == b", None),
            ("a", None),
            ("a == b == c", None),
            ("a in b", None),
            ("list.some(|x| x == 1)", None),
            ("a ?? 1 == 2", Some(("a ?? 1", "==", "2"))),
        ] {
            let found = comparison(text).map(|found| (found.left, found.operator, found.right));
            assert_eq!(found, expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a-c()<>=!&| '`${}é\\[\\]]{0,30}") {
            let _ = comparison(&text);
        }
    }
}
