//! `iotplay hub fault`: lets a running local hub go wrong on purpose.

use base::{Source, format_duration};
use iothub::{ClientError, HubFault};
use serde_json::json;

use crate::args::{Common, FaultAddArgs, FaultCommand, StatusOutput};
use crate::process::{CommandResult, Exit, Signals, Stdout, Trouble, err};
use crate::world::{Embed, Screen, World, parse_hub_faults, read_hub_faults, trouble};

/// Does it.
pub(crate) async fn run(common: &Common, command: FaultCommand) -> CommandResult {
    let signals = Signals::listen()?;
    let stop = signals.asked().clone();
    let work = async {
        match command {
            FaultCommand::Add(args) => add(common, &args).await,
            FaultCommand::List { output } => list(common, output).await,
            FaultCommand::Clear { id } => clear(common, id.as_deref()).await,
        }
    };
    tokio::select! {
        ended = work => ended,
        () = stop.cancelled() => Ok(signals.exit().unwrap_or(Exit::INTERRUPTED)),
    }
}

async fn open(common: &Common) -> Result<World, Trouble> {
    World::open(common, Embed::No, &Screen::new(false).lines).await
}

async fn add(common: &Common, args: &FaultAddArgs) -> CommandResult {
    let source = match &args.file {
        Some(file) => read_hub_faults(file)?.1,
        None => Source::new("hub fault add", args.profile()),
    };
    // Looked at here first: no hub is needed to see a mistake.
    parse_hub_faults(&source)?;
    let world = open(common).await?;
    let made = world.client().add_faults(source.text()).await.map_err(|error| refused(&error))?;
    for HubFault { id, told, .. } in &made {
        err(&format!("fault   {id}: {told}"));
        Stdout::line(id);
    }
    Ok(Exit::OK)
}

async fn list(common: &Common, output: StatusOutput) -> CommandResult {
    let world = open(common).await?;
    let faults = world.client().faults().await.map_err(|error| refused(&error))?;
    if output == StatusOutput::Json {
        let one = |fault: &HubFault| {
            json!({
                "id": fault.id, "told": fault.told, "shown": fault.shown,
                "beginsInSeconds": fault.begins_in_seconds, "endsInSeconds": fault.ends_in_seconds,
            })
        };
        Stdout::line(&json!({ "faults": faults.iter().map(one).collect::<Vec<_>>() }).to_string());
        return Ok(Exit::OK);
    }
    faults.iter().for_each(|fault| Stdout::line(&line(fault)));
    if faults.is_empty() {
        err("no fault is in place: iotplay hub fault add cuts --share 5%");
    }
    Ok(Exit::OK)
}

async fn clear(common: &Common, id: Option<&str>) -> CommandResult {
    let world = open(common).await?;
    world.client().clear_faults(id).await.map_err(|error| {
        let unknown = error.code().is_some_and(|code| code.http_status() == 400);
        if unknown { Trouble::usage(error.to_string()).help("iotplay hub fault list") } else { refused(&error) }
    })?;
    Ok(Exit::OK)
}

fn refused(error: &ClientError) -> Trouble {
    match error {
        ClientError::Unusable(why) => Trouble::usage(why.as_str()).help("start a hub of your own: iotplay hub"),
        error => trouble(error, None),
    }
}

/// `3  the connection of 5% of the devices ends with a reset, for 30s  shown 12, ends in 8s`
fn line(fault: &HubFault) -> String {
    let seconds = |seconds: f64| format_duration(std::time::Duration::from_secs_f64(seconds.clamp(0.0, 1e9).ceil()));
    let HubFault { id, told, shown, begins_in_seconds, ends_in_seconds } = fault;
    let when = match ends_in_seconds {
        _ if *begins_in_seconds > 0.0 => format!(", begins in {}", seconds(*begins_in_seconds)),
        Some(ends) => format!(", ends in {}", seconds(*ends)),
        None => String::new(),
    };
    format!("{id}  {told}  shown {shown}{when}")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command, HubCommand};

    fn profile(words: &str) -> String {
        let words = ["iotplay", "hub", "fault", "add"].into_iter().chain(words.split_whitespace());
        let Command::Hub(hub) = Cli::try_parse_from(words).unwrap().command else { panic!("hub") };
        let Some(HubCommand::Fault(FaultCommand::Add(args))) = hub.command else { panic!("add") };
        args.profile()
    }

    #[test]
    fn flags_become_a_profile() {
        for (words, told) in [
            ("cuts --share 5%", "the connection of 5% of the devices ends with a reset"),
            (
                "drops-reply --on telemetry,twin --times 1",
                "telemetry and twin is answered, and the answer gets lost, once each",
            ),
            ("clock_skew --by -10m", "connect and rest meets a clock that is 10m behind"),
            (
                "rejects --on rest --status 429 --retry-after 5s --for 30s --after 1s",
                "rest is refused with 429, after 1s, for 30s",
            ),
            (
                "slow --rate 1000 --devices press-*,line-?",
                "the connection of press-* and line-? goes at 1000 bytes a second",
            ),
        ] {
            assert_eq!(parse_hub_faults(&Source::new("x", profile(words))).ok().unwrap().told(), [told], "{words}");
        }
        let slip = parse_hub_faults(&Source::new("hub fault add", profile("cut --count 1"))).unwrap_err();
        assert_eq!(slip.exit, Exit::USAGE);
        assert!(slip.found.to_string().contains("did you mean `cuts`?"), "{}", slip.found);
    }

    #[test]
    fn one_line_for_each() {
        let fault = |begins, ends| HubFault {
            id: "3".into(),
            told: "it fails".into(),
            shown: 2,
            begins_in_seconds: begins,
            ends_in_seconds: ends,
        };
        assert_eq!(line(&fault(0.0, None)), "3  it fails  shown 2");
        assert_eq!(line(&fault(0.0, Some(7.2))), "3  it fails  shown 2, ends in 8s");
        assert_eq!(line(&fault(3.0, Some(7.2))), "3  it fails  shown 2, begins in 3s");
    }
}
