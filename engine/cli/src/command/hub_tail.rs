//! `iotplay hub tail`: the messages that devices have sent to the local hub, and those that come. Reads them from the hub; keeps none.

use std::time::Duration;

use base::Clock;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use iothub::{ClientError, HubClient};
use serde_json::{Value, json};
use wire::{PropertyBag, TelemetryDocument, TelemetryQuery};

use crate::args::{Common, Since, TailArgs, TailOutput};
use crate::process::{CommandResult, Exit, Signals, Stdout, Trouble, err};
use crate::world::{Embed, Screen, World, trouble};

/// How long one question waits for a message; the next one follows at once.
const WAIT: Duration = Duration::from_secs(15);
/// Characters of a body that a line shows.
const SHOWN: usize = 1_000;

/// Prints them until there are no more, or until interrupted.
pub(crate) async fn run(common: &Common, args: TailArgs) -> CommandResult {
    let signals = Signals::listen()?;
    let stop = signals.asked().clone();
    let work = async {
        let query = query(&args)?;
        let world = World::open(common, Embed::No, &Screen::new(false).lines).await?;
        tail(world.client(), query, args.follow, args.output).await
    };
    tokio::select! {
        ended = work => ended,
        // Whoever follows ends it so.
        () = stop.cancelled() => Ok(if args.follow { Exit::OK } else { signals.exit().unwrap_or(Exit::INTERRUPTED) }),
    }
}

fn query(args: &TailArgs) -> Result<TelemetryQuery, Trouble> {
    let now = Clock::system().now();
    Ok(TelemetryQuery {
        device: args.device.as_deref().map(super::device_id).transpose()?,
        properties: PropertyBag(args.properties.clone()),
        since: args.since.map(|since| match since {
            Since::Ago(ago) => now.checked_sub(ago).unwrap_or(std::time::UNIX_EPOCH),
            Since::At(at) => at,
        }),
        last: args.last,
        ..TelemetryQuery::default()
    })
}

async fn tail(client: &HubClient, mut query: TelemetryQuery, follow: bool, output: TailOutput) -> CommandResult {
    loop {
        let page = client.telemetry(&query).await.map_err(|error| refused(&error))?;
        if page.forgotten > 0 {
            err(&format!("{} messages came and went in the meantime: a hub keeps the newest only", page.forgotten));
        }
        for message in &page.messages {
            match output {
                TailOutput::Text => Stdout::line(&line(message)),
                TailOutput::Ndjson => Stdout::line(&object(message).to_string()),
            }
        }
        if page.messages.is_empty() && !follow {
            return Ok(Exit::OK);
        }
        (query.after, query.last) = (Some(page.next), None);
        query.wait = if follow { WAIT } else { Duration::ZERO };
    }
}

fn refused(error: &ClientError) -> Trouble {
    match error {
        ClientError::Unusable(why) => {
            Trouble::usage(why.as_str()).help("az iot hub monitor-events --hub-name ..; or an Event Hubs client")
        }
        error => trouble(error, None),
    }
}

/// `19:02:11.123  press-7/camera  {"t":21}  [will] line=B`
fn line(message: &TelemetryDocument) -> String {
    let time = message.enqueued_time.get(11..23).unwrap_or(&message.enqueued_time);
    let module = message.module_id.as_ref().map_or_else(String::new, |module| format!("/{module}"));
    let text = String::from_utf8_lossy(&message.body);
    let more = if text.chars().count() > SHOWN { " .." } else { "" };
    let body: String = text.chars().take(SHOWN).collect();
    let will = if message.will { "  [will]" } else { "" };
    let properties = message.properties_text();
    let gap = if properties.is_empty() { "" } else { "  " };
    let line = format!("{time}  {}{module}  {body}{more}{will}{gap}{properties}", message.device_id);
    // Control characters could draw on the terminal of whoever watches.
    line.chars().map(|c| if c.is_control() { '.' } else { c }).collect()
}

/// Everything, with the body as what it is: JSON, a text, or base64.
fn object(message: &TelemetryDocument) -> Value {
    let (form, body) = match (serde_json::from_slice::<Value>(&message.body), std::str::from_utf8(&message.body)) {
        (Ok(json), _) => ("json", json),
        (Err(_), Ok(text)) => ("text", text.into()),
        (Err(_), Err(_)) => ("base64", STANDARD.encode(&message.body).into()),
    };
    let mut object = json!({
        "enqueuedTime": message.enqueued_time,
        "deviceId": message.device_id,
        "will": message.will,
        "systemProperties": message.system_properties,
        "properties": message.properties,
        "bodyForm": form,
        "body": body,
    });
    if let Some(module) = &message.module_id {
        object["moduleId"] = module.as_str().into();
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &[u8]) -> TelemetryDocument {
        let mut message = TelemetryDocument {
            enqueued_time: "2026-11-23T18:00:00.1230000Z".into(),
            device_id: "d".parse().unwrap(),
            module_id: None,
            will: false,
            system_properties: std::collections::BTreeMap::new(),
            properties: std::collections::BTreeMap::new(),
            body: body.to_vec().into(),
        };
        message.sort(&"%24.ct=x&k=v&iothub-MessageType=Will".parse().unwrap());
        message
    }

    #[test]
    fn a_line_shows_no_control_characters() {
        assert_eq!(line(&message(b"a\x1b[2J\nb")), "18:00:00.123  d  a.[2J.b  [will]  iothub-MessageType=Will k=v");
        assert!(line(&message(&[b'x'; 5_000])).len() < 1_200);
    }

    #[test]
    fn a_body_is_shown_as_what_it_is() {
        for (body, form, shown) in [
            (&b"{\"t\":21}"[..], "json", json!({"t": 21})),
            (b"hello", "text", json!("hello")),
            (b"\xff\x00", "base64", json!("/wA=")),
            (b"", "text", json!("")),
        ] {
            let object = object(&message(body));
            assert_eq!((&object["bodyForm"], &object["body"]), (&json!(form), &shown));
            assert_eq!((&object["will"], &object["systemProperties"]["content-type"]), (&json!(true), &json!("x")));
        }
    }
}
