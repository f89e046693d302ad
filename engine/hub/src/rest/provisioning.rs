//! The provisioning service over HTTPS: enrolments and registrations for services, and registering for devices that speak no MQTT.

use std::net::SocketAddr;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use net::tls::PeerCertificate;
use serde::Serialize;
use serde_json::{Value, json};
use wire::dps::{DpsError, DpsPath, Enrollment, EnrollmentBulk, EnrollmentBulkMode, RegisterRequest, RegistrationId};
use wire::{HubPath, IfMatch, headers};

use super::body;
use super::call::{Call, check_version};
use super::query::page_size;
use super::reply::{Failure, Reply, header, json as json_reply, no_content, with_body};
use super::service::Service;
use crate::dps::{EnrollmentKind, shown};
use crate::seam::{Ask, HubEvent, Proof, Wish};

/// A register request: its payload is the device's own words.
const REGISTER: usize = 64 * 1024;
/// Enrolments of one bulk request, as the service documents it.
const BULK: usize = 10;

/// The device side's path, if it is one; devices show proofs of their own, not a service's token.
pub(super) fn device_side(path: &str) -> Option<DpsPath> {
    match path.contains("/registrations/").then(|| HubPath::parse(path)) {
        Some(Some(HubPath::Dps(path))) if path.is_device_side() => Some(path),
        _ => None,
    }
}

/// Answers a device.
pub(super) async fn device(
    service: &Service,
    path: DpsPath,
    request: Request<Incoming>,
    peer: SocketAddr,
    certificate: Option<&PeerCertificate>,
) -> Result<Reply, Failure> {
    let (head, body) = request.into_parts();
    let authorization = head.headers.get(headers::AUTHORIZATION).map(|value| value.as_bytes().to_vec());
    let proof = Proof { password: authorization.as_deref(), certificate, ..Proof::default() };
    let lookup = matches!(path, DpsPath::Device(..));
    let (scope, id, wish) = match (path, head.method) {
        (DpsPath::Register(scope, id), Method::PUT) => {
            (scope, id, Wish::Register(body::json::<RegisterRequest>(body, REGISTER, "a registration").await?))
        }
        (DpsPath::Operation(scope, id, operation), Method::GET) => (scope, id, Wish::Status(operation)),
        (DpsPath::Device(scope, id), Method::POST) => (scope, id, Wish::Lookup),
        _ => return Err(Failure::Framework(StatusCode::METHOD_NOT_ALLOWED, "No such method here.".into())),
    };
    check_version(head.uri.query().unwrap_or(""))?;
    let registration: RegistrationId = id.parse().map_err(|_| Failure::Provisioning(DpsError::unauthorized()))?;
    let ask = Ask { id_scope: &scope, registration: &registration, proof, wish };
    let operation = service.state.answer_provisioning(ask).await.map_err(|refusal| {
        let client_id = Some(registration.to_string());
        service.log.say(HubEvent::Refused { client_id, peer: Some(peer), reason: refusal.reason });
        Failure::Provisioning(refusal.error)
    })?;
    match &operation.registration_state {
        Some(state) if lookup => Ok(document(state)),
        Some(_) => Ok(document(&operation)),
        None => {
            let bytes = serde_json::to_vec(&operation).expect("plain fields with text keys are JSON");
            Ok(header(with_body(StatusCode::ACCEPTED, bytes.into()), headers::RETRY_AFTER, "1"))
        }
    }
}

/// Answers a service.
pub(super) async fn service(service: &Service, path: DpsPath, method: Method, call: Call) -> Result<Reply, Failure> {
    use EnrollmentKind::{Group, Individual};
    match (path, method.as_str()) {
        (DpsPath::Enrollments, "POST") => bulk(service, call).await,
        (DpsPath::EnrollmentQuery, "POST") => query(service, Individual, call).await,
        (DpsPath::GroupQuery, "POST") => query(service, Group, call).await,
        (DpsPath::Enrollment(id), _) => one(service, Individual, &id, &method, call).await,
        (DpsPath::Group(id), _) => one(service, Group, &id, &method, call).await,
        (DpsPath::EnrollmentAttestation(id), _) => attestation(service, Individual, &id),
        (DpsPath::GroupAttestation(id), _) => attestation(service, Group, &id),
        (DpsPath::Registration(id), "GET") => {
            Ok(document(&service.state.registration(&id).map_err(Failure::Provisioning)?))
        }
        (DpsPath::Registration(id), _) => {
            service.state.remove_registration(&id).await.map_err(Failure::Provisioning)?;
            Ok(no_content())
        }
        (DpsPath::RegistrationQuery(group), _) => registrations(service, &group, &call),
        (path, method) => unreachable!("{method} {path} is no route"),
    }
}

/// Whether a path has this method for services; and whether it changes something or shows keys.
pub(super) fn writes(path: &DpsPath, method: &str) -> Option<bool> {
    match (path, method) {
        (DpsPath::Enrollment(_) | DpsPath::Group(_) | DpsPath::Registration(_), "GET") => Some(false),
        (DpsPath::EnrollmentQuery | DpsPath::GroupQuery | DpsPath::RegistrationQuery(_), "POST") => Some(false),
        (DpsPath::Enrollment(_) | DpsPath::Group(_), "PUT" | "DELETE") | (DpsPath::Registration(_), "DELETE") => {
            Some(true)
        }
        (DpsPath::Enrollments | DpsPath::EnrollmentAttestation(_) | DpsPath::GroupAttestation(_), "POST") => Some(true),
        _ => None,
    }
}

async fn one(service: &Service, kind: EnrollmentKind, id: &str, method: &Method, call: Call) -> Result<Reply, Failure> {
    let condition = call.if_match();
    match method.as_str() {
        "GET" => Ok(document(&shown(&service.state.enrollment(kind, id).map_err(Failure::Provisioning)?))),
        "DELETE" => {
            let removed = service.state.remove_enrollment(kind, id, condition.as_ref()).await;
            removed.map_err(Failure::Provisioning)?;
            Ok(no_content())
        }
        _ => {
            let asked: Enrollment = body::json(call.body, body::IDENTITY, "an enrollment").await?;
            let made = service.state.put_enrollment(kind, id, asked, condition.as_ref()).await;
            Ok(document(&made.map_err(Failure::Provisioning)?))
        }
    }
}

fn attestation(service: &Service, kind: EnrollmentKind, id: &str) -> Result<Reply, Failure> {
    Ok(document(&service.state.enrollment(kind, id).map_err(Failure::Provisioning)?.attestation))
}

/// All enrolments, page by page: the service's query language has but this one query.
async fn query(service: &Service, kind: EnrollmentKind, call: Call) -> Result<Reply, Failure> {
    let size = page_size(call.header(headers::MAX_ITEM_COUNT))?;
    let after = call.header(headers::CONTINUATION).filter(|token| !token.is_empty()).map(str::to_owned);
    let asked: Value = body::json(call.body, body::QUERY, "a query").await?;
    let text = asked["query"].as_str().unwrap_or_default().trim().to_ascii_lowercase();
    if text != "*" && text != "select * from enrollments" && text != "select * from enrollmentgroups" {
        return Err(Failure::Provisioning(DpsError::invalid("The query is `*`; others are not supported.")));
    }
    let (rows, next) = service.state.enrollments(kind, after.as_deref(), size);
    let reply = document(&rows);
    Ok(match next {
        Some(next) => header(reply, headers::CONTINUATION, &next),
        None => reply,
    })
}

fn registrations(service: &Service, group: &str, call: &Call) -> Result<Reply, Failure> {
    service.state.enrollment(EnrollmentKind::Group, group).map_err(Failure::Provisioning)?;
    let size = page_size(call.header(headers::MAX_ITEM_COUNT))?;
    let skip: usize = call.header(headers::CONTINUATION).and_then(|token| token.parse().ok()).unwrap_or(0);
    let (rows, more) = service.state.registrations_of(group, skip, size);
    let reply = document(&rows);
    Ok(if more { header(reply, headers::CONTINUATION, &(skip + size).to_string()) } else { reply })
}

async fn bulk(service: &Service, call: Call) -> Result<Reply, Failure> {
    let asked: EnrollmentBulk = body::json(call.body, body::BULK, "a bulk of enrollments").await?;
    if asked.enrollments.is_empty() || asked.enrollments.len() > BULK {
        return Err(Failure::Provisioning(DpsError::invalid(format!("A bulk has 1 to {BULK} enrollments."))));
    }
    let mut errors = Vec::new();
    for enrollment in asked.enrollments {
        let id = enrollment.registration_id.as_ref().map(ToString::to_string).unwrap_or_default();
        let condition = match asked.mode {
            EnrollmentBulkMode::Create => None,
            EnrollmentBulkMode::UpdateIfMatchETag => IfMatch::parse(&enrollment.etag),
            EnrollmentBulkMode::Update | EnrollmentBulkMode::Delete => Some(IfMatch::Any),
        };
        let kind = EnrollmentKind::Individual;
        let done = match asked.mode {
            EnrollmentBulkMode::Delete => service.state.remove_enrollment(kind, &id, None).await,
            _ => service.state.put_enrollment(kind, &id, enrollment, condition.as_ref()).await.map(drop),
        };
        if let Err(error) = done {
            errors.push(json!({"registrationId": id, "errorCode": error.code, "errorStatus": error.message}));
        }
    }
    Ok(document(&json!({"isSuccessful": errors.is_empty(), "errors": errors})))
}

fn document(value: &impl Serialize) -> Reply {
    json_reply(serde_json::to_vec(value).expect("plain fields with text keys are JSON"))
}
