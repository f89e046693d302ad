//! The plugin: which verbs `flow` brings.

use std::rc::Rc;

use runner::{Action, Plugin};

use crate::{approve, assert, fail, include, log, save, script, set, sleep, wait_until};

/// `wait_until sleep assert set fail log save script include approve`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flow;

impl Plugin for Flow {
    fn name(&self) -> &'static str {
        "flow"
    }

    fn actions(&self) -> Vec<Rc<dyn Action>> {
        vec![
            wait_until::verb(),
            sleep::verb(),
            assert::verb(),
            set::verb(),
            fail::verb(),
            log::verb(),
            save::verb(),
            approve::verb(),
            include::verb(),
            script::verb(),
        ]
    }
}
