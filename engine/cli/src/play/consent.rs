//! Consent for the one call of a small command. Plays ask through the runner, which knows all their devices and verbs.

use runner::Question;

use super::{allowed, terminal};
use crate::process::{Signals, Trouble};
use crate::world::World;

/// Asks before `verb` changes devices of a hub that is not local; nothing was sent when this refuses.
pub(crate) async fn consent(
    world: &World,
    signals: &Signals,
    yes: Option<&str>,
    verb: &'static str,
    devices: &[&str],
) -> Result<(), Trouble> {
    if world.local() || allowed(yes, world.production())? {
        return Ok(());
    }
    let question = Question {
        hub: world.title().to_owned(),
        devices: devices.len(),
        first: devices.iter().take(5).map(|device| (*device).into()).collect(),
        verbs: vec![verb],
        approve: None,
    };
    let Some(confirm) = terminal(signals.asked()) else {
        let them = if devices.len() == 1 { devices[0].to_owned() } else { format!("{} devices", devices.len()) };
        return Err(Trouble::usage(format!(
            "{verb} would change {them} of {}, and there is no terminal to ask on",
            world.title()
        ))
        .help("give --yes (IOTPLAY_YES=1) to go on without being asked"));
    };
    let expected = question.expected();
    match confirm(question).await {
        Some(answer) if answer.trim() == expected => Ok(()),
        _ => Err(Trouble::usage("not confirmed: nothing was sent")),
    }
}
