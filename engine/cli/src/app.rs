//! From arguments to exit code: parse, set up logging and masking, run the command, say what went wrong.

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use base::Mask;
use clap::error::ErrorKind;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::{self, Cli};
use crate::command;
use crate::process::{self, Exit, Stdout, Trouble};
use crate::project;

/// The whole program.
pub(crate) fn main() -> ExitCode {
    process::install_panic_message();
    // The hook has said what happened; here only the code is left to choose.
    let ended = std::panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or(Exit::INTERNAL);
    match Stdout::lost() {
        Some(trouble) => {
            trouble.print();
            if ended == Exit::OK { trouble.exit } else { ended }.into()
        }
        None => ended.into(),
    }
}

fn run() -> Exit {
    project::hide_given();
    let cli = match args::parse() {
        Ok(cli) => cli,
        Err(error) => return refuse_usage(&error),
    };
    match start_log(&cli).and_then(|()| command::run(cli)) {
        Ok(exit) => exit,
        Err(trouble) => {
            trouble.print();
            trouble.exit
        }
    }
}

/// Help and version go to stdout with 0, everything else to stderr with 2; what was typed is masked like any other output.
fn refuse_usage(error: &clap::Error) -> Exit {
    let help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if help {
        Stdout::line(error.render().to_string().trim_end());
        return Exit::OK;
    }
    process::err(error.render().to_string().trim_end());
    Exit::USAGE
}

/// Logs are for finding faults, not for people at work: silent but for errors unless asked, always on stderr, always masked.
fn start_log(cli: &Cli) -> Result<(), Trouble> {
    let filter = cli.common.log.as_deref().unwrap_or("off").parse::<Targets>().map_err(|error| {
        Trouble::usage(format!("--log: {error}")).help("--log debug, or --log iotplay_hub=trace,info")
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(|| MaskedStderr);
    tracing_subscriber::registry().with(filter).with(lines).init();
    Ok(())
}

/// stderr that hides known secrets. One write is one whole event, so no value is cut in two.
struct MaskedStderr;

impl std::io::Write for MaskedStderr {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        std::io::Write::write_all(&mut std::io::stderr(), Mask::process().apply(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::Write::flush(&mut std::io::stderr())
    }
}
