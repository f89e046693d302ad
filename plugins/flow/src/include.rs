//! `include: file`: the steps of another file, beside the file that names it. Read with the playbook and run in the step's place;
//! what stands beside it (`vars`, `when`, `loop`) is for all of them.

use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use runner::book::{Check, Node};
use runner::{Action, Class, Failure, Outcome, Ready, StepContext};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::verb::{Parameters, Verb};

/// Which file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Include {
    /// A file that holds a list of steps, looked for beside the file that names it.
    file: Arc<str>,
}

pub(crate) fn verb() -> Rc<dyn Action> {
    Rc::new(Verb::<Include>::new("include", "runs the steps of another file", Some("file")).on_runner())
}

impl Parameters for Include {
    fn ready(self, node: &Node, check: &mut Check<'_>) -> Option<Box<dyn Ready>> {
        check.file(&self.file, node.get("file").unwrap_or(node).span)?;
        Some(Box::new(self))
    }
}

impl Ready for Include {
    fn run<'a>(&'a self, _: &'a StepContext<'a>) -> LocalBoxFuture<'a, Outcome> {
        // The book has put the file's steps in its place.
        let message = "`include` stands in a playbook only";
        Box::pin(async move { Failure::new(Class::Failed, message).into() })
    }

    fn includes(&self) -> Option<Arc<str>> {
        Some(Arc::clone(&self.file))
    }
}
