//! What a call costs of the hub's quota. Most cost the same whatever they carry and are charged before anything is read;
//! method calls, messages and bulk changes are charged by their handlers, which know how large they are.

use hyper::body::Body;

use super::call::Call;
use super::reply::Failure;
use super::route::Route;
use crate::quota::{Kind, Quotas};

/// Waits for the call's turn, or refuses it.
pub(super) async fn before(quotas: &Quotas, route: Route, call: &Call) -> Result<(), Failure> {
    let Some(kind) = kind(route) else { return Ok(()) };
    // What the client says it will send; one that does not say pays for one message.
    let bytes = usize::try_from(call.body.size_hint().lower()).unwrap_or(usize::MAX);
    quotas.pass(kind, bytes).await.map_err(|refusal| Failure::refused(refusal, Failure::Classic))
}

/// What a call is counted as; none for what is free or charged later.
fn kind(route: Route) -> Option<Kind> {
    match route {
        Route::ListDevices
        | Route::GetDevice
        | Route::PutDevice
        | Route::DeleteDevice
        | Route::ListModules
        | Route::GetModule
        | Route::PutModule
        | Route::DeleteModule => Some(Kind::Identities),
        Route::GetTwin => Some(Kind::TwinReads),
        Route::PatchTwin | Route::PutTwin => Some(Kind::TwinWrites),
        Route::Query => Some(Kind::Queries),
        Route::PutJob | Route::GetJob | Route::CancelJob | Route::ListJobs => Some(Kind::Jobs),
        Route::ListAuthorities | Route::GetAuthority | Route::PutAuthority | Route::DeleteAuthority => {
            Some(Kind::Identities)
        }
        Route::Provisioning(_) => None,
        Route::Bulk | Route::InvokeMethod | Route::SendMessage => None,
        Route::PurgeMessages | Route::ReadTelemetry | Route::Status => None,
        Route::ListFaults | Route::AddFaults | Route::ClearFaults => None,
        Route::ListUploads | Route::GetFile | Route::RemoveFile => None,
        Route::ReadFeedback | Route::CompleteFeedback | Route::AbandonFeedback => None,
        Route::StatisticsDevices | Route::StatisticsService | Route::NotSupported(_) => None,
    }
}
