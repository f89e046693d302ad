//! Flags of `test`.

use std::path::PathBuf;

use clap::Args;
use runner::ReportFile;

use super::Output;

/// `iotplay test`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Cases: docs/testing.md. Exit codes: 0 all passed, 4 a case failed, 2 no cases or a file of cases\n\
                        that cannot be read, 3 handlers that do not load."
)]
pub(crate) struct TestArgs {
    /// Folders of handlers, handlers, or files of cases (*.test.yaml); else scripts/
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Only cases that have this text in their name or file; may be given several times
    #[arg(short = 'k', long, value_name = "TEXT")]
    pub(crate) filter: Vec<String>,
    /// Run again whenever a handler or a case is saved
    #[arg(long)]
    pub(crate) watch: bool,
    /// Print the outcome on stdout as one JSON document, or as one JSON object per case
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Output>,
    /// Write a report at the end: junit=FILE
    #[arg(long, value_name = "KIND=FILE")]
    pub(crate) report: Vec<ReportFile>,
}
