//! Faults that were asked for, as services meet them; and our own route to ask for them, which none of them touches.

use std::time::Duration;

use base::{Diagnostics, Source};
use http_body_util::{BodyExt, Limited};
use serde_json::json;
use thiserror::Error;
use tokio::time::sleep;
use wire::{HubError, HubPath, Identity};

use super::call::Call;
use super::reply::{Failure, Reply, json, no_content};
use super::route::Route;
use super::service::Service;
use crate::faults::{Deed, FaultProfile, How, Operation, Point, Rejection, Shown};
use crate::mqtt::refusal;

/// As a file may be.
const PROFILE_BYTES: usize = 1024 * 1024;
/// How long a call is left without an answer; the most patient SDK waits as long.
const UNANSWERED: Duration = Duration::from_secs(300);

/// A call that gets no answer: its connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a fault that this hub was asked for")]
pub(crate) struct Severed(pub(crate) How);

/// What is done to a call's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    Yes,
    /// It is done, and its answer gets lost.
    Lost,
}

/// What a call is about; nothing for our own routes that look at the hub.
fn about(route: Route) -> &'static [Operation] {
    use Operation::{Methods, Query, Registry, Rest, Twin};
    match route {
        Route::Status | Route::ReadTelemetry | Route::ListFaults | Route::AddFaults | Route::ClearFaults => &[],
        Route::ListDevices
        | Route::Bulk
        | Route::GetDevice
        | Route::PutDevice
        | Route::DeleteDevice
        | Route::ListModules
        | Route::GetModule
        | Route::PutModule
        | Route::DeleteModule => &[Rest, Registry],
        Route::Query => &[Rest, Query],
        Route::GetTwin | Route::PatchTwin | Route::PutTwin => &[Rest, Twin],
        Route::InvokeMethod => &[Rest, Methods],
        _ => &[Rest],
    }
}

/// Lets happen to a call what goes wrong.
pub(super) async fn meet(service: &Service, route: Route, identity: Option<Identity>) -> Result<Answered, Failure> {
    let about = about(route);
    if about.is_empty() {
        return Ok(Answered::Yes);
    }
    let Shown { wait, deed } = service.faults.meet(Point::Rest(about), identity.as_ref());
    if !wait.is_zero() {
        sleep(wait).await;
    }
    match deed {
        Some(Deed::Reject(how)) => Err(rejected(route, how)),
        Some(Deed::Cut(how)) => {
            if how == How::Silence {
                sleep(UNANSWERED).await;
            }
            Err(Failure::Severed(how))
        }
        Some(Deed::DropReply) => Ok(Answered::Lost),
        Some(Deed::Twice | Deed::Stall(_)) | None => Ok(Answered::Yes),
    }
}

/// In the shape that the call's other errors have.
fn rejected(route: Route, how: Rejection) -> Failure {
    let error = refusal(how);
    let failure = if route == Route::InvokeMethod { Failure::Nested(error) } else { Failure::Classic(error) };
    match how.retry_after {
        None => failure,
        // Whole seconds are all that the header can say.
        Some(wait) => Failure::Later(Box::new(failure), wait.as_millis().div_ceil(1_000) as u64),
    }
}

/// How many seconds ahead the hub's clock is when it judges the token of this call.
pub(super) fn skew(service: &Service, path: &str) -> i64 {
    let own = || matches!(HubPath::parse(path), Some(HubPath::OwnFaults | HubPath::OwnFault(_) | HubPath::OwnStatus));
    // Who cannot log in any more must still be able to take that back.
    if service.faults.none() || own() { 0 } else { service.faults.judging(None).skew }
}

pub(super) fn list(service: &Service) -> Reply {
    json(json!({ "faults": service.faults.document() }).to_string())
}

/// Takes a profile, as YAML or JSON.
pub(super) async fn add(service: &Service, call: Call) -> Result<Reply, Failure> {
    let limited = Limited::new(call.body, PROFILE_BYTES);
    let body =
        limited.collect().await.map_err(|_| HubError::invalid("The profile is larger than 1 MiB, or cut short."))?;
    let text =
        String::from_utf8(body.to_bytes().to_vec()).map_err(|_| HubError::invalid("The profile is not text."))?;
    let refused = |found: Diagnostics| HubError::invalid(format!("The profile cannot be used.\n{found}"));
    let profile = FaultProfile::parse(&Source::new("profile", text)).map_err(refused)?;
    let ids = service.faults.place(&profile).map_err(|error| HubError::invalid(error.to_string()))?;
    let made: Vec<_> =
        ids.iter().zip(profile.told()).map(|(id, told)| json!({ "id": id.to_string(), "told": told })).collect();
    Ok(json(json!({ "faults": made }).to_string()))
}

/// Takes one away, or all of them.
pub(super) fn clear(service: &Service, id: Option<&str>) -> Result<Reply, Failure> {
    let number = id.map(|id| id.parse::<u64>().map_err(|_| unknown(id))).transpose()?;
    let cleared = service.faults.clear(number, &service.exchange);
    match id {
        Some(id) if cleared == 0 => Err(unknown(id).into()),
        _ => Ok(no_content()),
    }
}

fn unknown(id: &str) -> HubError {
    let shown: String = id.chars().take(32).collect();
    HubError::invalid(format!("There is no fault `{shown}`, or it is over."))
}
