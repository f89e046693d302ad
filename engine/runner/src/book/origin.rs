//! Where in the file a character of a scalar's value stands: quotes, escapes, folded lines and block indentation lie between
//! the two. Works by walking both texts side by side, so it needs no second YAML parser.

use std::sync::Arc;

use base::Span;

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes.
    Plain,
    /// `'..'`
    Single,
    /// `".."`
    Double,
    /// `|` or `>`: the span starts behind the header and the first indentation.
    Block,
}

impl Style {
    /// The style of a scalar with this value, written at `span`.
    pub(crate) fn of(text: &str, span: Span, value: &str) -> Self {
        let raw = text.get(span.start..span.end).unwrap_or("");
        // Blanks only: a long line is not walked back for each of its values.
        let before = text.get(..span.start).unwrap_or("").trim_end_matches([' ', '\t']);
        let above = before.strip_suffix('\n').map(|above| above.lines().rev().find(|line| !line.trim().is_empty()));
        if above.flatten().is_some_and(is_header) {
            return Self::Block;
        }
        // No plain scalar begins with a quote.
        match raw.as_bytes() {
            [b'"', _, ..] => Self::Double,
            [b'\'', _, ..] => Self::Single,
            _ if !value.is_empty() && raw.is_empty() => Self::Block,
            _ => Self::Plain,
        }
    }
}

/// Whether a line ends with the header of a block scalar: `key: |-  # why`.
fn is_header(line: &str) -> bool {
    let line = line.split(" #").next().unwrap_or(line).trim_end();
    let word = line.rsplit([' ', '\t']).next().unwrap_or(line);
    word.strip_prefix(['|', '>']).is_some_and(|rest| rest.chars().all(|c| matches!(c, '+' | '-' | '0'..='9')))
}

/// The way from a byte of a scalar's value to a byte of the file.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    span: Span,
    /// The file's byte for each byte of the value and for its end; nothing when the value is `code`'s, not a file's.
    bytes: Option<Arc<[usize]>>,
}

impl Origin {
    /// The origin of a scalar of `value` that was written at `span` of `text`.
    pub(crate) fn new(text: &str, span: Span, value: &str) -> Self {
        let raw = text.get(span.start..span.end).unwrap_or("");
        let style = Style::of(text, span, value);
        let bytes = (!raw.is_empty()).then(|| walk(raw, value, style).map(|at| at + span.start).collect());
        Self { span, bytes }
    }

    /// An origin that knows only the whole.
    pub(crate) fn whole(span: Span) -> Self {
        Self { span, bytes: None }
    }

    /// The bytes of the file that `start..end` of the value was written with.
    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        let Some(bytes) = &self.bytes else { return self.span };
        let last = bytes.len() - 1;
        Span::new(bytes[start.min(last)], bytes[end.min(last)])
    }
}

/// For each byte of `value`, and for its end, the byte of `raw` that it comes from: never decreasing, never past the end.
fn walk(raw: &str, value: &str, style: Style) -> impl Iterator<Item = usize> {
    let mut bytes = Vec::with_capacity(value.len() + 1);
    let mut at = usize::from(matches!(style, Style::Single | Style::Double));
    for c in value.chars() {
        at = seek(raw, at, c, style);
        // Every byte of one character points at its first byte in the file, save where they are written alike.
        let alike = raw[at..].starts_with(c);
        bytes.extend((0..c.len_utf8()).map(|index| if alike { at + index } else { at }));
        at = past(raw, at, c, style);
    }
    bytes.push(at);
    bytes.into_iter()
}

/// Skips what the value does not have: indentation, line ends that were folded, the backslash of an escaped line end.
fn seek(raw: &str, mut at: usize, c: char, style: Style) -> usize {
    if c == '\n' {
        // A kept line end, or a blank line between folded ones: what stands before it is trailing blanks.
        let blanks = raw[at..].len() - raw[at..].trim_start_matches([' ', '\t', '\r']).len();
        return if raw[at + blanks..].starts_with('\n') { at + blanks } else { at };
    }
    if c == ' ' {
        return at;
    }
    loop {
        let rest = &raw[at..];
        if rest.starts_with(c) {
            return at;
        }
        if style == Style::Double && rest.starts_with("\\\n") {
            at += 2;
        } else if rest.starts_with([' ', '\t', '\r', '\n']) {
            at += 1;
        } else {
            return at;
        }
    }
}

/// Where the next character starts.
fn past(raw: &str, at: usize, c: char, style: Style) -> usize {
    let rest = &raw[at..];
    let length = if style == Style::Double && rest.starts_with('\\') {
        escape(rest)
    } else if style == Style::Single && rest.starts_with("''") && c == '\'' {
        2
    } else {
        // A folded line end is a space in the value and a line end in the file: both are one character.
        rest.chars().next().map_or(0, char::len_utf8)
    };
    let mut end = (at + length).min(raw.len());
    while !raw.is_char_boundary(end) {
        end += 1;
    }
    end
}

/// How long an escape is, its backslash included.
fn escape(rest: &str) -> usize {
    match rest.as_bytes().get(1) {
        Some(b'x') => 4,
        Some(b'u') => 6,
        Some(b'U') => 10,
        Some(_) => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(raw: &str, value: &str, part: &str) -> String {
        let text = format!("key: {raw}\n");
        // The parser's spans of block scalars start behind the header and the first indentation.
        let block = raw.starts_with(['|', '>']);
        let lead = if block { raw.find('\n').unwrap() + 5 } else { 0 };
        let origin = Origin::new(&text, Span::new(5 + lead, 5 + raw.len()), value);
        let start = value.find(part).expect("the part is in the value");
        let span = origin.span(start, start + part.len());
        text[span.start..span.end].to_owned()
    }

    #[test]
    fn finds_parts_in_every_style() {
        for (raw, value, part) in [
            ("a == b", "a == b", "b"),
            ("'it''s == b'", "it's == b", "b"),
            (r#""a\t\"b\" \u00e9 == c""#, "a\t\"b\" é == c", "c"),
            ("|\n    one\n    two == b\n", "one\ntwo == b\n", "two == b"),
            ("|-\n    if a {\n      b\n    }\n", "if a {\n  b\n}", "b"),
            (">\n    one\n    two\n\n    three\n", "one two\nthree\n", "three"),
            ("one\n    two three", "one two three", "three"),
            ("\"one\\\n    two\"", "onetwo", "two"),
            ("|\n    \"a\" == b\n", "\"a\" == b\n", "\"a\" == b"),
            ("'\"a\" == b'", "\"a\" == b", "\"a\" == b"),
            ("é == b", "é == b", "b"),
        ] {
            assert_eq!(found(raw, value, part), part, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn stays_inside_whatever_the_texts_are(raw in "[ \\\\'\"|>a-cé\n]{0,40}", value in "[ '\"a-cé\n]{0,40}") {
            let origin = Origin::new(&raw, Span::new(0, raw.len()), &value);
            for start in 0..=value.len() {
                let span = origin.span(start, value.len());
                prop_assert!(span.start <= span.end && span.end <= raw.len());
            }
        }
    }
}
