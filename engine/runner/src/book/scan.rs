//! Finds `${{ expr }}` in a text. Knows braces and quotes, so that `${{ #{ a: "}}" } }}` is one expression; `$${{` is the
//! way to write a literal `${{`. Compiles nothing.

use std::ops::Range;

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Characters as they are.
    Literal(String),
    /// The bytes of an expression, between `${{` and `}}`.
    Code(Range<usize>),
}

/// `${{` at this byte is never closed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unclosed(pub(crate) usize);

/// Whether the text has to be scanned at all.
pub(crate) fn is_template(text: &str) -> bool {
    text.contains("${{")
}

/// The pieces of a text, in order; never two literals in a row, none of them empty.
pub(crate) fn scan(text: &str) -> Result<Vec<Piece>, Unclosed> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${{") {
        let open = at + found;
        literal.push_str(&text[at..open]);
        if literal.ends_with('$') {
            literal.push_str("{{");
            at = open + 3;
            continue;
        }
        let length = close(&text[open + 3..]).ok_or(Unclosed(open))?;
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Code(open + 3..open + 3 + length));
        at = open + 3 + length + 2;
    }
    literal.push_str(&text[at..]);
    if !literal.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// Where the `}}` of an expression stands.
fn close(code: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut quote = None;
    let mut chars = code.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => {
                chars.next();
            }
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth > 0 => depth -= 1,
            (None, '}') if chars.peek().is_some_and(|(_, next)| *next == '}') => return Some(at),
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> Vec<String> {
        let piece = |piece| match piece {
            Piece::Literal(literal) => format!("={literal}"),
            Piece::Code(range) => format!("${}", &text[range]),
        };
        scan(text).unwrap().into_iter().map(piece).collect()
    }

    #[test]
    fn finds_expressions_between_literals() {
        for (text, pieces) in [
            ("", vec!["="]),
            ("plain } }} {{", vec!["=plain } }} {{"]),
            ("${{ a }}", vec!["$ a "]),
            ("${{a}}${{b}}", vec!["$a", "$b"]),
            ("x ${{ #{ a: #{ b: 1 } } }} y", vec!["=x ", "$ #{ a: #{ b: 1 } } ", "= y"]),
            ("${{ '}}' + \"}}\\\"\" }}!", vec!["$ '}}' + \"}}\\\"\" ", "=!"]),
            ("cost: $${{ a }}", vec!["=cost: ${{ a }}"]),
            ("$${{ ${{ a }}", vec!["=${{ ", "$ a "]),
            ("é ${{ 'é' }} é", vec!["=é ", "$ 'é' ", "= é"]),
        ] {
            assert_eq!(shown(text), pieces, "{text}");
        }
    }

    #[test]
    fn says_where_an_open_one_starts() {
        assert_eq!(scan("a ${{ b }"), Err(Unclosed(2)));
        assert_eq!(scan("${{ a }} ${{ '}}"), Err(Unclosed(9)));
        assert_eq!(scan("${{ #{ }}"), Err(Unclosed(0)));
    }

    proptest! {
        #[test]
        fn never_panics_and_keeps_what_is_literal(text in "[${} a'\"\\\\é]{0,30}") {
            if let Ok(pieces) = scan(&text) && !is_template(&text) {
                prop_assert_eq!(pieces, vec![Piece::Literal(text)]);
            }
        }
    }
}
