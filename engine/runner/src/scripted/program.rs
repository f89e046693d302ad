//! A runner script with the files of its library.

use base::Source;

/// What `iotplay run fix.rhai` runs.
#[derive(Clone, Debug)]
pub struct Program {
    /// The script.
    pub source: Source,
    /// The files of the folder `lib` beside it that it names.
    pub library: Vec<Source>,
}

impl Program {
    /// All of its texts.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.source).chain(&self.library).map(Source::text)
    }
}

impl From<Source> for Program {
    fn from(source: Source) -> Self {
        Self { source, library: Vec::new() }
    }
}
