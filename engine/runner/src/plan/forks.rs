//! Whether so many calls can be in flight: each holds a connection where the hub wants one per call.

use base::Diagnostic;

use crate::RunOptions;
use crate::book::Play;

/// Why a play asks for more calls in flight than this process can hold; nothing when it does not.
pub(crate) fn too_many_forks(play: &Play, targets: usize, options: &RunOptions) -> Option<Diagnostic> {
    let (asked, most) = (options.forks.or(play.forks)?.min(targets), options.most_forks?);
    if asked <= most {
        return None;
    }
    let said = if options.forks.is_some() { "-f" } else { "`forks`" };
    Some(
        Diagnostic::error(format!(
            "{asked} calls in flight ({said}) need as many connections, and this process may open {most}. Nothing was sent"
        ))
        .help(format!("use {most} or fewer; raise the hard limit of open files (`ulimit -Hn`); or split the devices over several runs with -l")),
    )
}
