//! Playbooks through the public door: what fails says exactly what its `.txt` says; what is good comes out as typed.

mod verbs;

use std::path::{Path, PathBuf};

use base::{Clock, Diagnostics, Source};
use iotplay_runner::book::{Book, read};
use script::Expressions;

fn book(name: &str, text: &str) -> Result<Book, Diagnostics> {
    read(Source::new(name, text), &verbs::registry(), &Expressions::new(Clock::system()), &["twin"])
}

fn failing() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/failing");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        .collect();
    files.sort();
    files
}

/// `IOTPLAY_WRITE_EXPECTED=1` writes what is said now; read the difference before keeping it.
#[test]
fn every_failing_playbook_says_what_is_expected() {
    let mut wrong = Vec::new();
    for file in failing() {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let said = match book(&name, &text) {
            Ok(book) => format!("no error, {} warnings\n\n{}", book.warnings.len(), Diagnostics(book.warnings)),
            Err(found) => found.to_string(),
        };
        let expected = file.with_extension("txt");
        if std::env::var_os("IOTPLAY_WRITE_EXPECTED").is_some() {
            std::fs::write(&expected, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_default();
        if expected != said {
            wrong.push(format!("== {name}\n-- expected\n{expected}\n-- said\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
