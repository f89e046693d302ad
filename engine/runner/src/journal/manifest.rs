//! `run.json`: what was run, on which hub, with which options, and the copies of the files. Never a connection string, never a secret.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::record::{holds_secret, masked};
use crate::{ExtraVar, RunOptions};

/// What a run was, as its folder keeps it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunManifest {
    /// The run's id.
    pub run: String,
    /// The version of iotplay that wrote it.
    pub iotplay: String,
    /// When it began, UTC.
    pub at: String,
    /// The playbook or script, as it was found.
    pub file: String,
    /// Whether it is a runner script.
    pub script: bool,
    /// Which hub, and how to find it again.
    pub hub: HubOrigin,
    /// Root of all randomness.
    pub seed: u64,
    /// What the command line said.
    pub options: KeptOptions,
    /// `-e`.
    pub vars: Vec<KeptVar>,
    /// Names of the playbook's steps, as written, in reading order: what step numbers in the journal mean.
    pub steps: Vec<String>,
    /// The copies beside this file.
    pub files: Vec<KeptFile>,
    /// The run that this one tries again.
    pub retry_of: Option<String>,
    /// How the devices of a hub in the process were simulated; for whoever starts such a hub again.
    pub sim: Value,
}

/// A hub, and how it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HubOrigin {
    /// The first line of the run.
    pub title: String,
    /// Host and port.
    pub host: String,
    /// `process`, `folder`, `name`, `environment` or `flag`.
    pub found: String,
    /// The name in `iotplay.yaml`.
    pub name: Option<String>,
}

/// Flags of the command line that a later process needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptOptions {
    /// `-l`.
    pub limit: Vec<String>,
    /// The devices of a `retry`.
    pub only: Option<Vec<String>>,
    /// `-q`.
    pub query: Option<String>,
    /// `--all`.
    pub all: bool,
    /// `-f`.
    pub forks: Option<usize>,
    /// `-t`.
    pub tags: Vec<String>,
    /// `--skip-tags`.
    pub skip_tags: Vec<String>,
    /// `-C`.
    pub check: bool,
    /// `--fail-on-change`.
    pub fail_on_change: bool,
    /// `--out`, made absolute.
    pub out: Option<String>,
}

/// One `-e`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptVar {
    /// The variable.
    pub name: String,
    /// As `key=value`.
    pub text: Option<String>,
    /// As JSON.
    pub value: Option<Value>,
    /// It held a secret's value: whoever resumes gives it again.
    pub withheld: bool,
}

/// A copy of a file that the run uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptFile {
    /// Where it was found, relative to the folder where possible.
    pub name: String,
    /// Where the copy is, relative to the run's folder.
    pub copy: String,
    /// SHA-256 of the text, in hex.
    pub sha256: String,
    /// It is compiled in: the project's folder has none.
    pub built_in: bool,
}

/// A file to be copied.
#[derive(Clone, Debug)]
pub struct Copy {
    /// Where it was found.
    pub name: String,
    /// Its text.
    pub text: String,
    /// It is compiled in.
    pub built_in: bool,
}

/// SHA-256 of a text, in hex.
pub fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl HubOrigin {
    /// A hub in the process that ran: it has ended with it.
    pub const PROCESS: &'static str = "process";
    /// `iotplay hub`, running for the folder.
    pub const FOLDER: &'static str = "folder";
    /// A name of `iotplay.yaml`.
    pub const NAME: &'static str = "name";
    /// The variable that all IoT Hub programs know.
    pub const ENVIRONMENT: &'static str = "environment";
    /// A connection string on the command line.
    pub const FLAG: &'static str = "flag";
}

impl KeptOptions {
    /// The flags of these options.
    pub fn of(options: &RunOptions) -> Self {
        Self {
            limit: options.limit.clone(),
            only: options.only.clone(),
            query: options.query.clone(),
            all: options.all,
            forks: options.forks,
            tags: options.tags.clone(),
            skip_tags: options.skip_tags.clone(),
            check: options.check,
            fail_on_change: options.fail_on_change,
            out: None,
        }
    }
}

impl KeptVar {
    /// A variable as given.
    pub fn of(name: &str, var: &ExtraVar) -> Self {
        let (text, value) = match var {
            ExtraVar::Text(text) => (Some(text.clone()), None),
            ExtraVar::Value(value) => (None, Some(value.clone())),
        };
        Self { name: name.to_owned(), text, value, withheld: false }
    }

    /// As it is to be given again; nothing when it was withheld.
    pub fn var(&self) -> Option<ExtraVar> {
        match (&self.text, &self.value) {
            _ if self.withheld => None,
            (Some(text), _) => Some(ExtraVar::Text(text.clone())),
            (None, value) => Some(ExtraVar::Value(value.clone().unwrap_or_default())),
        }
    }

    fn masked(mut self) -> Self {
        let held = |text: &String| holds_secret(&Value::String(text.clone()));
        if self.text.as_ref().is_some_and(held) || self.value.as_ref().is_some_and(holds_secret) {
            (self.text, self.value, self.withheld) = (None, None, true);
        }
        self
    }
}

impl RunManifest {
    /// Whether a run like this can be gone on with at all: not on a hub that ended with its process.
    pub fn can_be_resumed(&self) -> bool {
        self.hub.found != HubOrigin::PROCESS
    }

    /// As it may be written: secrets that are known by now are not in it.
    pub(super) fn masked(&self) -> Self {
        let mut written = self.clone();
        written.vars = written.vars.into_iter().map(KeptVar::masked).collect();
        written.hub.title = masked(&written.hub.title).into();
        written
    }
}
