//! One request from its head to its answer: who calls, what for, whether it may; then the handler.
//! The order matters: nothing is said about paths, versions or devices to those who cannot show a valid token.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base::Seed;
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use net::tls::PeerCertificate;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::blob::BlobName;
use wire::{ErrorCode, HostPort, HubError, HubPath, Tracking, headers};

use super::call::{Call, check_version};
use super::faults::{self, Answered, Severed};
use super::reply::{Failure, Reply, header, json};
use super::route::{Route, segments};
use super::{
    authorities, blobs, bulk, charge, devices, jobs, messages, methods, modules, provisioning, query, statistics,
    telemetry, twins, uploads,
};
use crate::auth::Caller;
use crate::exchange::Exchange;
use crate::faults::{Faults, How};
use crate::metrics::Watched;
use crate::quota::Quotas;
use crate::seam::{HubEvent, HubLog};
use crate::state::HubState;

/// What a call is counted as that never came to an operation.
const NO_OPERATION: &str = "none";

/// Where the hub is, as others would dial it, and when it ends.
pub(crate) struct Reach {
    /// `host:port` of devices.
    pub(crate) mqtt: String,
    /// Of services and of files.
    pub(crate) https: HostPort,
    /// Nobody waits for anything beyond this.
    pub(crate) stop: CancellationToken,
}

/// What handlers work on.
pub(crate) struct Service {
    pub(super) state: Arc<HubState>,
    pub(super) exchange: Arc<Exchange>,
    pub(super) quotas: Arc<Quotas>,
    pub(super) faults: Arc<Faults>,
    pub(super) watched: Watched,
    pub(super) log: HubLog,
    pub(super) reach: Reach,
    mqtt_endpoint: HeaderValue,
    ids: Mutex<StdRng>,
}

impl Service {
    pub(crate) fn new(
        state: Arc<HubState>,
        exchange: Arc<Exchange>,
        (quotas, faults): (Arc<Quotas>, Arc<Faults>),
        watched: Watched,
        log: HubLog,
        reach: Reach,
        seed: Seed,
    ) -> Self {
        let mqtt_endpoint = HeaderValue::from_str(&reach.mqtt).unwrap_or(HeaderValue::from_static(""));
        let ids = Mutex::new(seed.of("requests").rng());
        Self { state, exchange, quotas, faults, watched, log, reach, mqtt_endpoint, ids }
    }

    /// Always an answer, unless a fault was asked for that leaves none.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        certificate: Option<&PeerCertificate>,
    ) -> Result<Reply, Severed> {
        let random = self.ids.lock().expect("a generator is plain data: no panic while held").random();
        let tracking = Tracking::new(random, self.state.clock().now());
        let (began, mut name) = (Instant::now(), NO_OPERATION);
        let mut reply = match self.try_answer(request, peer, certificate, &mut name).await {
            Ok(reply) => reply,
            Err(failure) => {
                if let Some(error) = failure.too_much() {
                    self.log.say(HubEvent::Throttled { identity: None, reason: error.message.clone() });
                }
                failure.reply(&tracking)?
            }
        };
        self.watched.metrics.called(name, reply.status().as_u16(), began.elapsed());
        reply.headers_mut().insert(headers::MQTT_ENDPOINT, self.mqtt_endpoint.clone());
        Ok(header(reply, headers::MS_REQUEST_ID, &tracking.id))
    }

    /// `name` becomes the operation's, once it is known that the caller may ask for it.
    async fn try_answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        certificate: Option<&PeerCertificate>,
        name: &mut &'static str,
    ) -> Result<Reply, Failure> {
        if let Some(path) = provisioning::device_side(request.uri().path()) {
            return Box::pin(provisioning::device(self, path, request, peer, certificate)).await;
        }
        if let Some(blob) = BlobName::of_path(request.uri().path()) {
            return Box::pin(blobs::answer(self, blob, request, peer, name)).await;
        }
        if let Some(path) = uploads::device_side(request.method(), request.uri().path()) {
            return Box::pin(uploads::device(self, path, request, peer, certificate, name)).await;
        }
        let (head, body) = request.into_parts();
        let authorization = head.headers.get(headers::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
        let skew = faults::skew(self, head.uri.path());
        let now = self.state.clock().unix_seconds().saturating_add_signed(skew);
        let judged = self.state.auth().judge(authorization, now);
        let caller = judged.map_err(|reason| self.unauthorized(peer, reason.to_string()))?;

        let (method, path) = (&head.method, head.uri.path());
        let Some(path) = HubPath::parse_for(method.as_str(), path) else { return Err(no_such_path(path)) };
        let route = Route::of(&path, method).ok_or_else(|| no_such_method(method.as_str()))?;
        let parameters = head.uri.query().unwrap_or("").to_owned();
        check_version(&parameters)?;
        if !may(&caller, route, &path) {
            let reason = format!("policy `{}` or its token's scope does not allow {method} {path}", caller.policy);
            return Err(self.unauthorized(peer, reason));
        }
        *name = route.name();
        let call = Call { headers: head.headers, parameters, body };
        Box::pin(async {
            self.quotas.travel().await;
            let answered = match self.faults.none() {
                true => Answered::Yes,
                false => faults::meet(self, route, path.identity()).await?,
            };
            charge::before(&self.quotas, route, &call).await?;
            let reply = self.dispatch(route, head.method, path, call).await;
            if answered == Answered::Lost { Err(Failure::Severed(How::Close)) } else { reply }
        })
        .await
    }

    async fn dispatch(&self, route: Route, method: Method, path: HubPath, call: Call) -> Result<Reply, Failure> {
        match (route, path) {
            (Route::InvokeMethod, HubPath::Methods(identity)) => methods::invoke(self, &identity, call).await,
            (Route::GetTwin, HubPath::Twin(identity)) => twins::get(self, &identity),
            (Route::PatchTwin, HubPath::Twin(identity)) => twins::patch(self, &identity, call).await,
            (Route::PutTwin, HubPath::Twin(identity)) => twins::replace(self, &identity, call).await,
            (Route::Query, _) => query::query(self, call).await,
            (Route::ListDevices, _) => Ok(devices::list(self, &call)),
            (Route::Bulk, _) => bulk::bulk(self, call).await,
            (Route::GetDevice, HubPath::Device(id)) => devices::get(self, id),
            (Route::PutDevice, HubPath::Device(id)) => devices::put(self, id, call).await,
            (Route::DeleteDevice, HubPath::Device(id)) => devices::delete(self, id, &call).await,
            (Route::ListModules, HubPath::Modules(id)) => modules::list(self, &id),
            (Route::GetModule, HubPath::Module(identity)) => modules::get(self, &identity),
            (Route::PutModule, HubPath::Module(identity)) => modules::put(self, identity, call).await,
            (Route::DeleteModule, HubPath::Module(identity)) => modules::delete(self, identity, &call).await,
            (Route::PutJob, HubPath::JobV2(id)) => jobs::put(self, &id, call).await,
            (Route::GetJob, HubPath::JobV2(id)) => jobs::get(self, &id),
            (Route::CancelJob, HubPath::JobV2Cancel(id)) => jobs::cancel(self, &id).await,
            (Route::ListJobs, _) => jobs::list(self, &call),
            (Route::Provisioning(_), HubPath::Dps(path)) => provisioning::service(self, path, method, call).await,
            (Route::ListAuthorities, _) => Ok(authorities::list(self)),
            (Route::GetAuthority, HubPath::Authority(name)) => authorities::get(self, &name),
            (Route::PutAuthority, HubPath::Authority(name)) => authorities::put(self, &name, call).await,
            (Route::DeleteAuthority, HubPath::Authority(name)) => authorities::delete(self, &name).await,
            (Route::Status, _) => Ok(json(self.watched.document().to_string())),
            (Route::ListFaults, _) => Ok(faults::list(self)),
            (Route::AddFaults, _) => faults::add(self, call).await,
            (Route::ClearFaults, HubPath::OwnFault(id)) => faults::clear(self, Some(&id)),
            (Route::ClearFaults, _) => faults::clear(self, None),
            (Route::ListUploads, _) => uploads::list(self, &call).await,
            (Route::GetFile, HubPath::OwnFile(device, name)) => uploads::get(self, device, &name, &call).await,
            (Route::RemoveFile, HubPath::OwnFile(device, name)) => uploads::remove(self, device, &name, &call).await,
            (Route::ReadTelemetry, _) => telemetry::read(self, &call).await,
            (Route::SendMessage, HubPath::OwnSend(id)) => messages::send(self, &id, call).await,
            (Route::PurgeMessages, HubPath::Commands(id)) => messages::purge(self, &id).await,
            (Route::ReadFeedback, _) => messages::feedback(self).await,
            (Route::CompleteFeedback, HubPath::FeedbackLock(lock)) => messages::complete(self, &lock).await,
            (Route::AbandonFeedback, HubPath::FeedbackAbandon(lock)) => messages::abandon(self, &lock),
            (Route::StatisticsDevices, _) => Ok(statistics::devices(self)),
            (Route::StatisticsService, _) => Ok(statistics::service(self)),
            (Route::NotSupported(what), _) => Err(Failure::not_supported(what)),
            (route, path) => unreachable!("{route:?} is never made for {path}"),
        }
    }

    /// One and the same answer for whatever is wrong; the reason goes to the log.
    pub(super) fn unauthorized(&self, peer: SocketAddr, reason: String) -> Failure {
        self.log.say(HubEvent::ServiceRefused { peer, reason });
        HubError::new(ErrorCode::UNAUTHORIZED_ACCESS, "Unauthorized").into()
    }
}

/// The path's segments are compared only for tokens narrower than the hub: hardly anyone has one.
fn may(caller: &Caller, route: Route, path: &HubPath) -> bool {
    if caller.is_for_whole_hub() {
        return caller.may(route.needs(), &[]);
    }
    let segments = segments(path);
    caller.may(route.needs(), &segments.iter().map(String::as_str).collect::<Vec<_>>())
}

fn no_such_path(path: &str) -> Failure {
    // At most 256 characters of what came go back.
    let shown: String = path.chars().take(256).collect();
    Failure::Framework(
        StatusCode::NOT_FOUND,
        format!("No HTTP resource was found that matches the request URI '{shown}'."),
    )
}

fn no_such_method(method: &str) -> Failure {
    let shown: String = method.chars().take(32).collect();
    Failure::Framework(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("The requested resource does not support http method '{shown}'."),
    )
}
