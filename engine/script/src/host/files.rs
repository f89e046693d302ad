//! Finds the files of a bundle: a single script, or a folder's `*.rhai` and its `lib/*.rhai`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use base::{Diagnostic, Diagnostics, Source};

/// A script of a megabyte is a mistake.
const LARGEST: u64 = 1024 * 1024;
/// So is a folder with more scripts than this.
const MOST_FILES: usize = 500;

/// Reads the files of `path`, sorted by name.
pub(super) fn read(path: &Path) -> Result<Vec<Source>, Diagnostics> {
    let single = path.is_file();
    let mut paths = if single { vec![path.to_owned()] } else { scripts(path)? };
    let folder = if single { path.parent().unwrap_or(Path::new("")) } else { path };
    let library = folder.join("lib");
    if library.is_dir() {
        paths.extend(scripts(&library)?);
    }
    if paths.is_empty() {
        return Err(Diagnostic::error(format!("no script found: {} has no .rhai file", path.display())).into());
    }
    if paths.len() > MOST_FILES {
        return Err(Diagnostic::error(format!("{} has more than {MOST_FILES} scripts", path.display())).into());
    }
    paths.iter().map(|path| source(path)).collect()
}

/// Whether a source belongs into `lib::`, and under which name.
pub(super) fn library_name(source: &Source) -> Option<String> {
    let path = Path::new(source.name());
    let folder = path.parent()?.file_name()?;
    (folder == "lib").then(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
}

fn scripts(folder: &Path) -> Result<Vec<PathBuf>, Diagnostics> {
    let fail = |error: std::io::Error| Diagnostic::error(format!("cannot read {}: {error}", folder.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let hidden = path.file_name().and_then(OsStr::to_str).is_none_or(|name| name.starts_with('.'));
        if !hidden && path.extension().is_some_and(|end| end == "rhai") && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn source(path: &Path) -> Result<Source, Diagnostics> {
    let fail = |why: String| Diagnostic::error(format!("cannot read {}: {why}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| fail(error.to_string()))?.len();
    if size > LARGEST {
        return Err(fail("it is larger than 1 MiB".to_owned()).into());
    }
    let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    Ok(Source::new(path.to_string_lossy().into_owned(), text))
}
