//! Where the files of cases for `iotplay test` are, and which handlers each is about. Reads no case.

use std::path::{Path, PathBuf};

use base::Diagnostic;

use crate::process::{Exit, Trouble};

/// How files of cases end.
const CASES: &str = ".test.yaml";

/// Where handlers are when nothing is said.
const SCRIPTS: &str = "scripts";

/// A file of cases, and the handlers that it is about unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CasePath {
    pub(crate) file: PathBuf,
    pub(crate) scripts: PathBuf,
}

/// All files of cases under what was given, in order.
pub(crate) fn case_files(given: &[PathBuf]) -> Result<Vec<CasePath>, Trouble> {
    let usual = [PathBuf::from(SCRIPTS)];
    let mut found = Vec::new();
    for path in if given.is_empty() { &usual[..] } else { given } {
        found.extend(under(path)?);
    }
    if found.is_empty() {
        let asked = if given.is_empty() { &usual[..] } else { given };
        let shown: Vec<String> = asked.iter().map(|path| path.display().to_string()).collect();
        return Err(Trouble::usage(format!("no cases: no file *{CASES} in {}", shown.join(", ")))
            .help("scripts/reboot.test.yaml: cases: [{ name: answers, method: rebootDevice, expect: { status: 200 } }]")
            .help("iotplay agent --record scripts/reboot.test.yaml writes cases from the calls that come"));
    }
    found.sort_by(|a, b| a.file.cmp(&b.file));
    found.dedup();
    Ok(found)
}

fn under(path: &Path) -> Result<Vec<CasePath>, Trouble> {
    let here = || path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(|error| refuse(path, &error.to_string()))?;
        let files = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|file| is_cases(file));
        return Ok(files.map(|file| CasePath { file, scripts: path.to_owned() }).collect());
    }
    if !path.exists() {
        return Err(refuse(path, "no such file or folder"));
    }
    if is_cases(path) {
        return Ok(vec![CasePath { file: path.to_owned(), scripts: here().to_owned() }]);
    }
    if path.extension().is_some_and(|extension| extension == "rhai") {
        let file = path.with_extension(CASES.trim_start_matches('.'));
        if !file.is_file() {
            return Err(refuse(path, &format!("no cases: there is no {}", file.display())));
        }
        return Ok(vec![CasePath { file, scripts: path.to_owned() }]);
    }
    Err(refuse(path, &format!("neither a folder nor a handler (.rhai) nor a file of cases (*{CASES})")))
}

fn is_cases(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(CASES)) && !path.is_dir()
}

fn refuse(path: &Path, why: &str) -> Trouble {
    Trouble::new(Exit::USAGE, Diagnostic::error(format!("{}: {why}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_a_handler_and_a_file_of_cases() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        for name in ["ping.rhai", "ping.test.yaml", "b.test.yaml", "other.yaml", "alone.rhai"] {
            std::fs::write(at(name), "").unwrap();
        }
        let names =
            |given: &[PathBuf]| -> Vec<_> { case_files(given).unwrap().into_iter().map(|found| found.file).collect() };
        assert_eq!(names(&[temp.path().to_owned()]), [at("b.test.yaml"), at("ping.test.yaml")]);
        assert_eq!(
            case_files(&[at("ping.rhai")]).unwrap(),
            [CasePath { file: at("ping.test.yaml"), scripts: at("ping.rhai") }]
        );
        assert_eq!(case_files(&[at("b.test.yaml")]).unwrap()[0].scripts, temp.path());
        for wrong in ["alone.rhai", "other.yaml", "nowhere"] {
            assert_eq!(case_files(&[at(wrong)]).unwrap_err().exit, Exit::USAGE, "{wrong}");
        }
    }
}
