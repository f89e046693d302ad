//! Sends a call, and sends it again where that does no harm: what was refused for being too much, what never left, and, of
//! reading calls, what failed on the way. A method's POST is never repeated once it may have arrived.

use std::sync::atomic::Ordering;
use std::time::Duration;

use base::Backoff;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use rand::Rng as _;
use reqwest::Url;
use tokio::time::Instant;
use wire::{API_VERSION, ErrorCode, HubError, headers};

use super::call::{Again, Answer, Call};
use super::error::ClientError;
use super::governor::{Kind, Turn};
use super::hub_client::HubClient;
use super::trouble;

/// A page of a hundred full twins is about 10 MB; nothing honest is larger than this.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// How long a hub that has answered before is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one that has never answered is: it is most likely not there, and the user is watching.
const PATIENCE_AT_FIRST: Duration = Duration::from_secs(1);
/// How long the hub may answer nothing but 429 to a kind of calls: the quota of a minute has come back by then many times.
const THROTTLE_PATIENCE: Duration = Duration::from_secs(600);
/// The longest `Retry-After` that is taken at its word.
const RETRY_AFTER_MOST: Duration = Duration::from_secs(120);
/// Delays between attempts when the hub names none.
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// The longest pause of a refused call, of a kind that is counted by the second and of one by the minute: the governor sets the
/// pace, so the pause only keeps the refused from coming back in step.
const LONGEST_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// A refused call comes so much later than `Retry-After` says, at most, of that: not all at the same moment.
const JITTER: f64 = 0.1;

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

/// How long one call has been put off by 429.
struct Throttled {
    backoff: Backoff,
    since: Option<Instant>,
}

impl HubClient {
    /// Sends a call until it succeeds, is refused for good, or patience ends. A 429 only puts it off.
    pub(super) async fn send(&self, call: &Call) -> Result<Answer, ClientError> {
        let mut trouble = Trouble { backoff: Backoff::new(FIRST_DELAY, LONGEST_DELAY), since: None };
        let by_minute = matches!(call.kind, Kind::Identities | Kind::Queries | Kind::Jobs);
        let longest = if by_minute { LONGEST_PAUSE.1 } else { LONGEST_PAUSE.0 };
        let mut throttled = Throttled { backoff: Backoff::new(FIRST_DELAY, longest), since: None };
        loop {
            let turn = self.turn(call).await?;
            let (failed, patience, wait) = match self.once(call).await {
                Ok((status, answer)) => {
                    self.0.reached.store(true, Ordering::Relaxed);
                    let wait = retry_after(&answer.headers);
                    if status == StatusCode::TOO_MANY_REQUESTS {
                        let refused = self.refused(status, &answer);
                        let wait = self.put_off(call, turn, wait, &mut throttled, refused)?;
                        // The hub took nothing: the time until the next turn is not the step's.
                        let _still = runner::stand_still();
                        tokio::time::sleep(wait).await;
                        continue;
                    }
                    self.0.governor.accepted(turn);
                    if status.is_success() {
                        return Ok(answer);
                    }
                    let refused = self.refused(status, &answer);
                    if call.again != Again::Safe || !passes(status) {
                        return Err(refused);
                    }
                    (refused, PATIENCE, wait)
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

    /// Waits for the call's turn, as long as it is worth it.
    async fn turn(&self, call: &Call) -> Result<Turn, ClientError> {
        let turn = self.0.governor.turn(call.kind, call.cost);
        match call.turn_by {
            None => Ok(turn.await),
            Some(by) => tokio::time::timeout_at(by, turn).await.map_err(|_| not_now()),
        }
    }

    /// What a 429 means: the pace of its kind, and how long this call waits; its end when nobody's call is taken any more, or
    /// when it was not worth waiting for.
    fn put_off(
        &self,
        call: &Call,
        turn: Turn,
        retry_after: Option<Duration>,
        throttled: &mut Throttled,
        refused: ClientError,
    ) -> Result<Duration, ClientError> {
        // That as many jobs run as may says nothing about how fast they may be asked for: one must end first, and whoever wants
        // another knows how long to wait for that.
        if refused.code() == Some(ErrorCode::TOO_MANY_ACTIVE_JOBS) {
            return Err(refused);
        }
        let pause = self.delay(&mut throttled.backoff);
        self.0.governor.refused(turn, retry_after, pause);
        let since = *throttled.since.get_or_insert_with(Instant::now);
        let moved = self.0.governor.accepted_at(call.kind).map_or(since, |at| at.max(since));
        if call.turn_by.is_some() || moved.elapsed() > THROTTLE_PATIENCE {
            return Err(refused);
        }
        let wait = retry_after.map_or(pause, |wait| wait.mul_f64(1.0 + JITTER * self.chance()));
        tracing::debug!(call = %call.path, ?wait, "throttled");
        Ok(wait)
    }

    /// From 0 to 1.
    fn chance(&self) -> f64 {
        self.0.rng.lock().expect("a generator: no panic while held").random()
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

/// A call that was not worth waiting for, as the hub itself would say it.
fn not_now() -> ClientError {
    let error = HubError::new(ErrorCode::THROTTLED, "not within this round");
    ClientError::Refused { error, help: Vec::new() }
}
