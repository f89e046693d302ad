//! What all cases of a run share: the host of the scripts, the expressions of the files, and the clock that both see.

use std::sync::Arc;

use base::{Clock, Diagnostics, Source};
use script::{Expressions, ScriptHost};

use super::case::{Case, CaseFile};
use super::clock::Hand;
use super::play::{CaseOutcome, play};
use super::read::read;
use crate::config::ScriptPlace;
use crate::scripts::{self, Scripts};

/// Reads cases and plays them. Cases are played one after the other: they share a clock.
#[derive(Debug)]
pub struct Rehearsal {
    host: ScriptHost,
    pub(super) expressions: Expressions,
    pub(super) clock: Clock,
    pub(super) hand: Hand,
}

/// Scripts that are loaded.
#[derive(Clone, Debug)]
pub struct Cast(pub(super) Arc<Scripts>);

impl Rehearsal {
    /// Ready for files.
    pub fn new() -> Self {
        let (clock, hand) = Hand::new();
        Self { host: scripts::host(&clock), expressions: Expressions::new(&clock), clock, hand }
    }

    /// Reads a file of cases.
    ///
    /// # Errors
    /// Each mistake with its place.
    pub fn read(&self, source: &Source) -> Result<CaseFile, Diagnostics> {
        read(source, &self.expressions)
    }

    /// Loads scripts as an agent does.
    ///
    /// # Errors
    /// All findings, each with its place.
    pub fn load(&self, place: &ScriptPlace) -> Result<Cast, Diagnostics> {
        scripts::load(&self.host, place).map(|scripts| Cast(Arc::new(scripts)))
    }

    /// Plays a case. Blocks, and starts a runtime of its own: not for a task.
    pub fn play(&self, cast: &Cast, case: &Case) -> CaseOutcome {
        play(self, cast, case)
    }
}

impl Default for Rehearsal {
    fn default() -> Self {
        Self::new()
    }
}
