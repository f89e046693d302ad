//! Every long flag can come from the environment too, as `IOTPLAY_` and its name: said once here instead of on each flag.

use clap::builder::FalseyValueParser;
use clap::{Arg, ArgAction, Command, CommandFactory as _};

use super::{Cli, FAULT_HEADING};

/// The command line with its environment mirrors, for parsing and for completions.
pub(crate) fn command() -> Command {
    mirrored(Cli::command())
}

fn mirrored(command: Command) -> Command {
    command.mut_args(with_variable).mut_subcommands(mirrored)
}

fn with_variable(arg: Arg) -> Arg {
    let Some(long) = arg.get_long() else { return arg };
    // One word for every fault that is ever asked for would be none.
    if arg.get_help_heading() == Some(FAULT_HEADING) {
        return arg;
    }
    let variable = format!("IOTPLAY_{}", long.replace('-', "_").to_uppercase());
    let switch = matches!(arg.get_action(), ArgAction::SetTrue);
    // Values may be connection strings: help must not show what the environment holds, nor repeat the rule on every line.
    let arg = arg.env(leak(variable)).hide_env(true);
    // A switch reads `0`, `no`, `false` and `off` as off, anything else as on.
    if switch { arg.value_parser(FalseyValueParser::new()) } else { arg }
}

/// clap keeps names for the life of the process; so do we, once per flag.
fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_long_flag_has_its_variable() {
        let command = command();
        let run = command.find_subcommand("run").unwrap();
        let forks = run.get_arguments().find(|arg| arg.get_long() == Some("sim-reboot")).unwrap();
        assert_eq!(forks.get_env().unwrap(), "IOTPLAY_SIM_REBOOT");
        assert!(Cli::try_parse_from(["iotplay", "run", "x.yaml"]).is_ok());
    }
}
