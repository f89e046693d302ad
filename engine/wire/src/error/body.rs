//! An error as the service words it. Two body shapes are live: A (registry, twins, query, jobs) and B (direct methods), where the
//! message is JSON inside a text; a third comes from the web framework. Built by the hub, read by the client.

use std::fmt;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use super::ErrorCode;

/// A refusal.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("{message} ({code})")]
pub struct HubError {
    /// The code.
    pub code: ErrorCode,
    /// The service's own words.
    pub message: String,
    /// More of it, such as `{"timeout":"00:00:00"}`; only shape B carries it.
    pub info: Option<Value>,
}

/// What identifies one answer in the service's logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracking {
    /// Any text without blanks; the service uses 32 hex digits.
    pub id: String,
    /// When it was answered.
    pub at: SystemTime,
}

impl Tracking {
    /// Of a random number, as the service does it.
    pub fn new(random: u128, at: SystemTime) -> Self {
        Self { id: format!("{random:032x}"), at }
    }
}

/// `2ce0..-G:0-TimeStamp:08/24/2018 17:49:33`
impl fmt::Display for Tracking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = Timestamp::try_from(self.at).unwrap_or(Timestamp::UNIX_EPOCH);
        write!(f, "{}-G:0-TimeStamp:{}", self.id, at.strftime("%m/%d/%Y %H:%M:%S"))
    }
}

/// Both shapes at the outside.
#[derive(Deserialize)]
struct Outside {
    #[serde(rename = "Message", alias = "message")]
    message: String,
}

/// What shape B has inside its text, and what a twin's answer over MQTT is.
#[derive(Deserialize)]
struct Inside {
    #[serde(rename = "errorCode")]
    error_code: u32,
    #[serde(default)]
    message: String,
    #[serde(default)]
    info: Option<Value>,
}

impl HubError {
    /// A refusal without further information.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), info: None }
    }

    /// With `info`.
    #[must_use]
    pub fn with_info(mut self, info: Value) -> Self {
        self.info = Some(info);
        self
    }

    /// 400004 with these words.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ARGUMENT_INVALID, message)
    }

    /// The classic body: `{"Message":"ErrorCode:Name;text","ExceptionMessage":"Tracking ID:.."}`.
    pub fn body_a(&self, tracking: &Tracking) -> String {
        let message = format!("ErrorCode:{};{}", self.code.name(), self.message);
        json!({ "Message": message, "ExceptionMessage": format!("Tracking ID:{tracking}") }).to_string()
    }

    /// The newer body: `Message` is a text that holds JSON.
    pub fn body_b(&self, tracking: &Tracking) -> String {
        json!({ "Message": twin_error_body(self, tracking), "ExceptionMessage": "" }).to_string()
    }

    /// What a client makes of an answer that is not a success: the body in either shape, else the header's name, else the status.
    pub fn parse(status: u16, header: Option<&str>, body: &[u8]) -> Self {
        let fallback = || header.and_then(ErrorCode::of_name).unwrap_or_else(|| ErrorCode::of_status(status));
        let text = String::from_utf8_lossy(body);
        let message =
            serde_json::from_str::<Outside>(&text).map_or_else(|_| text.trim().to_owned(), |body| body.message);
        if let Ok(inside) = serde_json::from_str::<Inside>(&message).or_else(|_| serde_json::from_str(&text)) {
            return Self { code: ErrorCode(inside.error_code), message: inside.message, info: inside.info };
        }
        match message.strip_prefix("ErrorCode:").and_then(|rest| rest.split_once(';')) {
            Some((name, text)) => {
                let code = ErrorCode::of_name(name).filter(|code| code.http_status() == status);
                Self::new(code.unwrap_or_else(fallback), text)
            }
            None => Self::new(fallback(), message),
        }
    }
}

/// The body of `$iothub/twin/res/4xx`: Node looks at nothing but its `errorCode` and `message`.
pub fn twin_error_body(error: &HubError, tracking: &Tracking) -> String {
    json!({
        "errorCode": error.code.0,
        "trackingId": tracking.to_string(),
        "message": error.message,
        "info": error.info.clone().unwrap_or_else(|| json!({})),
        "timestampUtc": base::rfc3339_ticks(tracking.at),
    })
    .to_string()
}

/// The body of a path or method that the web framework does not know: `{"Message":".."}`.
pub fn framework_body(message: &str) -> String {
    json!({ "Message": message }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn tracking() -> Tracking {
        Tracking::new(0xabc, UNIX_EPOCH + Duration::from_secs(1_535_132_973))
    }

    #[test]
    fn builds_the_two_shapes() {
        let error = HubError::new(ErrorCode::DEVICE_NOT_FOUND, "mydevice");
        assert_eq!(
            error.body_a(&tracking()),
            r#"{"Message":"ErrorCode:DeviceNotFound;mydevice","ExceptionMessage":"Tracking ID:00000000000000000000000000000abc-G:0-TimeStamp:08/24/2018 17:49:33"}"#
        );
        let error = HubError::new(ErrorCode::DEVICE_NOT_ONLINE, "Timed out waiting for device to connect.")
            .with_info(json!({ "timeout": "00:00:00" }));
        assert_eq!(
            error.body_b(&tracking()),
            r#"{"Message":"{\"errorCode\":404103,\"trackingId\":\"00000000000000000000000000000abc-G:0-TimeStamp:08/24/2018 17:49:33\",\"message\":\"Timed out waiting for device to connect.\",\"info\":{\"timeout\":\"00:00:00\"},\"timestampUtc\":\"2018-08-24T17:49:33.0000000Z\"}","ExceptionMessage":""}"#
        );
    }

    #[test]
    fn reads_back_what_it_builds() {
        let error = HubError::new(ErrorCode::GATEWAY_TIMEOUT, "no; answer").with_info(json!({}));
        assert_eq!(HubError::parse(504, Some("GatewayTimeout"), error.body_b(&tracking()).as_bytes()), error);
        assert_eq!(HubError::parse(504, None, twin_error_body(&error, &tracking()).as_bytes()), error);
        let error = HubError::new(ErrorCode::PRECONDITION_FAILED, "the etag; differs");
        assert_eq!(HubError::parse(412, None, error.body_a(&tracking()).as_bytes()), error);
    }

    #[test]
    fn reads_what_else_comes() {
        for (status, header, body, code, message) in [
            (404, Some("DeviceNotFound"), "", ErrorCode::DEVICE_NOT_FOUND, ""),
            (405, None, r#"{"Message":"no 'POST' here"}"#, ErrorCode(405_000), "no 'POST' here"),
            (502, None, "<html>", ErrorCode::BAD_GATEWAY, "<html>"),
            (429, None, "", ErrorCode::THROTTLED, ""),
            (
                401,
                None,
                r#"{"Message":"ErrorCode:IotHubUnauthorizedAccess;Unauthorized","ExceptionMessage":""}"#,
                ErrorCode::UNAUTHORIZED_ACCESS,
                "Unauthorized",
            ),
            (404, Some("DeviceNotFound"), r#"{"Message":"ErrorCode:NewName;x"}"#, ErrorCode::DEVICE_NOT_FOUND, "x"),
            (
                400,
                None,
                r#"{"Message":"{\"errorCode\":400004,\"message\":\"responseTimeoutInSeconds must be within [5; 300].\",\"info\":null}"}"#,
                ErrorCode::ARGUMENT_INVALID,
                "responseTimeoutInSeconds must be within [5; 300].",
            ),
        ] {
            let error = HubError::parse(status, header, body.as_bytes());
            assert_eq!((error.code, error.message.as_str()), (code, message), "{body}");
        }
    }
}
