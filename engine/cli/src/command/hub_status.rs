//! `iotplay hub status`: what a running hub counts of itself, one number to a line, or as the hub gives it.

use iothub::ClientError;
use serde_json::Value;

use crate::args::{Common, StatusArgs, StatusOutput};
use crate::process::{CommandResult, Exit, Signals, Stdout, Trouble};
use crate::world::{Embed, Screen, World, trouble};

/// Prints it.
pub(crate) async fn run(common: &Common, args: &StatusArgs) -> CommandResult {
    let signals = Signals::listen()?;
    let stop = signals.asked().clone();
    let work = async {
        let world = World::open(common, Embed::No, &Screen::new(false).lines).await?;
        let status = world.client().status().await.map_err(|error| refused(&error))?;
        match args.output {
            StatusOutput::Json => Stdout::line(&status.to_string()),
            StatusOutput::Text => lines(&status).iter().for_each(|line| Stdout::line(line)),
        }
        Ok(Exit::OK)
    };
    tokio::select! {
        ended = work => ended,
        () = stop.cancelled() => Ok(signals.exit().unwrap_or(Exit::INTERRUPTED)),
    }
}

fn refused(error: &ClientError) -> Trouble {
    match error {
        ClientError::Unusable(why) => Trouble::usage(why.as_str()).help("az monitor metrics list --resource .."),
        error => trouble(error, None),
    }
}

/// `devices        connected 3, disabled 0, total 4`
fn lines(status: &Value) -> Vec<String> {
    let members = status.as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let line = |(name, value): (&String, &Value)| {
        let shown = match value.as_object() {
            None => text(value),
            Some(parts) => {
                let parts: Vec<String> = parts.iter().map(|(part, value)| format!("{part} {}", text(value))).collect();
                parts.join(", ")
            }
        };
        format!("{name:<20}{shown}")
    };
    members.map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_for_each_part() {
        let status = serde_json::json!({"version": "1.0", "devices": {"total": 4, "connected": 3}});
        assert_eq!(lines(&status), ["version             1.0", "devices             total 4, connected 3"]);
    }
}
