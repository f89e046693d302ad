//! Cuts source text into words, strings, comments and the rest, the way Rhai's own lexer does, so that a change of
//! spelling never reaches into a string. Knows no grammar; never fails, whatever the text.

use std::ops::Range;

/// What a stretch of source text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A word or a number: letters, digits and underscores.
    Word,
    /// A string's text with its quotes; of a back-tick string, each part between its interpolations.
    Text,
    /// White space and comments.
    Blank,
    /// Any other single character.
    Symbol,
}

/// The pieces of a text in order; together they cover it.
pub(crate) fn pieces(text: &str) -> Vec<(Piece, Range<usize>)> {
    Cutter { text, at: 0, braces: Vec::new(), found: Vec::new() }.run()
}

struct Cutter<'a> {
    text: &'a str,
    at: usize,
    /// For each open `${` of a back-tick string: how many braces are open inside it.
    braces: Vec<usize>,
    found: Vec<(Piece, Range<usize>)>,
}

impl Cutter<'_> {
    fn run(mut self) -> Vec<(Piece, Range<usize>)> {
        while let Some(next) = self.rest().chars().next() {
            let start = self.at;
            let piece = self.piece(next);
            self.found.push((piece, start..self.at));
        }
        self.found
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn piece(&mut self, next: char) -> Piece {
        if next.is_whitespace() || self.rest().starts_with("//") || self.rest().starts_with("/*") {
            self.blank();
            return Piece::Blank;
        }
        if next.is_alphanumeric() || next == '_' {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            self.at += self.rest().find(|c| !word(c)).unwrap_or(self.rest().len());
            return Piece::Word;
        }
        match next {
            '"' | '\'' => self.quoted(next),
            '`' => self.ticked(1),
            '#' if self.raw() => {}
            '}' if self.braces.last() == Some(&0) => {
                self.braces.pop();
                self.ticked(1);
            }
            _ => {
                match (next, self.braces.last_mut()) {
                    ('{', Some(open)) => *open += 1,
                    ('}', Some(open)) => *open -= 1,
                    _ => {}
                }
                self.at += next.len_utf8();
                return Piece::Symbol;
            }
        }
        Piece::Text
    }

    fn blank(&mut self) {
        if self.rest().starts_with("//") {
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        } else if self.rest().starts_with("/*") {
            self.block_comment();
        } else {
            self.at += self.rest().find(|c: char| !c.is_whitespace()).unwrap_or(self.rest().len());
        }
    }

    fn block_comment(&mut self) {
        let mut level = 0;
        while !self.rest().is_empty() {
            if self.rest().starts_with("/*") {
                (level, self.at) = (level + 1, self.at + 2);
            } else if self.rest().starts_with("*/") {
                (level, self.at) = (level - 1, self.at + 2);
                if level == 0 {
                    return;
                }
            } else {
                self.at += self.rest().chars().next().map_or(0, char::len_utf8);
            }
        }
    }

    /// `"text"` or `'text'`: a backslash escapes, a doubled quote is one, an unescaped line end cuts it off.
    fn quoted(&mut self, quote: char) {
        if quote == '\'' && self.rest().starts_with("''") && !self.rest().starts_with("'''") {
            self.at += 2;
            return;
        }
        self.at += 1;
        while let Some(next) = self.rest().chars().next() {
            if next == '\n' {
                return;
            }
            self.at += next.len_utf8();
            if next == '\\' {
                self.at += self.rest().chars().next().map_or(0, char::len_utf8);
            } else if next == quote {
                if !self.rest().starts_with(quote) {
                    return;
                }
                self.at += 1;
            }
        }
    }

    /// A part of a back-tick string: up to its end or to `${`, which is included.
    fn ticked(&mut self, opening: usize) {
        self.at += opening;
        while let Some(next) = self.rest().chars().next() {
            if self.rest().starts_with("\\$") {
                self.at += 2;
                continue;
            }
            if self.rest().starts_with("${") {
                self.at += 2;
                self.braces.push(0);
                return;
            }
            if self.rest().starts_with("``") {
                self.at += 2;
                continue;
            }
            self.at += next.len_utf8();
            if next == '`' {
                return;
            }
        }
    }

    /// `#"raw"#` with any number of hashes; false when this `#` starts something else.
    fn raw(&mut self) -> bool {
        let hashes = self.rest().len() - self.rest().trim_start_matches('#').len();
        if !self.rest()[hashes..].starts_with('"') {
            return false;
        }
        let end = format!("\"{}", "#".repeat(hashes));
        let body = self.at + hashes + 1;
        self.at = self.text[body..].find(&end).map_or(self.text.len(), |at| body + at + end.len());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<&str> {
        pieces(text).into_iter().filter(|(piece, _)| *piece == Piece::Word).map(|(_, at)| &text[at]).collect()
    }

    #[test]
    fn words_are_found_outside_of_strings_and_comments_only() {
        for (text, expected) in [
            ("a and b", vec!["a", "and", "b"]),
            (r#""and" or 'or'"#, vec!["or"]),
            (r#""a\"and" x"#, vec!["x"]),
            (r#""a""and" x"#, vec!["x"]),
            ("'it''s and' x", vec!["x"]),
            ("'' x", vec!["x"]),
            ("a // and\nb /* or /* not */ or */ c", vec!["a", "b", "c"]),
            ("`and ${a + `or ${b}`} not` c", vec!["a", "b", "c"]),
            ("`x ${ #{ a: 1 } } y` z", vec!["a", "1", "z"]),
            (r###"#"and " or"# x ##"a "# b"## y"###, vec!["x", "y"]),
            ("\"open\nx", vec!["x"]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn pieces_cover_any_text(text in "[a-z \"'`#{}$\\\\/*\\né]{0,60}") {
            let mut at = 0;
            for (_, range) in pieces(&text) {
                prop_assert_eq!(range.start, at);
                prop_assert!(range.end > range.start);
                at = range.end;
            }
            prop_assert_eq!(at, text.len());
        }
    }
}
