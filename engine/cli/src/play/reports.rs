//! `--report` and `GITHUB_STEP_SUMMARY`: which reports a run writes, and what it means when one cannot be written.

use std::path::PathBuf;

use base::Clock;
use runner::{ReportFile, Reports};

use crate::process::{self, Exit, Trouble, chain};

/// Where GitHub Actions wants a summary of the job's step.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// The reports of this command line. Nothing has been sent when one of their files cannot be written.
pub(crate) fn reports(files: &[ReportFile]) -> Result<Reports, Trouble> {
    for (index, file) in files.iter().enumerate() {
        if files[..index].iter().any(|other| other.path == file.path) {
            return Err(Trouble::usage(format!("two reports cannot go to one file: {}", file.path.display())));
        }
    }
    let summary = std::env::var_os(SUMMARY).filter(|path| !path.is_empty()).map(PathBuf::from);
    Reports::new(files.to_vec(), summary, Clock::system()).map_err(|error| {
        Trouble::usage(chain(&error)).help("--report KIND=FILE: a file in a folder that you may write to")
    })
}

/// Says which reports are missing. Who asked for one must not take the run for a success without it.
pub(crate) fn reported(reports: &Reports, exit: Exit) -> Exit {
    let mut exit = exit;
    for trouble in reports.troubles() {
        let word = if trouble.fatal { "error" } else { "warning" };
        process::err(&format!("{word}: {}", chain(&trouble)));
        if trouble.fatal && exit == Exit::OK {
            exit = Exit::INTERNAL;
        }
    }
    exit
}
