//! Where playbooks and handlers are: as given, in the project's folders, or compiled in. Reads them; understands nothing of them.

use std::path::{Path, PathBuf};

use base::{Diagnostic, Source, did_you_mean};

use crate::process::Trouble;

/// The playbook that a folder without one runs.
const REBOOT_YAML: &str = include_str!("../../../../playbooks/reboot.yaml");
/// The handler that a folder without one runs.
const REBOOT_RHAI: &str = include_str!("../../../../scripts/reboot.rhai");

/// A playbook of a hundred thousand lines is generated data, not a playbook.
const LONGEST: u64 = 8 << 20;

/// More scripts than this are counted, not named.
const FEW: usize = 6;

/// What is said where the built-in playbook runs.
pub(crate) const BUILT_IN: &str =
    "note    no reboot.yaml here: the built-in one runs (`iotplay init DIR` makes a folder of your own)";

/// A playbook or runner script, found.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its name as people should see it, and its text.
    pub(crate) source: Source,
    /// Where it is, none for a built-in one, which [`BUILT_IN`] then says.
    pub(crate) path: Option<PathBuf>,
}

impl Found {
    /// Whether it is a runner script rather than a playbook.
    pub(crate) fn is_script(&self) -> bool {
        Path::new(self.source.name()).extension().is_some_and(|extension| extension == "rhai")
    }
}

/// Finds what `run` and `check` were given.
pub(crate) fn playbook(given: &Path) -> Result<Found, Trouble> {
    let beside = Path::new("playbooks").join(given);
    let candidates = if given.is_absolute() { vec![given.to_owned()] } else { vec![given.to_owned(), beside] };
    for path in candidates {
        if path.is_dir() {
            return Err(missing(given, &format!("{} is a folder", path.display())));
        }
        if path.exists() {
            return read(&path).map(|source| Found { source, path: Some(path) });
        }
    }
    if given == Path::new("reboot.yaml") {
        return Ok(Found { source: Source::new("reboot.yaml", REBOOT_YAML), path: None });
    }
    Err(missing(given, &format!("no such file: {}", given.display())))
}

/// The text of a file, with its name as typed.
pub(crate) fn read(path: &Path) -> Result<Source, Trouble> {
    let refuse = |why: String| Trouble::invalid(Diagnostic::error(format!("cannot read {}: {why}", path.display())));
    let length = std::fs::metadata(path).map_err(|error| refuse(error.to_string()))?.len();
    if length > LONGEST {
        return Err(refuse(format!("longer than {LONGEST} bytes")));
    }
    let bytes = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| refuse(format!("not UTF-8 ({error})")))?;
    Ok(Source::new(path.display().to_string(), text))
}

fn missing(given: &Path, why: &str) -> Trouble {
    let typed = given.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let near = names_nearby();
    let diagnostic = Diagnostic::error(why);
    Trouble::invalid(match did_you_mean(&typed, near.iter().map(String::as_str)) {
        Some(name) => diagnostic.help(format!("did you mean `{name}`?")),
        None if near.is_empty() => diagnostic.help("iotplay run reboot.yaml works in an empty folder"),
        None => diagnostic.help(format!("there is {}", near.join(", "))),
    })
}

/// Playbooks and scripts of this folder and of playbooks/, the first few.
fn names_nearby() -> Vec<String> {
    let mut names: Vec<String> = [".", "playbooks"]
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".rhai"))
        .filter(|name| name != super::settings::FILE)
        .take(20)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The handlers that devices of this process run.
#[derive(Clone, Debug)]
pub(crate) enum Handlers {
    /// A file or a folder.
    Path(PathBuf),
    /// `reboot.rhai` as compiled in.
    BuiltIn,
}

/// Finds the handlers: as given, else `scripts/` if there is a handler in it, else the built-in one.
pub(crate) fn handlers(given: Option<&Path>) -> Result<Handlers, Trouble> {
    match given {
        Some(path) if path.exists() => Ok(Handlers::Path(path.to_owned())),
        Some(path) => Err(Trouble::invalid(Diagnostic::error(format!("no such file or folder: {}", path.display())))),
        None if !handlers_in(Path::new("scripts")).is_empty() => Ok(Handlers::Path("scripts".into())),
        None => Ok(Handlers::BuiltIn),
    }
}

fn handlers_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "rhai"))
        .collect();
    found.sort();
    found
}

impl Handlers {
    /// What the first lines call them: the file when there is one, else the folder and what is in it.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::BuiltIn => "the built-in reboot.rhai".to_owned(),
            Self::Path(path) if path.is_dir() => match &handlers_in(path)[..] {
                [] => path.display().to_string(),
                [only] => only.display().to_string(),
                several if several.len() > FEW => format!("{}/ ({} scripts)", path.display(), several.len()),
                several => {
                    let stems = several.iter().filter_map(|script| Some(script.file_stem()?.to_string_lossy()));
                    format!("{}/ ({})", path.display(), stems.collect::<Vec<_>>().join(", "))
                }
            },
            Self::Path(path) => path.display().to_string(),
        }
    }

    /// The built-in handler.
    pub(crate) fn built_in() -> Source {
        Source::new("reboot.rhai", REBOOT_RHAI)
    }
}

/// The playbook and the handler that `init` writes: the built-in ones.
pub(crate) fn starters() -> (&'static str, &'static str) {
    (REBOOT_YAML, REBOOT_RHAI)
}
