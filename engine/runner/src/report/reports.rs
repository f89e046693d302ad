//! The reports of a run that are written when it has ended, however it ended: to files, whole or not at all.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use base::Clock;

use super::kind::{ReportFile, ReportKind};
use super::record::{Recorder, RunRecord};
use super::{html, junit, summary};
use crate::{Reporter, RunEvent};

/// A report that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the {what} cannot be written to {}", path.display())]
pub struct ReportError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
    /// The run should not be called a success because of it.
    pub fatal: bool,
}

/// Writes a report that is no run's, whole or not at all; folders on the way are created.
///
/// # Errors
/// A file that cannot be written.
pub fn write_report(file: &ReportFile, bytes: &[u8]) -> Result<(), ReportError> {
    prepare(&file.path).and_then(|()| replace(&file.path, bytes)).map_err(|source| failed(file, source))
}

/// Records a run and writes the reports that were asked for.
pub struct Reports {
    files: Vec<ReportFile>,
    /// Where a summary in Markdown is to be appended.
    summary: Option<PathBuf>,
    recorder: RefCell<Recorder>,
    troubles: RefCell<Vec<ReportError>>,
}

impl Reports {
    /// Makes sure that the files can be written, and creates the folders that they are in. `summary` is a file to which a summary in Markdown is
    /// appended (`GITHUB_STEP_SUMMARY`).
    ///
    /// # Errors
    /// The first file that cannot be written.
    pub fn new(files: Vec<ReportFile>, summary: Option<PathBuf>, clock: Clock) -> Result<Self, ReportError> {
        for file in &files {
            prepare(&file.path).map_err(|source| failed(file, source))?;
        }
        let (recorder, troubles) = (RefCell::new(Recorder::new(clock)), RefCell::default());
        Ok(Self { files, summary, recorder, troubles })
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.summary.is_none()
    }

    /// What could not be written since this was asked last.
    pub fn troubles(&self) -> Vec<ReportError> {
        std::mem::take(&mut *self.troubles.borrow_mut())
    }

    fn write(&self, record: &RunRecord) {
        let mut troubles = self.troubles.borrow_mut();
        for file in &self.files {
            let written = match file.kind {
                ReportKind::Junit => junit::render(record),
                ReportKind::Html => Ok(html::render(record).into_bytes()),
            };
            let written = written.and_then(|bytes| replace(&file.path, &bytes));
            troubles.extend(written.err().map(|source| failed(file, source)));
        }
        if let Some(path) = &self.summary {
            let written = append(path, &summary::render(record));
            troubles.extend(written.err().map(|source| ReportError {
                what: "summary (GITHUB_STEP_SUMMARY)",
                path: path.clone(),
                source,
                fatal: false,
            }));
        }
    }
}

impl Reporter for Reports {
    fn on(&self, event: &RunEvent) {
        if self.is_empty() {
            return;
        }
        let record = self.recorder.borrow_mut().take(event);
        if let Some(record) = record {
            self.write(&record);
        }
    }
}

fn failed(file: &ReportFile, source: io::Error) -> ReportError {
    let what = match file.kind {
        ReportKind::Junit => "report junit",
        ReportKind::Html => "report html",
    };
    ReportError { what, path: file.path.clone(), source, fatal: true }
}

/// Creates the folder and tries to write beside the file, so that the run's end brings no surprise.
fn prepare(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    let beside = beside(path)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().write(true).create(true).truncate(true).open(&beside)?;
    fs::remove_file(&beside)
}

/// The name that a file has while it is written: nobody reads half a report.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let mut part = OsString::from(".");
    part.push(name);
    part.push(format!(".{}.part", std::process::id()));
    Ok(path.with_file_name(part))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = beside(path)?;
    let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(path)?.write_all(text.as_bytes())
}
