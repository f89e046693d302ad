//! Says things to all reporters.

use std::rc::Rc;

use base::Diagnostic;

use crate::{Reporter, RunEvent};

/// All who listen to the run.
#[derive(Clone, Copy)]
pub(super) struct Events<'a>(pub(super) &'a [Rc<dyn Reporter>]);

impl Events<'_> {
    pub(super) fn say(&self, event: &RunEvent) {
        for reporter in self.0 {
            reporter.on(event);
        }
    }

    pub(super) fn stopped(&self, diagnostic: Diagnostic) {
        self.say(&RunEvent::Stopped { diagnostic: Box::new(diagnostic) });
    }

    pub(super) fn tick(&self) {
        for reporter in self.0 {
            reporter.tick();
        }
    }
}
