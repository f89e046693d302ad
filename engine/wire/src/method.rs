//! A direct method's call and reply as JSON bodies. Payloads stay the text they were sent as: no tree is built of them.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::limits::{
    CONNECT_TIMEOUT_MAX, METHOD_NAME_CHARS, METHOD_PAYLOAD_BYTES, RESPONSE_TIMEOUT, RESPONSE_TIMEOUT_DEFAULT,
};
use crate::{ErrorCode, HubError};

/// A call.
#[derive(Clone, Debug)]
pub struct MethodCall {
    /// The method.
    pub name: String,
    /// Its argument, as sent; none for `null` or nothing, which the device gets as an empty payload.
    pub payload: Option<Box<RawValue>>,
    /// How long the device may take to answer, whole seconds.
    pub response_timeout: Duration,
    /// How long to wait for the device to connect first, whole seconds.
    pub connect_timeout: Duration,
}

/// A reply.
#[derive(Clone, Debug)]
pub struct MethodReply {
    /// The device's own status, any number.
    pub status: i32,
    /// Its answer; none for `null` or nothing.
    pub payload: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallBody<'a> {
    #[serde(borrow)]
    method_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    response_timeout_in_seconds: Option<i64>,
    connect_timeout_in_seconds: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallText<'a> {
    method_name: &'a str,
    payload: Option<&'a RawValue>,
    response_timeout_in_seconds: u64,
    connect_timeout_in_seconds: u64,
}

#[derive(Deserialize)]
struct ReplyBody {
    status: i32,
    #[serde(default)]
    payload: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct ReplyText<'a> {
    status: i32,
    payload: Option<&'a RawValue>,
}

fn seconds(
    given: Option<i64>,
    name: &str,
    range: (Duration, Duration),
    default: Duration,
) -> Result<Duration, HubError> {
    let Some(given) = given else { return Ok(default) };
    let (least, most) = (range.0.as_secs(), range.1.as_secs());
    match u64::try_from(given) {
        Ok(given) if (least..=most).contains(&given) => Ok(Duration::from_secs(given)),
        _ => Err(HubError::invalid(format!("{name} must be within [{least}; {most}]."))),
    }
}

fn fits(payload: &RawValue) -> Result<(), HubError> {
    if payload.get().len() <= METHOD_PAYLOAD_BYTES {
        return Ok(());
    }
    let text = format!(
        "The payload of a method is at most {METHOD_PAYLOAD_BYTES} bytes, this one has {}.",
        payload.get().len()
    );
    Err(HubError::new(ErrorCode::MESSAGE_TOO_LARGE, text))
}

impl MethodCall {
    /// A call with the default timeouts and no payload.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            payload: None,
            response_timeout: RESPONSE_TIMEOUT_DEFAULT,
            connect_timeout: Duration::ZERO,
        }
    }

    /// Reads and checks the body of a call. Errors have the service's own words; they go out in shape B.
    pub fn from_json(body: &[u8]) -> Result<Self, HubError> {
        let body: CallBody<'_> = serde_json::from_slice(body).map_err(|error| {
            HubError::new(ErrorCode::FORMAT_ERROR, format!("The body is not a method call: {error}"))
        })?;
        let name = body.method_name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| HubError::invalid("methodName is null or empty."))?;
        if name.chars().count() > METHOD_NAME_CHARS {
            return Err(HubError::invalid(format!("methodName is longer than {METHOD_NAME_CHARS} characters.")));
        }
        let response = body.response_timeout_in_seconds;
        let response_timeout =
            seconds(response, "responseTimeoutInSeconds", RESPONSE_TIMEOUT, RESPONSE_TIMEOUT_DEFAULT)?;
        let connect = (Duration::ZERO, CONNECT_TIMEOUT_MAX);
        let connect_timeout =
            seconds(body.connect_timeout_in_seconds, "connectTimeoutInSeconds", connect, Duration::ZERO)?;
        body.payload.map_or(Ok(()), fits)?;
        let payload = body.payload.map(ToOwned::to_owned);
        Ok(Self { name: name.into_owned(), payload, response_timeout, connect_timeout })
    }

    /// The body of a call.
    pub fn to_json(&self) -> Vec<u8> {
        let text = CallText {
            method_name: &self.name,
            payload: self.payload.as_deref(),
            response_timeout_in_seconds: self.response_timeout.as_secs(),
            connect_timeout_in_seconds: self.connect_timeout.as_secs(),
        };
        serde_json::to_vec(&text).expect("texts, numbers and raw JSON always serialise")
    }

    /// What the device gets: the payload's JSON, or no byte at all.
    pub fn device_payload(&self) -> &[u8] {
        self.payload.as_deref().map_or(b"", |payload| payload.get().as_bytes())
    }
}

impl MethodReply {
    /// Of what the device published: its status, and JSON or nothing.
    pub fn from_device(status: i32, payload: &[u8]) -> Result<Self, HubError> {
        if payload.is_empty() {
            return Ok(Self { status, payload: None });
        }
        let not_json =
            |_| HubError::new(ErrorCode::BAD_GATEWAY, "The device answered with something that is not JSON.");
        let payload: Option<Box<RawValue>> = serde_json::from_slice(payload).map_err(not_json)?;
        payload
            .as_deref()
            .map_or(Ok(()), fits)
            .map_err(|error| HubError::new(ErrorCode::BAD_GATEWAY, error.message))?;
        Ok(Self { status, payload })
    }

    /// The body of the answer to the caller; `payload` is always there.
    pub fn to_json(&self) -> Vec<u8> {
        let text = ReplyText { status: self.status, payload: self.payload.as_deref() };
        serde_json::to_vec(&text).expect("a number and raw JSON always serialise")
    }

    /// Reads the body of an answer, as a client.
    pub fn from_json(body: &[u8]) -> Result<Self, serde_json::Error> {
        let ReplyBody { status, payload } = serde_json::from_slice(body)?;
        Ok(Self { status, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(body: &str) -> (ErrorCode, String) {
        let error = MethodCall::from_json(body.as_bytes()).unwrap_err();
        (error.code, error.message)
    }

    #[test]
    fn reads_what_sdks_send() {
        for (body, payload, response, connect) in [
            (r#"{"methodName":"m","payload":""}"#, r#""""#, 30, 0),
            (
                r#"{"methodName":"m","payload":null,"responseTimeoutInSeconds":30,"connectTimeoutInSeconds":0}"#,
                "",
                30,
                0,
            ),
            (r#"{"methodName":"m"}"#, "", 30, 0),
            (r#"{"methodName":"m","payload":"{\"a\":1}"}"#, r#""{\"a\":1}""#, 30, 0),
            (
                r#"{"payload":{"k1": "v1"},"methodName":"m","responseTimeoutInSeconds":300,"connectTimeoutInSeconds":300}"#,
                r#"{"k1": "v1"}"#,
                300,
                300,
            ),
            (r#"{"methodName":"m","payload":"foo","timeoutInSeconds":3600,"x":1}"#, r#""foo""#, 30, 0),
            (r#"{"methodName":"m","payload":0,"responseTimeoutInSeconds":5}"#, "0", 5, 0),
        ] {
            let call = MethodCall::from_json(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"));
            assert_eq!(call.name, "m");
            assert_eq!(call.device_payload(), payload.as_bytes(), "{body}");
            assert_eq!(
                (call.response_timeout.as_secs(), call.connect_timeout.as_secs()),
                (response, connect),
                "{body}"
            );
            let again = MethodCall::from_json(&call.to_json()).unwrap();
            assert_eq!(again.device_payload(), call.device_payload());
        }
    }

    #[test]
    fn refuses_in_the_services_words() {
        let argument = ErrorCode::ARGUMENT_INVALID;
        let name = (argument, "methodName is null or empty.".to_owned());
        assert_eq!(refused("{}"), name);
        assert_eq!(refused(r#"{"methodName":""}"#), name);
        assert_eq!(refused(r#"{"methodName":null}"#), name);
        for seconds in ["0", "4", "301", "-1", "9223372036854775807"] {
            let (code, text) = refused(&format!(r#"{{"methodName":"m","responseTimeoutInSeconds":{seconds}}}"#));
            assert_eq!((code, text.as_str()), (argument, "responseTimeoutInSeconds must be within [5; 300]."));
        }
        let (_, text) = refused(r#"{"methodName":"m","connectTimeoutInSeconds":301}"#);
        assert_eq!(text, "connectTimeoutInSeconds must be within [0; 300].");
        for body in ["", "[]", "{", r#"{"methodName":1}"#, r#"{"methodName":"m","responseTimeoutInSeconds":"5"}"#] {
            assert_eq!(refused(body).0, ErrorCode::FORMAT_ERROR, "{body}");
        }
        let large = format!(r#"{{"methodName":"m","payload":"{}"}}"#, "x".repeat(METHOD_PAYLOAD_BYTES));
        assert_eq!(refused(&large).0, ErrorCode::MESSAGE_TOO_LARGE);
        assert_eq!(refused(&format!(r#"{{"methodName":"{}"}}"#, "x".repeat(101))).0, argument);
    }

    #[test]
    fn replies_keep_the_devices_text() {
        for (device, json) in [
            ("", r#"{"status":200,"payload":null}"#),
            ("null", r#"{"status":200,"payload":null}"#),
            (r#"{"a": [1, 2.50]}"#, r#"{"status":200,"payload":{"a": [1, 2.50]}}"#),
            (r#""x""#, r#"{"status":200,"payload":"x"}"#),
        ] {
            let reply = MethodReply::from_device(200, device.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(reply.to_json()).unwrap(), json);
            let again = MethodReply::from_json(json.as_bytes()).unwrap();
            assert_eq!(again.to_json(), reply.to_json());
        }
        assert_eq!(MethodReply::from_device(200, b"oops").unwrap_err().code, ErrorCode::BAD_GATEWAY);
        assert_eq!(MethodReply::from_device(200, b"\xff").unwrap_err().code, ErrorCode::BAD_GATEWAY);
        assert_eq!(MethodReply::from_json(br#"{"status":-3}"#).unwrap().status, -3);
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,60}", status: i32) {
            let _ = MethodCall::from_json(text.as_bytes());
            let _ = MethodReply::from_device(status, text.as_bytes()).map(|reply| reply.to_json());
        }
    }
}
