//! Which devices a play runs on: its `targets`, `-l`, `-q`, `--all`, and what a hub that is not local asks of people. Sends
//! no call to a device.

use base::{Diagnostic, did_you_mean};
use rand::seq::SliceRandom;

use super::limit::Limit;
use crate::book::{Order, Targets};
use crate::{Inventory, InventoryError, RunOptions, Selection, Target};

/// The devices of a play.
#[derive(Debug)]
pub(crate) enum Planned {
    /// These, in this order.
    Devices(Vec<Target>),
    /// The run must not start: why, and the exit code.
    Refused(Box<Diagnostic>, u8),
}

/// Usage: nothing was sent.
const USAGE: u8 = 2;
/// The hub refused.
const HUB: u8 = 7;

/// Selects the devices of a play. `targets` is what the play says, if it says anything.
pub(crate) async fn select(targets: Option<&Targets>, inventory: &dyn Inventory, options: &RunOptions) -> Planned {
    match choose(targets, inventory, options).await {
        Ok(devices) if devices.is_empty() && !options.allow_empty && options.only.is_none() => {
            refuse(nobody(targets, options), USAGE)
        }
        Ok(devices) => Planned::Devices(order(devices, targets, options)),
        Err((diagnostic, exit)) => refuse(diagnostic, exit),
    }
}

fn refuse(diagnostic: Diagnostic, exit: u8) -> Planned {
    Planned::Refused(Box::new(diagnostic), exit)
}

/// Why a run must not start, and the exit code.
pub(crate) type Stop = (Diagnostic, u8);

async fn choose(
    targets: Option<&Targets>,
    inventory: &dyn Inventory,
    options: &RunOptions,
) -> Result<Vec<Target>, Stop> {
    if let Some(only) = &options.only {
        return exactly(only, targets, inventory).await;
    }
    let limit = Limit::new(&options.limit);
    let said = !limit.is_empty() || options.query.is_some() || options.all;
    if targets.is_none() && !said && !inventory.hub().local {
        return Err(unlimited(inventory).await);
    }
    let play = match targets {
        Some(targets) => Some(inventory.select(&meant(targets)?).await.map_err(stop)?),
        None => None,
    };
    let base = match (play, &options.query, limit.plain_ids()) {
        (Some(play), None, _) => play,
        (Some(play), Some(query), _) => both(play, &queried(inventory, query).await?),
        (None, Some(query), _) => queried(inventory, query).await?,
        (None, None, Some(ids)) => return inventory.select(&Selection::Ids(ids)).await.map_err(stop),
        (None, None, None) => inventory.select(&Selection::All).await.map_err(stop)?,
    };
    outside(&limit, &base)?;
    Ok(base.into_iter().filter(|target| limit.takes(&target.id)).collect())
}

/// The devices of a retry, as far as the play means them.
async fn exactly(only: &[String], targets: Option<&Targets>, inventory: &dyn Inventory) -> Result<Vec<Target>, Stop> {
    let Some(targets) = targets else { return inventory.select(&Selection::Ids(only.to_vec())).await.map_err(stop) };
    let play = inventory.select(&meant(targets)?).await.map_err(stop)?;
    let only: std::collections::BTreeSet<&str> = only.iter().map(String::as_str).collect();
    Ok(play.into_iter().filter(|target| only.contains(target.id.as_ref())).collect())
}

/// The selection of a play, its file read.
fn meant(targets: &Targets) -> Result<Selection, Stop> {
    let Some(file) = &targets.file else { return Ok(targets.which.clone()) };
    let text = std::fs::read_to_string(file.as_ref())
        .map_err(|error| (Diagnostic::error(format!("cannot read the devices of {file}: {error}")), USAGE))?;
    Ok(Selection::Ids(ids_of(&text)))
}

/// The ids of a list: the first column of each line; a heading `id`, `device` or `device_id`, empty lines and `#` lines are left out.
fn ids_of(text: &str) -> Vec<String> {
    let cell = |line: &str| line.split([',', ';', '\t']).next().unwrap_or("").trim().trim_matches('"').to_owned();
    let heading = |id: &str| ["id", "device", "device_id", "deviceid"].contains(&id.to_lowercase().as_str());
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let ids = lines.map(cell).filter(|id| !id.is_empty());
    ids.enumerate().filter(|(index, id)| *index > 0 || !heading(id)).map(|(_, id)| id).collect()
}

async fn queried(inventory: &dyn Inventory, query: &str) -> Result<Vec<Target>, Stop> {
    inventory.select(&Selection::Query(query.to_owned())).await.map_err(stop)
}

fn both(play: Vec<Target>, query: &[Target]) -> Vec<Target> {
    let ids: std::collections::BTreeSet<&str> = query.iter().map(|target| target.id.as_ref()).collect();
    play.into_iter().filter(|target| ids.contains(target.id.as_ref())).collect()
}

/// An id that `-l` names and the devices meant do not hold is a slip, not an empty set.
fn outside(limit: &Limit<'_>, targets: &[Target]) -> Result<(), Stop> {
    let missing = limit.missing(targets);
    let Some(first) = missing.first() else { return Ok(()) };
    let close = did_you_mean(first, targets.iter().map(|target| target.id.as_ref()));
    let names = missing.join(", ");
    let diagnostic = Diagnostic::error(format!("not among the {} devices of the play: {names}", targets.len()))
        .help(close.map(|id| format!("did you mean `-l {id}`?")).unwrap_or_default());
    Err((diagnostic, USAGE))
}

/// What the inventory's refusal means for the run.
pub(crate) fn stop(error: InventoryError) -> Stop {
    match error {
        InventoryError::Unknown(ids) => {
            let diagnostic = ids
                .iter()
                .filter_map(|(_, close)| close.as_deref())
                .take(1)
                .fold(Diagnostic::error(InventoryError::Unknown(ids.clone()).to_string()), |diagnostic, close| {
                    diagnostic.help(format!("did you mean `{close}`?"))
                });
            (diagnostic.help("to see them all: iotplay devices list"), USAGE)
        }
        InventoryError::Query(_) => (Diagnostic::error(error.to_string()), USAGE),
        InventoryError::Hub { message, help } => {
            (help.into_iter().fold(Diagnostic::error(message), Diagnostic::help).labelled("hub"), HUB)
        }
    }
}

async fn unlimited(inventory: &dyn Inventory) -> Stop {
    let hub = inventory.hub().title;
    match inventory.count().await {
        Ok(count) => {
            let devices = if count == 1 { "1 device".to_owned() } else { format!("{count} devices") };
            let sentence = format!("the play has no `targets`: it would have met {devices} of {hub}. Nothing was sent");
            (Diagnostic::error(sentence).help("say whom: `-l IDS`, `-q CONDITION`, or `--all` for every device"), USAGE)
        }
        Err(error) => stop(error),
    }
}

fn nobody(targets: Option<&Targets>, options: &RunOptions) -> Diagnostic {
    if targets.is_none() && options.query.is_none() && options.limit.is_empty() {
        return Diagnostic::error("the hub has no devices")
            .help("a simulated one: iotplay agent (in another terminal)")
            .help("one of your own: iotplay devices add ID")
            .help("if none is fine: --allow-empty");
    }
    let said = match (&options.query, options.limit.is_empty()) {
        (Some(query), true) => format!(" the query {query}"),
        (Some(query), false) => format!(" the query {query} and -l {}", options.limit.join(",")),
        (None, false) => format!(" -l {}", options.limit.join(",")),
        (None, true) => String::new(),
    };
    let sentence = if said.is_empty() { "no device matched".to_owned() } else { format!("no device matched{said}") };
    Diagnostic::error(sentence).help("to see the devices: iotplay devices list; if none is fine: --allow-empty")
}

fn order(mut devices: Vec<Target>, targets: Option<&Targets>, options: &RunOptions) -> Vec<Target> {
    match targets.map(|targets| targets.order).unwrap_or_default() {
        Order::Given => {}
        Order::Id => devices.sort_by(|a, b| a.id.cmp(&b.id)),
        Order::Random => {
            devices.sort_by(|a, b| a.id.cmp(&b.id));
            devices.shuffle(&mut options.seed.of("order").rng());
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    devices.retain(|target| seen.insert(std::sync::Arc::clone(&target.id)));
    devices
}
