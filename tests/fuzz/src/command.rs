//! The command line: which targets, how long, from which seed; or one input again.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::judge::{Effort, Finding, Memory, Tally, judge};
use crate::random::Random;
use crate::target::{Input, Target, all, named};

/// Throws seeded, half-broken input at iotplay's parsers and sessions.
#[derive(Debug, Parser)]
#[command(name = "iotplay-fuzz")]
struct Options {
    /// Which targets; none = all.
    targets: Vec<String>,
    /// How long each, such as 10s or 5m; 10s when --runs is not given either.
    #[arg(long = "for", value_parser = duration)]
    time: Option<Duration>,
    /// How many inputs each.
    #[arg(long)]
    runs: Option<u64>,
    /// What all inputs come from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the input with this number, shown first.
    #[arg(long)]
    only: Option<u64>,
    /// Only the input in this file.
    #[arg(long, conflicts_with = "only")]
    input: Option<PathBuf>,
    /// Say which targets there are.
    #[arg(long)]
    list: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    base::parse_duration(text).map_err(|error| error.to_string())
}

/// Runs the fuzzer.
pub fn main(memory: &'static dyn Memory) -> ExitCode {
    let options = Options::parse();
    let targets = match chosen(&options.targets) {
        Ok(targets) => targets,
        Err(unknown) => {
            eprintln!("error: there is no target `{unknown}`; --list says which there are");
            return ExitCode::from(2);
        }
    };
    if options.list {
        for target in targets {
            println!("{:12} {}", target.name, target.what);
        }
        return ExitCode::SUCCESS;
    }
    if options.only.is_some() || options.input.is_some() {
        return again(&targets, &options);
    }
    let usual = if options.runs.is_some() { Duration::MAX } else { Duration::from_secs(10) };
    let effort =
        Effort { seed: options.seed, runs: options.runs.unwrap_or(u64::MAX), time: options.time.unwrap_or(usual) };
    let mut code = ExitCode::SUCCESS;
    println!("{HEAD}");
    for target in targets {
        match judge(&target, effort, memory) {
            Ok(tally) => println!("{}", line(&target, &tally)),
            Err(finding) => {
                found(&target, options.seed, &finding);
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

const HEAD: &str = "target       inputs       a second  taken  slowest   most memory";

fn line(target: &Target, tally: &Tally) -> String {
    let runs = tally.runs.max(1);
    format!(
        "{:12} {:<12} {:<9.0} {:>3} %  {:>6.1} ms (#{})  {:.1} MB",
        target.name,
        tally.runs,
        runs as f64 / tally.time.as_secs_f64().max(1e-9),
        tally.taken * 100 / runs,
        tally.slowest.as_secs_f64() * 1e3,
        tally.slowest_number,
        tally.memory as f64 / 1e6,
    )
}

fn chosen(names: &[String]) -> Result<Vec<Target>, String> {
    if names.is_empty() {
        return Ok(all());
    }
    names.iter().map(|name| named(name).ok_or_else(|| name.clone())).collect()
}

fn found(target: &Target, seed: u64, finding: &Finding) {
    let (name, number) = (target.name, finding.number);
    eprintln!("{name}: {}", finding.what);
    eprintln!("input {number}: {}", finding.bytes.escape_ascii());
    eprintln!("again: iotplay-fuzz {name} --seed {seed} --only {number}");
}

/// One input, with its panic as it is.
fn again(targets: &[Target], options: &Options) -> ExitCode {
    let [target] = targets else {
        eprintln!("error: name the one target that the input is for");
        return ExitCode::from(2);
    };
    let bytes = match (&options.input, options.only) {
        (Some(path), _) => match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                eprintln!("error: {}: {error}", path.display());
                return ExitCode::from(2);
            }
        },
        (None, number) => target.input(&mut Random::of(options.seed, number.unwrap_or_default())),
    };
    println!("{}", bytes.escape_ascii());
    match (target.prepare)()(&Input(&bytes)) {
        Ok(taken) => {
            println!("{}", if taken { "taken" } else { "refused" });
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!("{wrong}");
            ExitCode::FAILURE
        }
    }
}
