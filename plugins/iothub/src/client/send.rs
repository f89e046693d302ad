//! Sends a call, and sends it again where that does no harm: what was refused for being too much, what never left, and, of
//! reading calls, what failed on the way. A method's POST is never repeated once it may have arrived.

use std::sync::atomic::Ordering;
use std::time::Duration;

use base::Backoff;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use reqwest::Url;
use tokio::time::Instant;
use wire::{API_VERSION, ErrorCode, HubError, headers};

use super::call::{Again, Answer, Call};
use super::error::ClientError;
use super::hub_client::HubClient;
use super::trouble;

/// A page of a hundred full twins is about 10 MB; nothing honest is larger than this.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// How long a hub that has answered before is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one that has never answered is: it is most likely not there, and the user is watching.
const PATIENCE_AT_FIRST: Duration = Duration::from_secs(1);
/// How long a call may be put off by 429 in all. The quota of a minute has come back by then many times.
const THROTTLE_PATIENCE: Duration = Duration::from_secs(600);
/// The longest `Retry-After` that is taken at its word.
const RETRY_AFTER_MOST: Duration = Duration::from_secs(120);
/// Delays between attempts when the hub names none.
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// Statuses of trouble inside the hub that passes.
fn passes(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 500 | 502 | 503 | 504)
}

/// Seconds of `Retry-After`; its other form, a date, is not used by IoT Hub.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(headers::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MOST))
}

/// How long one call has been in trouble.
struct Trouble {
    backoff: Backoff,
    since: Option<Instant>,
}

impl HubClient {
    /// Sends a call until it succeeds, is refused for good, or patience ends.
    pub(super) async fn send(&self, call: &Call) -> Result<Answer, ClientError> {
        let mut trouble = Trouble { backoff: Backoff::new(FIRST_DELAY, LONGEST_DELAY), since: None };
        loop {
            let turn = self.0.pace.turn(call.kind).await;
            let (failed, patience, wait) = match self.once(call).await {
                Ok((status, answer)) => {
                    self.0.reached.store(true, Ordering::Relaxed);
                    if status != StatusCode::TOO_MANY_REQUESTS {
                        self.0.pace.accepted(turn);
                    }
                    if status.is_success() {
                        return Ok(answer);
                    }
                    let wait = retry_after(&answer.headers);
                    let refused = self.refused(status, &answer);
                    // No call comes too fast there: a job must end first, and whoever wants another one knows how long to wait.
                    if refused.code() == Some(ErrorCode::TOO_MANY_ACTIVE_JOBS) {
                        return Err(refused);
                    }
                    if status == StatusCode::TOO_MANY_REQUESTS {
                        let wait = wait.unwrap_or_else(|| self.delay(&mut trouble.backoff));
                        self.0.pace.refused(turn, wait);
                        (refused, THROTTLE_PATIENCE, Some(wait))
                    } else if call.again == Again::Safe && passes(status) {
                        (refused, PATIENCE, wait)
                    } else {
                        return Err(refused);
                    }
                }
                Err(error) => match error {
                    ClientError::Away { .. } if self.0.reached.load(Ordering::Relaxed) => (error, PATIENCE, None),
                    ClientError::Away { .. } => (error, PATIENCE_AT_FIRST, None),
                    ClientError::Lost { .. } if call.again == Again::Safe => (error, PATIENCE, None),
                    _ => return Err(error),
                },
            };
            let since = *trouble.since.get_or_insert_with(Instant::now);
            let wait = wait.unwrap_or_else(|| self.delay(&mut trouble.backoff));
            if since.elapsed() + wait > patience {
                return Err(failed);
            }
            tracing::debug!(call = %call.path, ?wait, why = %failed, "trying again");
            tokio::time::sleep(wait).await;
        }
    }

    /// The next pause of a back-off.
    pub(crate) fn delay(&self, backoff: &mut Backoff) -> Duration {
        backoff.next(&mut *self.0.rng.lock().expect("a generator: no panic while held"))
    }

    fn refused(&self, status: StatusCode, answer: &Answer) -> ClientError {
        let name = answer.headers.get(headers::IOTHUB_ERRORCODE).and_then(|name| name.to_str().ok());
        let error = HubError::parse(status.as_u16(), name, &answer.body);
        trouble::refusal(error, &answer.headers, &self.connection().policy, self.clock().now())
    }

    fn url(&self, call: &Call) -> Result<Url, ClientError> {
        let path = call.path.to_string();
        let host = &self.connection().host;
        let version = headers::API_VERSION_PARAMETER;
        let text = format!("https://{host}{path}?{version}={API_VERSION}{}", call.parameters);
        let url = Url::parse(&text).map_err(|error| ClientError::Unusable(format!("`{host}` is no host: {error}")))?;
        // `.` and `..` are ids to the hub but steps to a URL.
        if url.path() == path { Ok(url) } else { Err(ClientError::Unusable(format!("`{path}` cannot stand in a URL"))) }
    }

    /// Sends it once and reads the whole answer.
    async fn once(&self, call: &Call) -> Result<(StatusCode, Answer), ClientError> {
        let sort = |error: reqwest::Error| trouble::sort(&error, &self.connection().host, self.is_local(), call.wait);
        let number = self.0.calls.fetch_add(1, Ordering::Relaxed);
        let mut request = self
            .0
            .http
            .request(call.method.clone(), self.url(call)?)
            .header(headers::AUTHORIZATION, self.0.tokens.header(self.connection()))
            .header(headers::REQUEST_ID, format!("{:016x}-{number:x}", self.0.prefix))
            .timeout(call.wait);
        if let Some(condition) = &call.if_match {
            request = request.header(headers::IF_MATCH, condition.to_string());
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = &call.body {
            request = request.header(headers::CONTENT_TYPE, headers::JSON).body(body.clone());
        }
        let mut response = request.send().await.map_err(sort)?;
        self.note_endpoint(response.headers());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(sort)? {
            if body.len() + chunk.len() > ANSWER_BYTES {
                return Err(ClientError::Lost { message: "the hub's answer is larger than any answer can be".into() });
            }
            body.extend_from_slice(&chunk);
        }
        let status = response.status();
        Ok((status, Answer { headers: response.headers().clone(), body: Bytes::from(body) }))
    }

    fn note_endpoint(&self, headers: &HeaderMap) {
        let told = headers.get(headers::MQTT_ENDPOINT).and_then(|value| value.to_str().ok()?.parse().ok());
        if told.is_some() {
            *self.0.devices.lock().expect("a host name: no panic while held") = told;
        }
    }
}

/// A body that is not what the service sends.
pub(super) fn unreadable(error: &serde_json::Error) -> ClientError {
    ClientError::Lost { message: format!("the hub's answer cannot be read: {error}") }
}
