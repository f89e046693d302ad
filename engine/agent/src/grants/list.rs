//! The grants of one agent, and what they say to a wish. Links in a grant are followed once, when it is made; links in what a
//! script asks for must end at something that is granted.

use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::open::open;
use super::pattern::{ANY, all_fit, fits, is_wild};

/// Beginnings of variables by which the loader takes other code into a program: whoever may run one program could run any.
const LOADERS: [&str; 2] = ["LD_", "DYLD_"];

/// A longer path is no path on any system that we know.
const LONGEST_PATH: usize = 4096;

/// Everything that scripts may touch. The default is nothing.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    run: Vec<ProgramGrant>,
    read: Vec<PathGrant>,
    upload: Vec<PathGrant>,
    env: Vec<String>,
}

/// A program that scripts may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramGrant {
    /// Its absolute path, as scripts must write it.
    pub program: PathBuf,
    /// A pattern for each argument: `*` is any run of characters, `?` any one; a whole `**` is any number of arguments.
    pub args: Vec<String>,
}

/// A path pattern: as written, and as it is with the links that were there when it was made.
#[derive(Clone, Debug)]
struct PathGrant {
    written: Vec<String>,
    real: Option<Vec<String>>,
}

/// A grant that means nothing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GrantError {
    /// Not from the root on.
    #[error("`{0}` is no absolute path: a grant names its place from `/` on")]
    Relative(String),
    /// With a step up.
    #[error("`{0}` has a `..` in it: write the path that is meant")]
    Up(String),
    /// A program whose name is a pattern.
    #[error("`{0}` names no single program: patterns are for its arguments")]
    WildProgram(String),
    /// Everything at once.
    #[error("`{0}` would grant every file of the machine: name the folders that are meant")]
    Everything(String),
}

/// Why a wish is not granted. Nothing of it says whether a file is there that the script may not know of.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// Not from the root on, or with a step up.
    #[error("`{0}` must be an absolute path without `..`")]
    Form(String),
    /// A program that no grant names.
    #[error("`{0}` may not be run here: no `run` of the agent's configuration names it")]
    Program(String),
    /// A program whose arguments no grant allows.
    #[error("`{0}` may not be run with these arguments: the agent's configuration grants it with others")]
    Arguments(String),
    /// A variable that no grant covers.
    #[error("`{0}` may not be set for a program here: no `env` of the agent's configuration covers it")]
    Variable(String),
    /// A file that no grant covers.
    #[error("`{path}` may not be {what} here: no `{grant}` of the agent's configuration covers it")]
    Path {
        /// As the script wrote it.
        path: String,
        /// `read` or `uploaded`.
        what: &'static str,
        /// The list that it is missing in.
        grant: &'static str,
    },
    /// A granted file that cannot be had.
    #[error("cannot read {path}: {source}")]
    File {
        /// As the script wrote it.
        path: String,
        /// Why.
        source: io::Error,
    },
}

#[derive(Clone, Copy)]
struct Wish {
    what: &'static str,
    grant: &'static str,
}

const READ: Wish = Wish { what: "read", grant: "read" };
const UPLOAD: Wish = Wish { what: "uploaded", grant: "upload" };

impl Grants {
    /// Takes what was configured. Looks at the file system: links of the grants are followed here.
    ///
    /// # Errors
    /// A grant that means nothing, or everything.
    pub fn new(run: Vec<ProgramGrant>, read: &[String], upload: &[String]) -> Result<Self, GrantError> {
        for grant in &run {
            let text = grant.program.to_string_lossy();
            split(&text)?;
            if is_wild(&text) {
                return Err(GrantError::WildProgram(text.into_owned()));
            }
        }
        let paths = |texts: &[String]| texts.iter().map(|text| PathGrant::new(text)).collect::<Result<_, _>>();
        Ok(Self { run, read: paths(read)?, upload: paths(upload)?, env: Vec::new() })
    }

    /// Also grants variables, by patterns of their names, that programs may be given.
    #[must_use]
    pub fn with_env(mut self, names: Vec<String>) -> Self {
        self.env = names;
        self
    }

    /// Whether programs may be given this variable.
    ///
    /// # Errors
    /// No grant covers it, it is no name, or it would load code into the program.
    pub fn may_set(&self, name: &str) -> Result<(), Denied> {
        let is_name = !name.is_empty() && !name.contains(['=', '\0']);
        let loads = LOADERS.iter().any(|prefix| name.starts_with(prefix));
        if is_name && !loads && self.env.iter().any(|pattern| fits(pattern, name)) {
            return Ok(());
        }
        Err(Denied::Variable(name.to_owned()))
    }

    /// Whether a program may be run with these arguments. Its links are not resolved: some programs look at how they are called.
    ///
    /// # Errors
    /// No grant names it so.
    pub fn may_run<S: AsRef<str>>(&self, program: &str, args: &[S]) -> Result<PathBuf, Denied> {
        if split(program).is_err() || program.len() > LONGEST_PATH {
            return Err(Denied::Form(program.to_owned()));
        }
        let path = PathBuf::from(program);
        let mut named = self.run.iter().filter(|grant| grant.program == path).peekable();
        if named.peek().is_none() {
            return Err(Denied::Program(program.to_owned()));
        }
        if named.any(|grant| all_fit(&grant.args, args)) {
            Ok(path)
        } else {
            Err(Denied::Arguments(program.to_owned()))
        }
    }

    /// Whether a file may be read, and where it really is. Touches the file system.
    ///
    /// # Errors
    /// No grant covers it, or it is not there.
    pub fn may_read(&self, path: &str) -> Result<PathBuf, Denied> {
        may(&self.read, path, READ)
    }

    /// Whether a file may be uploaded, and where it really is. Touches the file system.
    ///
    /// # Errors
    /// No grant covers it, or it is not there.
    pub fn may_upload(&self, path: &str) -> Result<PathBuf, Denied> {
        may(&self.upload, path, UPLOAD)
    }

    /// Opens a file to read, if it may be read: a regular file and nothing else. Waits for the disk: not for a lane.
    ///
    /// # Errors
    /// No grant covers it, or it is not there, or no regular file.
    pub fn open_to_read(&self, path: &str) -> Result<File, Denied> {
        granted(&self.read, path, READ)
    }

    /// Opens a file to upload, if it may be uploaded: a regular file and nothing else. Waits for the disk: not for a lane.
    ///
    /// # Errors
    /// No grant covers it, or it is not there, or no regular file.
    pub fn open_to_upload(&self, path: &str) -> Result<File, Denied> {
        granted(&self.upload, path, UPLOAD)
    }
}

fn granted(grants: &[PathGrant], path: &str, wish: Wish) -> Result<File, Denied> {
    let real = may(grants, path, wish)?;
    let (file, opened) = open(&real).map_err(|source| Denied::File { path: path.to_owned(), source })?;
    // Between the look and the opening a folder of the path can have become a link to somewhere else.
    match opened {
        Some(opened) if !covered(grants, &opened) => Err(denied(path, wish)),
        _ => Ok(file),
    }
}

fn may(grants: &[PathGrant], path: &str, wish: Wish) -> Result<PathBuf, Denied> {
    let Ok(parts) = split(path) else { return Err(Denied::Form(path.to_owned())) };
    if path.len() > LONGEST_PATH || path.contains('\0') {
        return Err(Denied::Form(path.to_owned()));
    }
    match std::fs::canonicalize(path) {
        Ok(real) if covered(grants, &real) => Ok(real),
        // What is not there may be said of a place that is granted, and of no other.
        Err(source) if grants.iter().any(|grant| grant.covers(&parts)) => {
            Err(Denied::File { path: path.to_owned(), source })
        }
        _ => Err(denied(path, wish)),
    }
}

fn denied(path: &str, wish: Wish) -> Denied {
    Denied::Path { path: path.to_owned(), what: wish.what, grant: wish.grant }
}

fn covered(grants: &[PathGrant], real: &Path) -> bool {
    let Some(parts) = real.to_str().and_then(|text| split(text).ok()) else { return false };
    !is_process(&parts) && grants.iter().any(|grant| grant.covers(&parts))
}

/// The insides of processes hold their environment and memory, and with them this agent's own key: never, whatever is granted.
fn is_process(parts: &[String]) -> bool {
    match parts {
        [first, second, ..] => first == "proc" && second.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}

impl PathGrant {
    fn new(text: &str) -> Result<Self, GrantError> {
        let written = split(text)?;
        if written.first().is_none_or(|first| first == ANY) {
            return Err(GrantError::Everything(text.to_owned()));
        }
        let fixed = written.iter().take_while(|part| !is_wild(part)).count();
        let place: PathBuf = std::iter::once("/").chain(written[..fixed].iter().map(String::as_str)).collect();
        let real = std::fs::canonicalize(place).ok();
        let real = real.and_then(|real| split(real.to_str()?).ok()).map(|mut real| {
            real.extend_from_slice(&written[fixed..]);
            real
        });
        Ok(Self { real: real.filter(|real| *real != written), written })
    }

    fn covers(&self, parts: &[String]) -> bool {
        std::iter::once(&self.written).chain(&self.real).any(|patterns| all_fit(patterns, parts))
    }
}

/// The names of an absolute path.
fn split(text: &str) -> Result<Vec<String>, GrantError> {
    let path = Path::new(text);
    if !path.is_absolute() {
        return Err(GrantError::Relative(text.to_owned()));
    }
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::ParentDir => return Err(GrantError::Up(text.to_owned())),
            Component::RootDir | Component::Prefix(_) | Component::CurDir => {}
        }
    }
    Ok(parts)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
