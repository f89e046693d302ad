//! What is wrong, where, and how to mend it: the one shape of every message that names a place in a user's file.

use std::fmt;

use crate::{Mask, Place};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a look; nothing is stopped by it.
    Warning,
    /// Must be mended.
    Error,
}

/// One finding. Printed as
/// ```text
/// error: unknown key `nme`
///  --> playbooks/reboot.yaml:3:5
/// 3 |   - nme: x
///   |     ^^^ not a key of a step
/// help: did you mean `name`?
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The first word of the first line: `error`, `warning`, or an outcome such as `unreachable`.
    pub label: String,
    /// The rest of the first line.
    pub message: String,
    /// Where; none for what has no place in a file.
    pub place: Option<Place>,
    /// Words beside the caret.
    pub note: Option<String>,
    /// Lines that say how to mend it, without their `help: `.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            label: "error".into(),
            message: message.into(),
            place: None,
            note: None,
            help: Vec::new(),
        }
    }

    /// A warning without a place.
    pub fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, label: "warning".into(), ..Self::error(message) }
    }

    /// With another first word, such as an outcome's.
    #[must_use]
    pub fn labelled(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// At a place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// With words beside the caret.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// With one more help line; an empty one is left out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        let help = help.into();
        if !help.is_empty() {
            self.help.push(help);
        }
        self
    }

    fn snippet(&self, place: &Place, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = place.source.position(place.span.start);
        let text = place.source.line(line);
        let width = line.to_string().len();
        let on_line = place.source.text()[place.span.start.min(place.source.text().len())..]
            .get(..place.span.end.saturating_sub(place.span.start))
            .map_or(1, |marked| marked.lines().next().unwrap_or("").chars().count())
            .max(1);
        let indent: String = text.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        writeln!(f, "{:width$}--> {}", "", place.label())?;
        writeln!(f, "{line} | {text}")?;
        let note = self.note.as_deref().unwrap_or("");
        let caret = format!("{:width$} | {indent}{} {note}", "", "^".repeat(on_line));
        writeln!(f, "{}", caret.trim_end())
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.label, self.message)?;
        if let Some(place) = &self.place {
            self.snippet(place, f)?;
        } else if let Some(note) = &self.note {
            writeln!(f, "note: {note}")?;
        }
        for help in &self.help {
            writeln!(f, "help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

/// All findings about a file, in the order of their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Whether any finding is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|found| found.severity == Severity::Error)
    }

    /// Nothing found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            f.write_str(&Mask::process().apply(&diagnostic.to_string()))?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

/// The candidate closest to what was typed, when it is close enough to be a slip of the hand.
pub fn did_you_mean<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (typed.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&typed.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, Span};

    #[test]
    fn shows_place_caret_and_help() {
        let source = Source::new("p.yaml", "name: x\nsteps:\n  - nme: y\n");
        let at = source.text().find("nme").unwrap();
        let shown = Diagnostic::error("unknown key `nme`")
            .at(source.place(Span::new(at, at + 3)))
            .note("not a key of a step")
            .help("did you mean `name`?");
        let expected = "error: unknown key `nme`\n --> p.yaml:3:5\n3 |   - nme: y\n  |     ^^^ not a key of a step\nhelp: did you mean `name`?\n";
        assert_eq!(shown.to_string(), expected);
    }

    #[test]
    fn a_place_past_the_end_still_prints() {
        let source = Source::new("p.yaml", "é");
        let shown = Diagnostic::error("cut off").at(source.place(Span::new(99, 120))).to_string();
        assert!(shown.contains("p.yaml:1:2"), "{shown}");
    }

    #[test]
    fn suggests_only_what_is_close() {
        let keys = ["name", "when", "register", "timeout"];
        assert_eq!(did_you_mean("nme", keys), Some("name"));
        assert_eq!(did_you_mean("registre", keys), Some("register"));
        assert_eq!(did_you_mean("payload", keys), None);
    }
}
