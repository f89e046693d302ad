//! The built binary, run in a folder with an environment that holds nothing of the tester's own hubs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::{Ended, Program};

/// The longest that a command which should end by itself may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Variables that would lead a program to somebody's real hub, or change what it prints.
const FOREIGN: [&str; 7] = [
    "IOTHUB_CONNECTION_STRING",
    "IOTHUB_DEVICE_CONNECTION_STRING",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NO_COLOR",
    "GITHUB_STEP_SUMMARY",
    "RUST_BACKTRACE",
];

/// The binary in one folder.
#[derive(Clone, Debug)]
pub struct Iotplay {
    binary: PathBuf,
    folder: PathBuf,
    variables: Vec<(String, String)>,
}

impl Iotplay {
    /// The binary (`env!("CARGO_BIN_EXE_iotplay")`) run in a folder.
    pub fn new(binary: &str, folder: &Path) -> Self {
        Self { binary: PathBuf::from(binary), folder: folder.to_owned(), variables: Vec::new() }
    }

    /// The same with one more environment variable.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.variables.push((name.to_owned(), value.to_owned()));
        other
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The binary's path.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// A command, not started yet.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(&self.folder);
        clean(&mut command);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it and lets it run.
    pub fn start(&self, arguments: &[&str]) -> Program {
        Program::start(&format!("iotplay {}", arguments.join(" ")), &mut self.command(arguments))
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it does not end within a minute and a half.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end(PATIENCE)
    }
}

/// Takes out of a command's environment what is not the test's own.
pub(crate) fn clean(command: &mut Command) {
    for name in FOREIGN {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("IOTPLAY_") {
            command.env_remove(name);
        }
    }
}
