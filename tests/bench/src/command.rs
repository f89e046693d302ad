//! The command line: which figures, how often, which programs.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;
use tokio::task::LocalSet;

use crate::error::{Result, other};
use crate::peer::program;
use crate::report::{Figure, Report};
use crate::{bare_fleet, calls, memory, sdk, start};

/// Measures iotplay against its peers in one run.
#[derive(Debug, Parser)]
#[command(name = "iotplay-bench")]
struct Options {
    /// Which figures: calls, load, memory, fleet, idle, start, sdk; none = all.
    #[arg(value_parser = ["calls", "load", "memory", "fleet", "idle", "start", "sdk"])]
    figures: Vec<String>,
    /// The iotplay binary under measurement.
    #[arg(long, default_value = "target/release/iotplay")]
    iotplay: PathBuf,
    /// Repeats of each figure.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    /// Sizes of simulated fleets.
    #[arg(long, value_delimiter = ',', default_value = "1000,9000")]
    fleets: Vec<usize>,
    /// A Python with azure-iot-device, azure-iot-hub and six.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Few calls and small fleets: shows that everything still measures, for the gate.
    #[arg(long)]
    smoke: bool,
    /// Internal: be the bare devices that a file names.
    #[arg(long, hide = true)]
    bare_fleet: Option<PathBuf>,
    /// Also write the result as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Runs the benchmarks.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let measured = runtime.map_err(Into::into).and_then(|runtime| LocalSet::new().block_on(&runtime, run(&options)));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<()> {
    if let Some(order) = &options.bare_fleet {
        return bare_fleet::run(order).await;
    }
    let iotplay =
        options.iotplay.canonicalize().map_err(|error| other(format!("{}: {error}", options.iotplay.display())))?;
    let mosquitto = program("MOSQUITTO", "mosquitto").display().to_string();
    let hurl = program("HURL", "hurl");
    let load = if options.smoke { calls::Load::SMOKE } else { calls::Load::full(options.repeats) };
    let wanted = |name: &str| options.figures.is_empty() || options.figures.iter().any(|figure| figure == name);
    let mut report =
        Report { commit: commit(), load: load_average(), versions: versions(&mosquitto, &hurl), figures: Vec::new() };
    let mut show = |figures: Vec<Figure>| {
        for figure in figures {
            println!("{}", figure.line());
            report.figures.push(figure);
        }
    };
    if wanted("start") {
        show(start::starts(&iotplay, &hurl)?);
    }
    if wanted("calls") {
        show(calls::one_in_flight(&iotplay, &mosquitto, load).await?);
    }
    if wanted("load") {
        show(calls::many_in_flight(&iotplay, &mosquitto, load).await?);
    }
    if wanted("memory") {
        show(memory::hub_per_device(&iotplay, &mosquitto, 1_000).await?);
    }
    if wanted("idle") {
        show(memory::idle_agent(&iotplay, options.repeats).await?);
    }
    if wanted("fleet") {
        show(memory::fleets(&iotplay, &options.fleets).await?);
    }
    if wanted("sdk") {
        show(sdk::python_pair(&iotplay, &options.python, options.repeats.min(3)).await?);
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&report).map_err(other)?)?;
    }
    Ok(())
}

fn commit() -> String {
    let output = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    output.map_or_else(|_| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn load_average() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()
}

fn versions(mosquitto: &str, hurl: &std::path::Path) -> Vec<String> {
    [Command::new(mosquitto).arg("-h").output(), Command::new(hurl).arg("--version").output()]
        .into_iter()
        .flatten()
        .filter_map(|output| String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned))
        .collect()
}
