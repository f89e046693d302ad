//! Turns our spellings into Rhai's without moving a character: `and` to `&&`, `or` to `||`, `null` to `()`, `not` to an
//! operator of ours, `not in` to `!in`, and `'text'` to `"text"`. Positions in errors are therefore those of the user's text.

use std::ops::Range;

use super::{Piece, pieces};

/// `not`, as an operator with `()` before it: so it binds looser than `==` and tighter than `and`, as people read it.
pub(crate) const NOT: &str = "@";
/// Tight `not`, after an operator such as `==`.
const TIGHT_NOT: &str = "!  ";
const LOOSE_NOT: &str = "()@";

/// The text in Rhai's own spelling, of the same length.
pub(crate) fn rewrite(text: &str) -> String {
    let pieces: Vec<_> = pieces(text).into_iter().filter(|(piece, _)| *piece != Piece::Blank).collect();
    let mut changed = text.to_owned();
    let mut index = 0;
    while index < pieces.len() {
        let (piece, at) = &pieces[index];
        let word = &text[at.clone()];
        let mut last = index;
        match (piece, word) {
            (Piece::Text, text) if plain(text) => {
                changed.replace_range(at.start..at.start + 1, "\"");
                changed.replace_range(at.end - 1..at.end, "\"");
            }
            (Piece::Word, "and" | "or" | "null" | "not") if !is_name(text, &pieces, index) => {
                last = respell(text, &mut changed, &pieces, index);
            }
            _ => {}
        }
        index = last + 1;
    }
    changed
}

type Pieces = [(Piece, Range<usize>)];

/// Whether a `'text'` means the same between double quotes. The others reach Rhai's lexer as they are; see `setup`.
fn plain(text: &str) -> bool {
    let inner = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    inner.is_some_and(|inner| !inner.contains(['"', '\'']))
}

/// Puts `with` at the start of the range and fills the rest with spaces: the length stays.
fn replace(text: &mut String, at: &Range<usize>, with: &str) {
    text.replace_range(at.clone(), &format!("{with:width$}", width = at.len()));
}

/// Whether the word is a property (`x.not`), a key (`#{ null: 1 }`) or a function's name (`or(..)` stays an operator).
fn is_name(text: &str, pieces: &Pieces, index: usize) -> bool {
    let symbol = |index: Option<usize>| index.and_then(|at| pieces.get(at)).map_or("", |(_, at)| &text[at.clone()]);
    let before = symbol(index.checked_sub(1));
    let range = symbol(index.checked_sub(2)) == ".";
    let after_colon = symbol(Some(index + 1)) == ":" && symbol(Some(index + 2)) != ":";
    (before == "." && !range) || after_colon
}

/// Respells one word; gives the index of the last piece used.
fn respell(text: &str, changed: &mut String, pieces: &Pieces, index: usize) -> usize {
    let at = &pieces[index].1;
    let next = pieces.get(index + 1);
    match &text[at.clone()] {
        "and" => replace(changed, at, "&&"),
        "or" => replace(changed, at, "||"),
        "null" => replace(changed, at, "()"),
        _ => match next {
            Some((_, after)) if &text[after.clone()] == "in" => {
                replace(changed, at, "!in");
                replace(changed, after, "");
                return index + 1;
            }
            // Two of them cancel out.
            Some((_, after)) if &text[after.clone()] == "not" && !is_name(text, pieces, index + 1) => {
                replace(changed, at, "");
                replace(changed, after, "");
                return index + 1;
            }
            _ => replace(changed, at, if after_operator(text, pieces, index) { TIGHT_NOT } else { LOOSE_NOT }),
        },
    }
    index
}

/// Whether an operator that binds tighter than `not` stands before the word: `a == not b`.
fn after_operator(text: &str, pieces: &Pieces, index: usize) -> bool {
    let Some((_, before)) = index.checked_sub(1).map(|at| &pieces[at]) else { return false };
    let earlier = &text[..before.end];
    ["==", "!=", "<=", ">=", "??"].iter().any(|operator| earlier.ends_with(operator))
        || (earlier.ends_with(['<', '>', '+', '-', '*', '/', '%']) && !earlier.ends_with("=>"))
        || &text[before.clone()] == "in"
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn respells_operators_and_nothing_else() {
        for (text, expected) in [
            ("a and b", "a &&  b"),
            ("a or null", "a || ()  "),
            ("not a == b", "()@ a == b"),
            ("a == not b", "a == !   b"),
            ("x = not b", "x = ()@ b"),
            ("a and not b", "a &&  ()@ b"),
            ("a => not b", "a => ()@ b"),
            ("not not a", "        a"),
            ("a not in b", "a !in    b"),
            ("x.not", "x.not"),
            ("x.and.or", "x.and.or"),
            ("#{ null: null }", "#{ null: ()   }"),
            ("'' == 'and'", "\"\" == \"and\""),
            ("'it''s' + 'a \"b\"' + '\\''", "'it''s' + 'a \"b\"' + '\\''"),
            ("android notes", "android notes"),
            ("`${not a} and`", "`${()@ a} and`"),
            ("a /* and */ and b", "a /* and */ &&  b"),
        ] {
            assert_eq!(rewrite(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn keeps_length_and_lines(text in "(and |or |not |null|in |[a-z.:#{}'\"`$ \\né=!<>]){0,24}") {
            let changed = rewrite(&text);
            prop_assert_eq!(changed.len(), text.len());
            let ends = |text: &str| text.match_indices('\n').map(|(at, _)| at).collect::<Vec<_>>();
            prop_assert_eq!(ends(&changed), ends(&text));
            prop_assert_eq!(changed.chars().count(), text.chars().count());
        }
    }
}
