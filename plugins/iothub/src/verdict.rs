//! What a direct method came to: the outcome table of the playbook language, in one function.

use std::fmt;

use base::Mask;
use runner::{Class, Failure, Outcome};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use wire::{ErrorCode, MethodReply};

use crate::client::ClientError;
use crate::failure::failure;

/// A line is about this wide.
const SHOWN: usize = 160;

/// What `accept` takes as success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accept {
    /// This status.
    Status(i32),
    /// `2xx`: the statuses of a hundred.
    Hundred(i32),
    /// `any` reply.
    Any,
    /// No known reply.
    Lost,
}

impl Accept {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "any" => Some(Self::Any),
            "lost" => Some(Self::Lost),
            _ => match text.strip_suffix("xx").and_then(|digit| digit.parse().ok()) {
                Some(digit @ 1..=9) => Some(Self::Hundred(digit)),
                _ => text.parse().ok().map(Self::Status),
            },
        }
    }

    fn takes(self, status: i32) -> bool {
        match self {
            Self::Status(wanted) => wanted == status,
            Self::Hundred(wanted) => status.div_euclid(100) == wanted,
            Self::Any => true,
            Self::Lost => false,
        }
    }
}

impl<'de> Deserialize<'de> for Accept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;
        impl serde::de::Visitor<'_> for Word {
            type Value = Accept;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status such as 409, `2xx`, `any` or `lost`")
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Accept, E> {
                let status = i32::try_from(number);
                status.map(Accept::Status).map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(number), &self))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Accept, E> {
                self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Accept, E> {
                Accept::parse(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Word)
    }
}

impl JsonSchema for Accept {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Accept".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A status, a hundred of them (`2xx`), `any` reply, or `lost`: no known reply.",
            "anyOf": [{ "type": "integer" }, { "type": "string", "pattern": "^([1-9]xx|any|lost)$" }],
        })
    }
}

/// The value of a reply.
fn reply_value(reply: &MethodReply) -> Value {
    let payload = reply.payload.as_ref().and_then(|payload| serde_json::from_str(payload.get()).ok());
    json!({ "status": reply.status, "payload": payload.unwrap_or(Value::Null), "lost": false })
}

/// The value of a call whose reply is unknown.
pub(crate) fn lost_value() -> Value {
    json!({ "status": null, "payload": null, "lost": true })
}

/// `200 {"Response":..}`, cut to a line.
pub(crate) fn summary(reply: &MethodReply) -> String {
    let payload = reply.payload.as_ref().map_or("", |payload| payload.get());
    let line = format!("{} {payload}", reply.status);
    Mask::process().shorten(line.trim_end(), SHOWN)
}

/// The outcome of a call. `waited` is how long the device was given, as text.
pub(crate) fn judge(result: &Result<MethodReply, ClientError>, accept: &[Accept], waited: &str) -> Outcome {
    let error = match result {
        Ok(reply) => return judge_reply(reply, accept),
        Err(error) => error,
    };
    let lost_is_fine = accept.contains(&Accept::Lost);
    let judged = match (error, error.code()) {
        (_, Some(code @ ErrorCode::DEVICE_NOT_ONLINE)) => return not_online(code).into(),
        (_, Some(code @ (ErrorCode::CONNECTION_CLOSED_REMOTELY | ErrorCode::CONNECTION_REPLACED))) => dropped(code),
        (_, Some(code @ (ErrorCode::GATEWAY_TIMEOUT | ErrorCode::GENERIC_TIMEOUT))) => unanswered(code, waited),
        (ClientError::Lost { .. }, _) => blind(failure(error)),
        // The hub failed after it took the call (or the device published no JSON): nobody knows what became of it.
        (_, Some(code)) if code.http_status() >= 500 => Failure { in_doubt: true, ..failure(error) },
        _ => return failure(error).into(),
    };
    if lost_is_fine && judged.in_doubt { Outcome::changed(lost_value()) } else { judged.into() }
}

fn judge_reply(reply: &MethodReply, accept: &[Accept]) -> Outcome {
    let value = reply_value(reply);
    if (200..300).contains(&reply.status) || accept.iter().any(|accept| accept.takes(reply.status)) {
        return Outcome::changed(value);
    }
    let mut failure = Failure::new(Class::Rejected, format!("answered {}", summary(reply)));
    failure.status = Some(reply.status);
    failure.value = value;
    failure.help.push(format!("if that is fine: `accept: [2xx, {}]` in invoke_method", reply.status));
    failure.into()
}

fn not_online(code: ErrorCode) -> Failure {
    let message = format!("is not connected, or listens to no methods ({code}). Nothing was sent to it.");
    let mut failure = Failure::new(Class::Unreachable, message);
    failure.help.push("to wait for it, put `offline: { wait: 2h }` beside invoke_method".to_owned());
    failure
}

fn dropped(code: ErrorCode) -> Failure {
    let message = format!("lost its connection during the call ({code}). It may have carried the call out.");
    blind(Failure::new(Class::Unreachable, message))
}

fn unanswered(code: ErrorCode, waited: &str) -> Failure {
    let message = format!("did not answer within {waited} ({code}). It may have carried the call out.");
    let mut failure = Failure::new(Class::Timeout, message);
    failure.help.push("to give it longer: `response_timeout: 60s` in invoke_method (at most 300s)".to_owned());
    blind(failure)
}

/// No reply is known: never repeated blindly.
fn blind(mut failure: Failure) -> Failure {
    failure.in_doubt = true;
    failure.value = lost_value();
    failure.help.push(
        "do not send it again blindly: `accept: [2xx, lost]` and a wait_until on what it reports tell what became of it"
            .to_owned(),
    );
    failure
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
