//! A run as the command line asks for it: variables, questions, options, and what makes `--watch` run again.

mod ask;
mod changes;
mod consent;
mod journal;
mod options;
mod past;
mod perform;
mod read;
mod reports;
mod vars;

pub(crate) use ask::{allowed, terminal};
pub(crate) use changes::Changes;
pub(crate) use consent::consent;
pub(crate) use journal::{journal, journal_trouble};
pub(crate) use options::{RUNS, options};
pub(crate) use past::PastRun;
pub(crate) use perform::{Loaded, load, perform, reporters};
pub(crate) use read::{check, check_script, program, read};
pub(crate) use reports::{reported, reports};
pub(crate) use vars::parse as variables;
