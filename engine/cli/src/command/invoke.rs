//! `iotplay invoke DEVICE METHOD [JSON]`: one direct method. The reply's payload goes to stdout as it came.

use std::time::Duration;

use base::{Diagnostic, format_duration};
use serde_json::value::RawValue;
use wire::{DeviceId, Identity, MethodCall, MethodReply, limits};

use crate::args::{Common, InvokeArgs};
use crate::play;
use crate::process::{CommandResult, Exit, Signals, Stdout, Trouble, err};
use crate::world::{Embed, Screen, World, device_trouble};

/// Calls it.
pub(crate) async fn run(common: &Common, args: InvokeArgs) -> CommandResult {
    let signals = Signals::listen()?;
    let (device, call) = (super::device_id(&args.device)?, method_call(&args)?);
    let lines = Screen::new(false).lines;
    let stop = signals.asked().clone();
    let work = async {
        let world = World::open(common, Embed::Simulated { sim: &args.sim, watch: false }, &lines).await?;
        let ended = one(&world, &signals, &args, &device, &call).await;
        world.close().await;
        ended
    };
    tokio::select! {
        ended = work => ended,
        () = stop.cancelled() => Ok(signals.exit().unwrap_or(Exit::INTERRUPTED)),
    }
}

async fn one(
    world: &World,
    signals: &Signals,
    args: &InvokeArgs,
    device: &DeviceId,
    call: &MethodCall,
) -> CommandResult {
    play::consent(world, signals, args.yes.as_deref(), "invoke", &[device.as_str()]).await?;
    match world.client().invoke(&Identity::device(device.clone()), call).await {
        Ok(reply) => answer(device, &reply),
        Err(error) => Err(device_trouble(world.client(), &error, device).await),
    }
}

fn answer(device: &DeviceId, reply: &MethodReply) -> CommandResult {
    if let Some(payload) = &reply.payload {
        Stdout::line(payload.get());
    }
    if (200..300).contains(&reply.status) {
        if reply.status != 200 {
            err(&format!("status  {}", reply.status));
        }
        return Ok(Exit::OK);
    }
    let diagnostic = Diagnostic::error(format!("{device} answered {}", reply.status)).labelled("rejected");
    Err(Trouble::new(Exit::FAILED, diagnostic))
}

fn method_call(args: &InvokeArgs) -> Result<MethodCall, Trouble> {
    let (least, most) = limits::RESPONSE_TIMEOUT;
    within("--response-timeout", args.response_timeout, least, most)?;
    within("--connect-timeout", args.connect_timeout, Duration::ZERO, limits::CONNECT_TIMEOUT_MAX)?;
    let payload = args.payload.as_deref().map(payload).transpose()?;
    Ok(MethodCall {
        name: args.method.clone(),
        payload,
        response_timeout: args.response_timeout,
        connect_timeout: args.connect_timeout,
    })
}

fn payload(text: &str) -> Result<Box<RawValue>, Trouble> {
    if text.len() > limits::METHOD_PAYLOAD_BYTES {
        return Err(Trouble::usage(format!("the payload has {} bytes; a method takes 128 KiB at most", text.len())));
    }
    serde_json::from_str(text).map_err(|error| {
        Trouble::usage(format!("the payload is not JSON: {error}")).help("a text needs its quotes: '\"text\"'")
    })
}

fn within(flag: &str, given: Duration, least: Duration, most: Duration) -> Result<(), Trouble> {
    let whole = given.subsec_nanos() == 0;
    if whole && (least..=most).contains(&given) {
        return Ok(());
    }
    Err(Trouble::usage(format!(
        "{flag} {}: whole seconds from {} to {}",
        format_duration(given),
        format_duration(least),
        format_duration(most)
    )))
}
