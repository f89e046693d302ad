//! `iotplay send DEVICE [BODY]`: one cloud-to-device message through the local hub. Its id goes to stdout: feedback names it so.

use std::io::Read as _;

use base::Clock;
use bytes::Bytes;
use iothub::ClientError;
use wire::{CloudMessage, limits};

use crate::args::{Common, SendArgs};
use crate::play;
use crate::process::{CommandResult, Exit, Signals, Stdout, Trouble, err};
use crate::world::{Embed, Screen, World, device_trouble};

/// Sends it.
pub(crate) async fn run(common: &Common, args: SendArgs) -> CommandResult {
    let signals = Signals::listen()?;
    let stop = signals.asked().clone();
    tokio::select! {
        ended = send(common, &signals, args) => ended,
        () = stop.cancelled() => Ok(signals.exit().unwrap_or(Exit::INTERRUPTED)),
    }
}

async fn send(common: &Common, signals: &Signals, args: SendArgs) -> CommandResult {
    let device = super::device_id(&args.device)?;
    let now = Clock::system().now();
    let message = CloudMessage {
        message_id: args.message_id.unwrap_or_default(),
        correlation_id: args.correlation_id,
        content_type: args.content_type,
        content_encoding: args.content_encoding,
        ack: args.ack,
        properties: args.properties.into_iter().collect(),
        body: body(args.body)?,
        ..CloudMessage::default()
    };
    let message = message.living(now, args.ttl);
    message.check(&device, now).map_err(|error| Trouble::usage(error.message))?;
    let world = World::open(common, Embed::No, &Screen::new(false).lines).await?;
    play::consent(&world, signals, args.yes.as_deref(), "send", &[device.as_str()]).await?;
    match world.client().send_message(&device, &message).await {
        Ok(taken) => {
            Stdout::line(&taken.message_id);
            err(&format!("waits for {device} until {}", taken.expiry_time_utc));
            Ok(Exit::OK)
        }
        Err(ClientError::Unusable(why)) => Err(Trouble::usage(why).help(format!(
            "az iot device c2d-message send --device-id {device} --data ..; or the service SDK of your language"
        ))),
        Err(error) => Err(device_trouble(world.client(), &error, &device).await),
    }
}

/// The argument, or standard input, read no further than a message may be long.
fn body(given: String) -> Result<Bytes, Trouble> {
    if given != "-" {
        return Ok(given.into());
    }
    let mut bytes = Vec::new();
    let most = limits::C2D_BYTES as u64 + 1;
    std::io::stdin()
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(|error| Trouble::usage(format!("standard input: {error}")))?;
    Ok(bytes.into())
}
