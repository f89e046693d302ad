//! Programs of others that read our reports: an XML Schema validator in Python and a browser's document in Node, in environments
//! made once under `target/` as those of the SDKs are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::Program;
use crate::binary::clean;
use crate::sdk::{environment, found, run};

/// The validator.
const PYTHON_PACKAGES: [&str; 1] = ["xmlschema==4.3.2"];

/// The document; later versions want a Node that is newer than those in use.
const NODE_PACKAGES: [&str; 1] = ["jsdom@26.1.0"];

/// A language with what it needs to read a kind of report.
#[derive(Clone, Debug)]
pub struct Reader {
    interpreter: PathBuf,
    /// Where Node looks for packages.
    packages: Option<PathBuf>,
}

impl Reader {
    /// A program of `tests/stories/reading/`, with arguments.
    pub fn program(&self, file: &str, arguments: &[&str]) -> Program {
        let mut command = Command::new(&self.interpreter);
        clean(&mut command);
        if let Some(packages) = &self.packages {
            command.env("NODE_PATH", packages);
        }
        command.arg(Self::folder().join(file)).args(arguments);
        Program::start(file, &mut command)
    }

    /// The folder of the programs.
    pub fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../stories/reading")
    }
}

/// Python with an XML Schema validator; `None` (after a loud line) where it cannot be had.
///
/// # Panics
/// In CI, where it cannot be had.
pub fn xml_reader(binary: &Path) -> Option<Reader> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        environment(binary, "xml", &PYTHON_PACKAGES, |folder| {
            run("python3 -m venv", Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
            run("pip install", Command::new(folder.join("bin/python")).args(pip).args(PYTHON_PACKAGES))
        })
    });
    let folder = found("an XML Schema validator", made)?;
    Some(Reader { interpreter: folder.join("bin/python"), packages: None })
}

/// Node with a browser's document; `None` (after a loud line) where it cannot be had.
///
/// # Panics
/// In CI, where it cannot be had.
pub fn page_reader(binary: &Path) -> Option<Reader> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        environment(binary, "page", &NODE_PACKAGES, |folder| {
            run("node --version", Command::new("node").arg("--version"))?;
            fs::write(folder.join("package.json"), "{\"private\":true}").map_err(|error| error.to_string())?;
            let npm = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
            run("npm install", Command::new("npm").current_dir(folder).args(npm).args(NODE_PACKAGES))
        })
    });
    let folder = found("a document for pages", made)?;
    Some(Reader { interpreter: "node".into(), packages: Some(folder.join("node_modules")) })
}
