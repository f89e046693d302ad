//! What `--report` asks for: `junit=FILE`, `html=FILE`.

use std::path::PathBuf;
use std::str::FromStr;

/// The kinds of reports that go to a file of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportKind {
    /// XML for CI servers.
    Junit,
    /// A page for people.
    Html,
}

impl ReportKind {
    const ALL: [Self; 2] = [Self::Junit, Self::Html];

    /// As it stands in `--report`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Junit => "junit",
            Self::Html => "html",
        }
    }
}

/// A report, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFile {
    /// Which one.
    pub kind: ReportKind,
    /// Its file; folders on the way are created.
    pub path: PathBuf,
}

impl FromStr for ReportFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words = ReportKind::ALL.map(ReportKind::word);
        let (word, path) = text.split_once('=').unwrap_or((text, ""));
        let Some(kind) = ReportKind::ALL.into_iter().find(|kind| kind.word() == word) else {
            let near = base::did_you_mean(word, words).map(|near| format!(": did you mean `{near}`?"));
            let near = near.unwrap_or_else(|| format!("; there are {}", words.join(", ")));
            return Err(format!("no report `{word}`{near}"));
        };
        if path.is_empty() {
            return Err(format!("which file? `{word}=FILE`"));
        }
        Ok(Self { kind, path: path.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_and_a_file() {
        let parsed: ReportFile = "junit=out/a=b.xml".parse().unwrap();
        assert_eq!((parsed.kind, parsed.path), (ReportKind::Junit, "out/a=b.xml".into()));
        for (text, expected) in [
            ("junti=x", "no report `junti`: did you mean `junit`?"),
            ("pdf=x", "no report `pdf`; there are junit, html"),
            ("html", "which file? `html=FILE`"),
            ("html=", "which file? `html=FILE`"),
        ] {
            assert_eq!(text.parse::<ReportFile>().unwrap_err(), expected);
        }
    }
}
