//! The one way to the terminal while a run goes on: lines of simulated devices must not tear the live line apart.

use std::io::IsTerminal as _;
use std::time::Duration;

use agent::{AgentEvent, HandlerOutcome};
use base::format_duration;
use runner::{Console, ConsoleOptions, Lines};

use crate::process::Stdout;

/// Behind the recap.
const HINT: &str = "iotplay show: what happened, call by call";

/// Console and its side door.
pub(crate) struct Screen {
    /// Listens to the run.
    pub(crate) console: Console,
    /// For everything beside the run.
    pub(crate) lines: Lines,
}

impl Screen {
    /// The process's stdout and stderr; `stdout_taken` when `--output` writes there.
    pub(crate) fn new(stdout_taken: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let color = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let width = terminal_size::terminal_size_of(std::io::stderr()).map_or(0, |(columns, _)| usize::from(columns.0));
        let options = ConsoleOptions { terminal, color, width, stdout_taken, hint: Some(HINT.to_owned()) };
        let console = Console::new(options, Box::new(Stdout), Box::new(std::io::stderr()));
        let lines = console.lines();
        Self { console, lines }
    }
}

/// A pause as people say it: jittered milliseconds tell nobody anything.
fn about(pause: Duration) -> String {
    format_duration(Duration::from_secs(pause.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)))
}

/// What a person watching an agent is shown of an event; none for what only a log wants.
pub(crate) fn agent_line(event: &AgentEvent) -> Option<String> {
    let reason = |finding: &base::Diagnostic| finding.to_string().trim_end().to_owned();
    Some(match event {
        AgentEvent::Connected { device } => format!("{device}  connected"),
        AgentEvent::Disconnected { device, why } => format!("{device}  disconnected: {why}"),
        AgentEvent::Unreachable { device, why, again_in } => {
            format!("{device}  not connected: {why}; again in {}", about(*again_in))
        }
        AgentEvent::Refused { device, finding, again_in } => {
            format!("{device}  refused, again in {}\n{}", about(*again_in), reason(finding))
        }
        AgentEvent::Ended { device, finding } => format!("{device}  ended\n{}", reason(finding)),
        AgentEvent::Fault { device, finding } => format!("{device}  {}", reason(finding)),
        AgentEvent::FaultShown { device, what } => format!("{device}  fault: {what}"),
        AgentEvent::Rebooting { device } => format!("{device}  restarting"),
        AgentEvent::Reloaded { methods } => format!("reloaded: {}", methods.join(", ")),
        AgentEvent::Broken(found) => {
            format!("the scripts do not load; the last good ones stay in force\n{}", found.to_string().trim_end())
        }
        AgentEvent::Handler { device, handler, outcome: HandlerOutcome::Failed { finding, .. }, .. }
        | AgentEvent::Handler { device, handler, outcome: HandlerOutcome::FailedLate { finding, .. }, .. } => {
            format!("{device}  {handler} failed\n{}", reason(finding))
        }
        // What is not 2xx is worth a look, though the handler meant it.
        AgentEvent::Handler { device, handler, outcome: HandlerOutcome::Answered(status), .. }
            if !(200..300).contains(status) =>
        {
            format!("{device}  {handler} answered {status}")
        }
        _ => return None,
    })
}
