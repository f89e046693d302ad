//! The official SDKs, in environments made once under `target/` from the package registries, with pinned versions. Where Python,
//! Node or the registries are missing, the stories that need them are skipped loudly; in CI that is a failure.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::binary::clean;
use crate::{Ended, Program};

/// The Python packages; `six` is imported by `azure-iot-hub`, which forgets to declare it.
const PYTHON_PACKAGES: [&str; 4] =
    ["azure-iot-device==2.14.0", "azure-iot-hub==2.7.0", "azure-storage-blob==12.31.1", "six==1.17.0"];

/// The Node packages.
const NODE_PACKAGES: [&str; 8] = [
    "azure-iot-device@1.18.4",
    "azure-iot-device-mqtt@1.16.4",
    "azure-iothub@1.16.6",
    "azure-iot-provisioning-device@1.9.1",
    "azure-iot-provisioning-device-mqtt@1.8.1",
    "azure-iot-provisioning-service@1.11.2",
    "azure-iot-security-symmetric-key@1.8.2",
    "azure-iot-security-x509@1.7.12",
];

/// Making an environment downloads packages: slow on a bad day, but not for ever.
const DOWNLOAD: Duration = Duration::from_secs(300);

/// A registry may hiccup once.
const TRIES: u32 = 2;

/// An SDK's language and its environment.
#[derive(Clone, Debug)]
pub struct Sdk {
    interpreter: PathBuf,
    programs: PathBuf,
    /// Where Node looks for packages.
    packages: Option<PathBuf>,
}

impl Sdk {
    /// A program of `tests/stories/sdk/<language>/`, with these variables and the CA of the hub that it is to trust.
    pub fn program(&self, file: &str, ca: &Path, variables: &[(&str, &str)]) -> Program {
        let mut command = Command::new(&self.interpreter);
        command.env("PYTHONUNBUFFERED", "1");
        clean(&mut command);
        if let Some(packages) = &self.packages {
            command.env("NODE_PATH", packages);
        }
        for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
            command.env(name, ca);
        }
        if self.packages.is_some() && variables.iter().any(|(name, value)| *name == "SERVICE" && names_a_port(value)) {
            command.arg("--require").arg(self.programs.join("any_port.js"));
        }
        command.arg(self.programs.join(file));
        command.envs(variables.iter().copied());
        let language = self.programs.file_name().unwrap_or_default().to_string_lossy();
        Program::start(&format!("{language}/{file}"), &mut command)
    }
}

/// The Python SDKs; `None` (after a loud line) where they cannot be had.
///
/// # Panics
/// In CI, where they cannot be had.
pub fn python(binary: &Path) -> Option<Sdk> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = PYTHON.get_or_init(|| {
        environment(binary, "python", &PYTHON_PACKAGES, |folder| {
            run("python3 -m venv", Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
            run("pip install", Command::new(folder.join("bin/python")).args(pip).args(PYTHON_PACKAGES))
        })
    });
    let folder = found("the Python SDKs", made)?;
    Some(Sdk { interpreter: folder.join("bin/python"), programs: programs("python"), packages: None })
}

/// The Node SDKs; `None` (after a loud line) where they cannot be had.
///
/// # Panics
/// In CI, where they cannot be had.
pub fn node(binary: &Path) -> Option<Sdk> {
    static NODE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = NODE.get_or_init(|| {
        environment(binary, "node", &NODE_PACKAGES, |folder| {
            run("node --version", Command::new("node").arg("--version"))?;
            fs::write(folder.join("package.json"), "{\"private\":true}").map_err(|error| error.to_string())?;
            let npm = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
            run("npm install", Command::new("npm").current_dir(folder).args(npm).args(NODE_PACKAGES))
        })
    });
    let folder = found("the Node SDKs", made)?;
    Some(Sdk { interpreter: "node".into(), programs: programs("node"), packages: Some(folder.join("node_modules")) })
}

/// Whether a connection string leads to a port that Node's service SDK would not find by itself.
fn names_a_port(connection: &str) -> bool {
    connection.split(';').find_map(|part| part.strip_prefix("HostName=")).is_some_and(|host| host.contains(':'))
}

fn programs(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../stories/sdk").join(language)
}

pub(crate) fn found(what: &str, made: &Result<PathBuf, String>) -> Option<PathBuf> {
    match made {
        Ok(folder) => Some(folder.clone()),
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "{what} cannot be had: {why}");
            eprintln!("SKIPPED: {what} cannot be had: {why}");
            None
        }
    }
}

/// The folder of an environment, made now if it is not there. Test programs that run side by side wait for one another.
pub(crate) fn environment(
    binary: &Path,
    language: &str,
    packages: &[&str],
    make: impl Fn(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let target = binary.ancestors().nth(2).ok_or("the binary is not in a target folder")?;
    let parent = target.join("sdk");
    let folder = parent.join(language);
    let done = parent.join(format!("{language}.done"));
    let wanted = packages.join("\n");
    let text = |error: std::io::Error| error.to_string();
    fs::create_dir_all(&parent).map_err(text)?;
    let lock = File::create(parent.join(format!("{language}.lock"))).map_err(text)?;
    lock.lock().map_err(text)?;
    if fs::read_to_string(&done).is_ok_and(|there| there == wanted) {
        return Ok(folder);
    }
    let mut result = Ok(());
    for _ in 0..TRIES {
        // Half an environment is worse than none.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(text)?;
        result = make(&folder);
        if result.is_ok() {
            fs::write(&done, &wanted).map_err(text)?;
            return Ok(folder);
        }
    }
    result.map(|()| folder)
}

pub(crate) fn run(name: &str, command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_owned();
    let known = Command::new(&program).arg("--version").output();
    known.map_err(|error| format!("{}: {error}", program.to_string_lossy()))?;
    let Ended { code, out, err } = Program::start(name, command).end(DOWNLOAD);
    if code == Some(0) { Ok(()) } else { Err(format!("{name} ended with {code:?}: {out}\n{err}")) }
}
