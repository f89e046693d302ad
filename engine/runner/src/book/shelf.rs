//! The files that a playbook names: looked for beside the file that names them, each read once and kept with the book. Knows
//! nothing of what is in them.

use std::cell::RefCell;
use std::io;
use std::path::{Component, Path, PathBuf};

use base::{Diagnostic, Source};

use crate::Registry;

/// Gives the text of a file: from disk, or from a copy that a run keeps.
pub type Find<'a> = dyn Fn(&Path) -> io::Result<String> + 'a;

/// A file of steps or a script; larger ones are generated data.
const LARGEST: u64 = 8 << 20;

/// Reads from disk.
pub(crate) fn from_disk(path: &Path) -> io::Result<String> {
    if std::fs::metadata(path)?.len() > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 8 MiB"));
    }
    std::fs::read_to_string(path)
}

/// The files of one book, and the verbs that may stand in them.
pub(crate) struct Shelf<'a> {
    pub(crate) registry: &'a Registry,
    find: &'a Find<'a>,
    read: RefCell<Vec<Source>>,
}

impl<'a> Shelf<'a> {
    pub(super) fn new(registry: &'a Registry, find: &'a Find<'a>) -> Self {
        Self { registry, find, read: RefCell::default() }
    }

    /// A file by the name that `from` has for it.
    pub(super) fn read(&self, from: &Source, name: &str) -> Result<Source, Diagnostic> {
        let path = beside(from.name(), name);
        let shown = path.display().to_string();
        if let Some(known) = self.read.borrow().iter().find(|known| known.name() == shown) {
            return Ok(known.clone());
        }
        if name.trim().is_empty() {
            return Err(Diagnostic::error("expected the name of a file"));
        }
        match (self.find)(&path) {
            Ok(text) => {
                let source = Source::new(shown, text);
                self.read.borrow_mut().push(source.clone());
                Ok(source)
            }
            Err(error) => Err(missing(&path, &error)),
        }
    }

    /// The library of a script: the files of the folder `lib` beside it that it names, kept with the book too.
    pub(crate) fn library(&self, script: &Source) -> Result<Vec<Source>, Diagnostic> {
        let find = |name: &str| {
            let path = beside(script.name(), name);
            let shown = path.display().to_string();
            let known = self.read.borrow().iter().find(|known| known.name() == shown).cloned();
            known.map_or_else(
                || {
                    let source = Source::new(shown, (self.find)(&path)?);
                    self.read.borrow_mut().push(source.clone());
                    Ok(source)
                },
                Ok,
            )
        };
        script::library(script, &find)
    }

    /// Whether a file can be read; its text is somebody else's matter.
    pub(super) fn has(&self, from: &Source, name: &str) -> Result<(), Diagnostic> {
        let path = beside(from.name(), name);
        (self.find)(&path).map(drop).map_err(|error| missing(&path, &error))
    }

    /// All files read so far.
    pub(super) fn into_files(self) -> Vec<Source> {
        self.read.into_inner()
    }
}

fn missing(path: &Path, error: &io::Error) -> Diagnostic {
    if error.kind() != io::ErrorKind::NotFound {
        return Diagnostic::error(format!("cannot read {}: {error}", path.display()));
    }
    let near = near(path).map(|near| format!("did you mean `{near}`?"));
    Diagnostic::error(format!("no such file: {}", path.display()))
        .help(near.unwrap_or_else(|| "files are looked for beside the file that names them".into()))
}

/// A path beside a file, without `.` and `..` as far as the text tells.
pub(super) fn beside(file: &str, name: &str) -> PathBuf {
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    let mut path = PathBuf::new();
    for part in folder.join(name).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if path.file_name().is_some_and(|last| last != "..") => {
                path.pop();
            }
            other => path.push(other),
        }
    }
    path
}

/// A file of nearly the same name in the same folder.
fn near(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names = std::fs::read_dir(folder).ok()?;
    let names: Vec<String> = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    base::did_you_mean(path.file_name()?.to_str()?, names.iter().map(String::as_str)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_beside_the_file_that_names_them() {
        for (file, name, expected) in [
            ("playbooks/canary.yaml", "steps/reboot.yaml", "playbooks/steps/reboot.yaml"),
            ("playbooks/canary.yaml", "../fix.rhai", "fix.rhai"),
            ("playbooks/canary.yaml", "./a/../b.yaml", "playbooks/b.yaml"),
            ("canary.yaml", "../x.yaml", "../x.yaml"),
            ("../a/canary.yaml", "../../x.yaml", "../../x.yaml"),
            ("canary.yaml", "/etc/x.yaml", "/etc/x.yaml"),
        ] {
            assert_eq!(beside(file, name), Path::new(expected), "{file} {name}");
        }
    }
}
