//! What the command line says about a run, and what a run comes to. No behaviour: the defaults and the words only.

use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use base::{Clock, Seed};
use futures_util::future::LocalBoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{Counts, Journal};

/// Asks a person before the first changing call, or for an approval; `None` is "no answer" (end of input).
pub type Confirm = Rc<dyn Fn(Question) -> LocalBoxFuture<'static, Option<String>>>;

/// Looks up an environment variable.
pub type Environment = Rc<dyn Fn(&str) -> Option<String>>;

/// A variable given by `-e`.
#[derive(Clone, Debug, PartialEq)]
pub enum ExtraVar {
    /// `-e k=v`: takes the type of the default in `vars`, else it is text.
    Text(String),
    /// From `-e '{..}'` or `-e @file`: typed already.
    Value(Value),
}

/// What a person is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The hub's title.
    pub hub: String,
    /// How many devices; zero for an approval.
    pub devices: usize,
    /// The first ids, at most five.
    pub first: Vec<Arc<str>>,
    /// The changing verbs, each once, in the order of the playbook.
    pub verbs: Vec<&'static str>,
    /// For an approval: the sentence to be answered with `y`.
    pub approve: Option<String>,
}

impl Question {
    /// The answer that lets the run go on: `y` for one device or an approval, the number for more.
    pub fn expected(&self) -> String {
        if self.devices <= 1 { "y".to_owned() } else { self.devices.to_string() }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = &self.approve {
            return write!(f, "{text} Type y to go on:");
        }
        let ids = self.first.join(", ");
        let more = if self.devices > self.first.len() { ", .." } else { "" };
        let (devices, answer) = match self.devices {
            1 => ("1 device".to_owned(), "y".to_owned()),
            n => (format!("{n} devices"), format!("{n} (the number of devices)")),
        };
        write!(
            f,
            "{} will be called on {devices} of {}: {ids}{more}\nType {answer} to go on:",
            self.verbs.join(", "),
            self.hub
        )
    }
}

/// How a run is to go: one value per flag of the command line.
#[derive(Clone)]
pub struct RunOptions {
    /// The run's id, for correlation, events and the journal.
    pub run: Arc<str>,
    /// `-l`: ids and globs (`press-*`, `line-[ab]-?`); `!` before one takes devices out.
    pub limit: Vec<String>,
    /// Exactly these devices of those that a play means, or of the hub where it means none in particular (`retry`).
    pub only: Option<Vec<String>>,
    /// `-q`: a condition in the inventory's words.
    pub query: Option<String>,
    /// `--all`: every device, said on purpose.
    pub all: bool,
    /// `-e`, in the order given; a later one wins.
    pub vars: Vec<(String, ExtraVar)>,
    /// `-f`: calls in flight; wins over the play's `forks`.
    pub forks: Option<usize>,
    /// Calls that can be in flight at most, where each needs a connection of its own; more is an error.
    pub most_forks: Option<usize>,
    /// `-t`: only steps with one of these tags.
    pub tags: Vec<String>,
    /// `--skip-tags`.
    pub skip_tags: Vec<String>,
    /// `-C`: nothing that changes is sent.
    pub check: bool,
    /// `--fail-on-change`: with `check`, a change that would be made is exit code 4.
    pub fail_on_change: bool,
    /// `--allow-empty`: no device matched is not an error.
    pub allow_empty: bool,
    /// `--yes`: do not ask.
    pub yes: bool,
    /// How to ask; none when there is no terminal.
    pub confirm: Option<Confirm>,
    /// Where `save` writes.
    pub files: PathBuf,
    /// The folder of the locks of `concurrency`.
    pub locks: PathBuf,
    /// Root of all randomness of the run.
    pub seed: Seed,
    /// Wall time.
    pub clock: Clock,
    /// Looks up an environment variable for `env:` and `secrets:`.
    pub env: Environment,
    /// Where calls are written before they are sent; none: nothing is kept, and nothing can be resumed.
    pub journal: Option<Rc<Journal>>,
    /// Ends the run: running calls are dropped, the recap says so.
    pub cancel: CancellationToken,
}

impl RunOptions {
    /// Defaults for a run of this id, writing to this folder: the process's clock and environment, a fresh seed, nobody to ask.
    pub fn new(run: impl Into<Arc<str>>, files: impl Into<PathBuf>) -> Self {
        Self {
            run: run.into(),
            limit: Vec::new(),
            only: None,
            query: None,
            all: false,
            vars: Vec::new(),
            forks: None,
            most_forks: None,
            tags: Vec::new(),
            skip_tags: Vec::new(),
            check: false,
            fail_on_change: false,
            allow_empty: false,
            yes: false,
            confirm: None,
            files: files.into(),
            locks: crate::run::locks_folder().to_owned(),
            seed: Seed::from_os(),
            clock: Clock::system(),
            env: Rc::new(|name| std::env::var(name).ok()),
            journal: None,
            cancel: CancellationToken::new(),
        }
    }
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct RunResult {
    /// The exit code (design: section 4). After a cancellation it is 130; whoever knows the signal puts 143 there.
    pub exit: u8,
    /// Devices of all plays.
    pub counts: Counts,
    /// Why it ended early, if it did.
    pub reason: Option<String>,
    /// Whether the cancellation token ended it.
    pub interrupted: bool,
    /// How it can be gone on with, if it can; only with a journal.
    pub resume: Option<Resume>,
}

/// How a run that has ended for now is gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// `iotplay resume RUN`.
    Plain,
    /// It waits for a person's yes: `iotplay resume RUN --approve`.
    Approve,
}
