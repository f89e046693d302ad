//! Says things to all reporters.

use std::rc::Rc;

use base::Diagnostic;

use crate::{Reporter, RunEvent};

/// All who listen to the run.
#[derive(Clone, Copy)]
pub(crate) struct Events<'a>(pub(crate) &'a [Rc<dyn Reporter>]);

impl Events<'_> {
    pub(crate) fn say(&self, event: &RunEvent) {
        for reporter in self.0 {
            reporter.on(event);
        }
    }

    /// Whether somebody wants to hear what happened before an interruption.
    pub(super) fn wants_past(&self) -> bool {
        self.0.iter().any(|reporter| reporter.wants_past())
    }

    /// Says it to those who want to hear it.
    pub(super) fn earlier(&self, event: RunEvent) {
        let event = RunEvent::Earlier(Box::new(event));
        self.0.iter().filter(|reporter| reporter.wants_past()).for_each(|reporter| reporter.on(&event));
    }

    pub(crate) fn stopped(&self, diagnostic: Diagnostic) {
        self.say(&RunEvent::Stopped { diagnostic: Box::new(diagnostic) });
    }

    pub(super) fn tick(&self) {
        for reporter in self.0 {
            reporter.tick();
        }
    }
}
