//! A named text and places in it: what a diagnostic points at.

use std::sync::Arc;

/// A range of bytes in a [`Source`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The range `start..end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end: end.max(start) }
    }
}

/// A file's name, as the user would type it, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    name: Arc<str>,
    text: Arc<str>,
}

impl Source {
    /// A named text.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// The name, for `name:line:column`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column (in characters), both from 1, of a byte offset; past the end counts as the end.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The byte offset of a line and column (in characters), both from 1; past the end of a line counts as its end.
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let start: usize = self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let text = self.line(line);
        start + text.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(at, _)| at)
    }

    /// A line's text without its end, from 1; empty past the last one.
    pub fn line(&self, line: usize) -> &str {
        self.text.lines().nth(line.saturating_sub(1)).unwrap_or("")
    }

    /// A place in this text.
    pub fn place(&self, span: Span) -> Place {
        Place { source: self.clone(), span }
    }
}

/// Where in which text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The text.
    pub source: Source,
    /// The bytes in it.
    pub span: Span,
}

impl Place {
    /// `name:line:column`, from 1.
    pub fn label(&self) -> String {
        let (line, column) = self.source.position(self.span.start);
        format!("{}:{line}:{column}", self.source.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_and_offsets_bytes() {
        let source = Source::new("a.yaml", "één: 1\ntwee: 2\n");
        assert_eq!(source.position(source.text().find("twee").unwrap()), (2, 1));
        assert_eq!(source.position(5), (1, 4));
        assert_eq!(source.offset(1, 4), 5);
        assert_eq!(source.offset(2, 7), source.text().find('2').unwrap());
        assert_eq!(source.offset(9, 9), source.text().len());
        assert_eq!(source.place(Span::new(5, 6)).label(), "a.yaml:1:4");
        assert_eq!(source.position(1), (1, 1));
    }
}
