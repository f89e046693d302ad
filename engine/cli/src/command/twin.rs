//! `iotplay twin get|patch`: one device's twin, as the service shows it.

use serde_json::{Map, Value};
use wire::{Identity, IfMatch};

use crate::args::{Common, TwinCommand, TwinPatchArgs};
use crate::play;
use crate::process::{CommandResult, Exit, Signals, Stdout, Trouble, err};
use crate::world::{Embed, Screen, World, device_trouble};

/// Reads or patches it.
pub(crate) async fn run(common: &Common, command: TwinCommand) -> CommandResult {
    let signals = Signals::listen()?;
    let stop = signals.asked().clone();
    let work = async {
        match command {
            TwinCommand::Get(name) => get(common, &name.device).await,
            TwinCommand::Patch(args) => patch(common, &signals, args).await,
        }
    };
    tokio::select! {
        ended = work => ended,
        () = stop.cancelled() => Ok(signals.exit().unwrap_or(Exit::INTERRUPTED)),
    }
}

async fn get(common: &Common, device: &str) -> CommandResult {
    let device = super::device_id(device)?;
    let world = World::open(common, Embed::No, &Screen::new(false).lines).await?;
    match world.client().twin(&Identity::device(device.clone())).await {
        Ok(twin) => {
            Stdout::line(&serde_json::to_string_pretty(&twin).expect("a JSON value is JSON"));
            Ok(Exit::OK)
        }
        Err(error) => Err(device_trouble(world.client(), &error, &device).await),
    }
}

async fn patch(common: &Common, signals: &Signals, args: TwinPatchArgs) -> CommandResult {
    let device = super::device_id(&args.device)?;
    let body = body(&args.patch)?;
    let world = World::open(common, Embed::No, &Screen::new(false).lines).await?;
    play::consent(&world, signals, args.yes.as_deref(), "twin patch", &[device.as_str()]).await?;
    match world.client().patch_twin(&Identity::device(device.clone()), &body, &IfMatch::Any).await {
        Ok(twin) => {
            err(&format!("patched {device}, version {}", twin.get("version").unwrap_or(&Value::Null)));
            Ok(Exit::OK)
        }
        Err(error) => Err(device_trouble(world.client(), &error, &device).await),
    }
}

/// `{"tags":{..},"desired":{..}}` as the service wants it.
fn body(text: &str) -> Result<Value, Trouble> {
    let form = "{\"tags\":{..},\"desired\":{..}}, with null to delete a key";
    let given: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        Trouble::usage(format!("the patch is not a JSON object: {error}")).help(format!("write {form}"))
    })?;
    let mut body = Map::new();
    for (key, value) in given {
        match key.as_str() {
            "tags" | "properties" => drop(body.insert(key, value)),
            "desired" => drop(body.insert("properties".to_owned(), serde_json::json!({ "desired": value }))),
            "reported" => {
                return Err(Trouble::usage("reported properties are the device's own: a service cannot write them")
                    .help(format!("write {form}")));
            }
            other => {
                return Err(Trouble::usage(format!("unknown key `{other}` in the patch")).help(format!("write {form}")));
            }
        }
    }
    Ok(Value::Object(body))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn desired_goes_where_the_service_looks_for_it() {
        let sent = body(r#"{"tags":{"a":null},"desired":{"b":1}}"#).unwrap();
        assert_eq!(sent, json!({ "tags": { "a": null }, "properties": { "desired": { "b": 1 } } }));
        for bad in ["[]", "{", r#"{"reported":{}}"#, r#"{"tag":{}}"#] {
            assert!(body(bad).is_err(), "{bad}");
        }
    }
}
