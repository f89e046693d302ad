//! Why a command could not do its work: findings for people and the exit code they lead to. Not used for devices that fail; those are data.

use base::{Diagnostic, Diagnostics};

use super::Exit;

/// A command that ended before or instead of its work.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What to say.
    pub(crate) found: Diagnostics,
}

/// What a command returns: how it ended, or why it could not start.
pub(crate) type CommandResult = Result<Exit, Trouble>;

impl Trouble {
    /// Usage or configuration.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::USAGE, Diagnostic::error(message))
    }

    /// A playbook or script that is missing or invalid.
    pub(crate) fn invalid(found: impl Into<Diagnostics>) -> Self {
        Self::new(Exit::INVALID, found)
    }

    /// The machine refused something that should work.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Exit::INTERNAL, Diagnostic::error(message))
    }

    /// Any code with any findings.
    pub(crate) fn new(exit: Exit, found: impl Into<Diagnostics>) -> Self {
        Self { exit, found: found.into() }
    }

    /// With one more help line under the last finding.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        if let Some(last) = self.found.0.pop() {
            self.found.push(last.help(help));
        }
        self
    }

    /// Says it on stderr, masked.
    pub(crate) fn print(&self) {
        super::err(self.found.to_string().trim_end());
    }
}

/// An error and its causes in one sentence.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        // Some errors repeat their cause in their own text.
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}
