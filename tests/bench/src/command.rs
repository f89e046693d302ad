//! The command line: which figures, how often, which programs.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;
use tokio::task::LocalSet;

use crate::error::{Result, other};
use crate::peer::program;
use crate::report::{Figure, Report};
use crate::{bare_fleet, calls, fleet_calls, journal, memory, pace, scale, sdk, start};

/// Measures iotplay against its peers in one run.
#[derive(Debug, Parser)]
#[command(name = "iotplay-bench")]
struct Options {
    /// Which figures: start, calls, load, memory, idle, fleet, plays, pace, reboots, targets, journal, sdk; none = all.
    #[arg(value_parser = FIGURES)]
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
    /// Ansible's `ansible-playbook`, for P8.
    #[arg(long, default_value = "ansible-playbook")]
    ansible: PathBuf,
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

/// The figures by name, in the order in which they are taken.
const FIGURES: [&str; 12] =
    ["start", "calls", "load", "memory", "idle", "fleet", "plays", "pace", "reboots", "targets", "journal", "sdk"];

async fn run(options: &Options) -> Result<()> {
    if let Some(order) = &options.bare_fleet {
        return bare_fleet::run(order).await;
    }
    let iotplay =
        options.iotplay.canonicalize().map_err(|error| other(format!("{}: {error}", options.iotplay.display())))?;
    let mosquitto = program("MOSQUITTO", "mosquitto").display().to_string();
    let bench = Bench { options, iotplay, mosquitto, hurl: program("HURL", "hurl") };
    let versions = versions(&bench.mosquitto, &bench.hurl);
    let mut report = Report { commit: commit(), load: load_average(), versions, figures: Vec::new() };
    for name in FIGURES {
        if !options.figures.is_empty() && !options.figures.iter().any(|figure| figure == name) {
            continue;
        }
        for figure in bench.take(name).await? {
            println!("{}", figure.line());
            report.figures.push(figure);
        }
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&report).map_err(other)?)?;
    }
    Ok(())
}

/// The programs under measurement, and how much to measure.
struct Bench<'a> {
    options: &'a Options,
    iotplay: PathBuf,
    mosquitto: String,
    hurl: PathBuf,
}

impl Bench<'_> {
    async fn take(&self, name: &str) -> Result<Vec<Figure>> {
        let (iotplay, options, smoke) = (self.iotplay.as_path(), self.options, self.options.smoke);
        let load = if smoke { calls::Load::SMOKE } else { calls::Load::full(options.repeats) };
        match name {
            "start" => start::starts(iotplay, &self.hurl),
            "calls" => calls::one_in_flight(iotplay, &self.mosquitto, load).await,
            "load" => calls::many_in_flight(iotplay, &self.mosquitto, load).await,
            "memory" => memory::hub_per_device(iotplay, &self.mosquitto, 1_000).await,
            "idle" => memory::idle_agent(iotplay, options.repeats).await,
            "fleet" => memory::fleets(iotplay, &options.fleets).await,
            "plays" => fleet_calls::measure(iotplay, self.plays()).await,
            "pace" => pace::measure(iotplay, if smoke { 50 } else { 1_000 }).await,
            "reboots" => scale::reboots(iotplay, if smoke { 20 } else { 9_000 }).await,
            "targets" => scale::targets(iotplay, if smoke { (100, 1_000) } else { (10_000, 100_000) }).await,
            "journal" => journal::opening(iotplay, if smoke { 1_000 } else { 100_000 }, options.repeats),
            "sdk" => sdk::python_pair(iotplay, &options.python, options.repeats.min(3)).await,
            _ => Err(other(format!("no figure {name}"))),
        }
    }

    fn plays(&self) -> fleet_calls::Plays<'_> {
        let (devices, repeats) = if self.options.smoke { (20, 1) } else { (1_000, self.options.repeats) };
        fleet_calls::Plays { devices, repeats, hurl: &self.hurl, ansible: &self.options.ansible }
    }
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
