//! Flags of `send`.

use std::time::Duration;

use clap::Args;
use wire::Ack;

use super::run::duration;

/// `iotplay send`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Works with `iotplay hub`. Azure IoT Hub takes cloud-to-device messages over AMQP only: there it is\n\
                        `az iot device c2d-message send`, or an SDK."
)]
pub(crate) struct SendArgs {
    /// The device's id
    pub(crate) device: String,
    /// The message's body; `-` reads it from standard input
    #[arg(value_name = "BODY", default_value = "", allow_hyphen_values = true)]
    pub(crate) body: String,
    /// An application property; may be repeated
    #[arg(long = "property", value_name = "KEY=VALUE", value_parser = property)]
    pub(crate) properties: Vec<(String, String)>,
    /// How long it lives if the device does not fetch it; an hour when nothing is said
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) ttl: Option<Duration>,
    /// Which feedback the hub is to keep: none, positive, negative or full
    #[arg(long, value_name = "ACK", default_value = "none")]
    pub(crate) ack: Ack,
    /// By which feedback names it; the hub makes one
    #[arg(long, value_name = "ID")]
    pub(crate) message_id: Option<String>,
    /// What it answers to
    #[arg(long, value_name = "ID")]
    pub(crate) correlation_id: Option<String>,
    /// Media type of the body
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// utf-8, utf-16 or utf-32
    #[arg(long, value_name = "ENCODING")]
    pub(crate) content_encoding: Option<String>,
    /// Do not ask before sending to a device of a hub that is not local; a production hub wants its name: --yes=NAME
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    pub(crate) yes: Option<String>,
}

/// `key=value`, split at the first `=`.
fn property(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    if key.is_empty() { Err("a property needs a name".to_owned()) } else { Ok((key.to_owned(), value.to_owned())) }
}
