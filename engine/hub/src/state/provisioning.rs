//! The provisioning service on this hub's state: enrolments durably kept, devices registered and assigned.

use base::rfc3339_millis;
use rand::Rng;
use serde_json::{Value, json};
use wire::dps::{
    DpsError, Enrollment, ProvisioningStatus, RegisterRequest, RegistrationId, RegistrationOperation,
    RegistrationState, RegistrationStatus,
};
use wire::{
    AuthKind, Authentication, DeviceDocument, DeviceId, HubError, Identity, IfMatch, X509Thumbprint, identity_etag,
};

use super::hub_state::Change;
use super::record::Document;
use super::{HubState, TwinWrite};
use crate::dps::{Credential, EnrollmentKind, Link, Links, Proven, StoredRegistration, choose, prepare, prove, shown};
use crate::seam::{Ask, Backing as _, ProvisionRefused, Wish};

/// What the twin of a device is like that changes its hub.
const MIGRATED: &str = "deviceDataMigrated";
const RESET: &str = "deviceDataReset";
const INITIAL: &str = "initialAssignment";

/// A refusal of the hub in the provisioning service's form.
fn of_hub(error: HubError) -> DpsError {
    DpsError { code: error.code.0, message: error.message }
}

fn refused(reason: impl Into<String>, error: DpsError) -> ProvisionRefused {
    ProvisionRefused { reason: reason.into(), error }
}

impl HubState {
    /// Says which hubs devices can be assigned to; once, before anybody registers.
    pub(crate) fn link(&self, links: Links) {
        // Twice would be a mistake of this crate; the first counts.
        let _ = self.links.set(links);
    }

    /// The name of this provisioning service.
    pub(crate) fn id_scope(&self) -> String {
        self.inner().provisioning.id_scope.clone()
    }

    /// One enrolment, with its keys.
    pub(crate) fn enrollment(&self, kind: EnrollmentKind, id: &str) -> Result<Enrollment, DpsError> {
        let inner = self.inner();
        inner.provisioning.enrollment(kind, id).cloned().ok_or_else(|| DpsError::not_found("Enrollment"))
    }

    /// A page of enrolments without their keys, after this key; the next page's key.
    pub(crate) fn enrollments(
        &self,
        kind: EnrollmentKind,
        after: Option<&str>,
        size: usize,
    ) -> (Vec<Enrollment>, Option<String>) {
        let inner = self.inner();
        let all = inner.provisioning.enrollments(kind);
        let after = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let mut rows = all.range::<str, _>((after, std::ops::Bound::Unbounded));
        let page: Vec<_> = rows.by_ref().take(size).collect();
        let next = rows.next().and_then(|_| page.last().map(|(key, _)| (*key).clone()));
        (page.into_iter().map(|(_, enrollment)| shown(enrollment)).collect(), next)
    }

    /// Makes or changes an enrolment. With a condition it must be there and fit.
    pub(crate) async fn put_enrollment(
        &self,
        kind: EnrollmentKind,
        id: &str,
        asked: Enrollment,
        condition: Option<&IfMatch>,
    ) -> Result<Enrollment, DpsError> {
        let now = rfc3339_millis(self.clock.now());
        let mut refusal = None;
        let put = self.change(|inner| {
            let old = inner.provisioning.enrollment(kind, id).cloned();
            let made = check(old.as_ref(), condition, inner.provisioning.has_room(kind))
                .and_then(|()| prepare(kind, id, asked, old.as_ref(), &mut rand::rng()));
            let mut enrollment = made.map_err(|error| {
                refusal = Some(error);
                HubError::invalid("refused")
            })?;
            enrollment.etag = identity_etag(u64::from(inner.rng.random::<u32>()));
            enrollment.created_date_time_utc = old.map_or_else(|| now.clone(), |old| old.created_date_time_utc);
            enrollment.last_updated_date_time_utc = now.clone();
            let write = inner.provisioning.set(kind, id, Some(enrollment.clone()));
            Ok(Change { answer: enrollment, writes: vec![write], effects: Vec::new() })
        });
        let put = put.await;
        put.map_err(|error| refusal.take().unwrap_or_else(|| of_hub(error)))
    }

    /// Forgets an enrolment. Devices that were registered by it stay at their hubs.
    pub(crate) async fn remove_enrollment(
        &self,
        kind: EnrollmentKind,
        id: &str,
        condition: Option<&IfMatch>,
    ) -> Result<(), DpsError> {
        let mut refusal = None;
        let removed = self.change(|inner| {
            let known = inner.provisioning.enrollment(kind, id);
            let fits = match known {
                None => Err(DpsError::not_found("Enrollment")),
                Some(known) if condition.is_some_and(|condition| !condition.matches(&known.etag)) => {
                    Err(DpsError::changed())
                }
                Some(_) => Ok(()),
            };
            fits.map_err(|error| {
                refusal = Some(error);
                HubError::invalid("refused")
            })?;
            let write = inner.provisioning.set(kind, id, None);
            Ok(Change { answer: (), writes: vec![write], effects: Vec::new() })
        });
        let removed = removed.await;
        removed.map_err(|error| refusal.take().unwrap_or_else(|| of_hub(error)))
    }

    /// What came of a registration.
    pub(crate) fn registration(&self, id: &str) -> Result<RegistrationState, DpsError> {
        let inner = self.inner();
        let found = inner.provisioning.registration(id).map(|known| known.state.clone());
        found.ok_or_else(|| DpsError::not_found("Registration"))
    }

    /// Those that came through a group.
    pub(crate) fn registrations_of(&self, group: &str, skip: usize, size: usize) -> (Vec<RegistrationState>, bool) {
        let inner = self.inner();
        let group = group.to_ascii_lowercase();
        let of_group = inner.provisioning.registrations().filter(|known| known.group.as_deref() == Some(&group));
        let mut rows = of_group.skip(skip).map(|known| known.state.clone());
        let page = rows.by_ref().take(size).collect();
        (page, rows.next().is_some())
    }

    /// Forgets a registration; the device stays at its hub.
    pub(crate) async fn remove_registration(&self, id: &str) -> Result<(), DpsError> {
        self.registration(id)?;
        let removed = self.change(|inner| {
            let write = inner.provisioning.set_registration(id, None);
            Ok(Change { answer: (), writes: vec![write], effects: Vec::new() })
        });
        removed.await.map_err(of_hub)
    }

    /// What a device asks; the answer comes when it is durable.
    pub(crate) async fn answer_provisioning(&self, ask: Ask<'_>) -> Result<RegistrationOperation, ProvisionRefused> {
        let Ask { id_scope, registration, proof, wish } = ask;
        let proven = {
            let inner = self.inner();
            let authority = |name: &str| inner.authorities.certificate(name);
            prove(&inner.provisioning, id_scope, registration, proof, authority, self.clock.now())
        };
        let proven = proven.map_err(|reason| refused(reason, DpsError::unauthorized()))?;
        match wish {
            Wish::Register(request) => self.register(registration, proven, request).await,
            Wish::Status(operation) => {
                let inner = self.inner();
                let known = inner.provisioning.registration(registration.as_str());
                let known = known.filter(|known| known.operation == operation);
                let known = known.ok_or_else(|| {
                    refused("it asks for an operation that is not its own", DpsError::not_found("Operation"))
                })?;
                Ok(RegistrationOperation {
                    operation_id: operation,
                    status: known.state.status,
                    registration_state: Some(known.state.clone()),
                })
            }
            Wish::Lookup => {
                let state = self.registration(registration.as_str());
                let state = state.map_err(|error| refused("it has not registered", error))?;
                Ok(RegistrationOperation {
                    operation_id: String::new(),
                    status: state.status,
                    registration_state: Some(state),
                })
            }
        }
    }

    /// Assigns the device to a hub and remembers what came of it.
    async fn register(
        &self,
        id: &RegistrationId,
        proven: Proven,
        request: RegisterRequest,
    ) -> Result<RegistrationOperation, ProvisionRefused> {
        if request.registration_id.as_ref().is_some_and(|given| !given.eq_ignore_ascii_case(id.as_str())) {
            let why = "The registrationId is not the connection's.";
            return Err(refused("its body names another registration", DpsError::invalid(why)));
        }
        let now = rfc3339_millis(self.clock.now());
        let (before, operation, etag, room) = {
            let mut inner = self.inner();
            let operation = format!("4.{:016x}.{:032x}", inner.rng.random::<u64>(), inner.rng.random::<u128>());
            let etag = identity_etag(u64::from(inner.rng.random::<u32>()));
            let before = inner.provisioning.registration(id.as_str()).map(|known| known.state.clone());
            (before, operation, etag, inner.provisioning.takes(id.as_str()))
        };
        if !room {
            let error = DpsError { code: 429_001, message: "There are too many registrations.".into() };
            return Err(refused("there are too many registrations", error));
        }
        let group = proven.group.clone();
        let mut state = RegistrationState {
            registration_id: id.clone(),
            created_date_time_utc: before.as_ref().map_or_else(|| now.clone(), |old| old.created_date_time_utc.clone()),
            assigned_hub: None,
            device_id: None,
            status: RegistrationStatus::Disabled,
            substatus: None,
            last_updated_date_time_utc: now,
            etag,
            error_code: None,
            error_message: None,
            payload: request.payload,
        };
        if proven.enrollment.provisioning_status == ProvisioningStatus::Enabled {
            self.assign(id, &proven, before.as_ref(), &mut state).await;
        }
        let stored = StoredRegistration { operation: operation.clone(), group, state };
        let kept = self.change(|inner| {
            let write = inner.provisioning.set_registration(id.as_str(), Some(stored));
            Ok(Change { answer: (), writes: vec![write], effects: Vec::new() })
        });
        kept.await.map_err(|error| refused(error.message.clone(), of_hub(error)))?;
        let status = RegistrationStatus::Assigning;
        Ok(RegistrationOperation { operation_id: operation, status, registration_state: None })
    }

    /// Chooses a hub and makes the device there; `state` says what came of it.
    async fn assign(
        &self,
        id: &RegistrationId,
        proven: &Proven,
        before: Option<&RegistrationState>,
        state: &mut RegistrationState,
    ) {
        let fail = |state: &mut RegistrationState, code: u32, message: String| {
            state.status = RegistrationStatus::Failed;
            (state.error_code, state.error_message) = (Some(code), Some(message));
        };
        let Some(links) = self.links.get() else {
            return fail(state, 500_000, "No hub is linked.".into());
        };
        let links = links.all(self);
        let previous = before
            .filter(|before| before.status == RegistrationStatus::Assigned)
            .and_then(|before| Some((before.assigned_hub.as_deref()?, before.device_id.as_ref()?)))
            .and_then(|(hub, device)| Some((links.iter().position(|link| link.name == hub)?, device)));
        let chosen = match previous {
            Some((place, _)) if !proven.enrollment.reprovision_policy.update_hub_assignment => Ok(place),
            // A hub that still fits is not left for another.
            _ => choose(&proven.enrollment, id, &links),
        };
        let place = match chosen {
            Ok(place) => place,
            Err(why) => return fail(state, 400_209, why),
        };
        let device = match &proven.enrollment.device_id {
            Some(device) => device.clone(),
            None => id.as_str().parse::<DeviceId>().expect("a registration id is a device id"),
        };
        let moved = previous.filter(|(old, _)| *old != place);
        match settle(&links, place, &device, proven, moved).await {
            Ok(how) => {
                state.status = RegistrationStatus::Assigned;
                state.assigned_hub = Some(links[place].name.to_owned());
                state.device_id = Some(device);
                let kept = before.and_then(|before| before.substatus.clone()).unwrap_or_else(|| INITIAL.to_owned());
                state.substatus = Some(how.map_or(kept, str::to_owned));
            }
            Err(error) => fail(state, error.code.0, error.message),
        }
    }
}

/// Whether an enrolment may be written.
fn check(old: Option<&Enrollment>, condition: Option<&IfMatch>, room: bool) -> Result<(), DpsError> {
    match (old, condition) {
        (None, Some(_)) => Err(DpsError::not_found("Enrollment")),
        (None, None) if !room => Err(DpsError::invalid("There are too many enrollments.")),
        (None, None) => Ok(()),
        (Some(_), None) => Err(DpsError::exists()),
        (Some(old), Some(condition)) if condition.matches(&old.etag) => Ok(()),
        (Some(_), Some(_)) => Err(DpsError::changed()),
    }
}

/// Makes the device at its hub, or gives the one there its credentials; takes it away from the hub it leaves. What became of its
/// data, if it moved.
async fn settle(
    links: &[Link<'_>],
    place: usize,
    device: &DeviceId,
    proven: &Proven,
    moved: Option<(usize, &DeviceId)>,
) -> Result<Option<&'static str>, HubError> {
    let hub = links[place].state;
    let identity = Identity::device(device.clone());
    let mut document = match hub.identity(&identity) {
        Ok(Document::Device(there)) => there,
        _ => DeviceDocument::new(device.clone()),
    };
    let is_new = document.etag.is_empty();
    document.authentication = authentication(&proven.credential);
    document.capabilities.iot_edge |= proven.enrollment.capabilities.iot_edge;
    hub.put_identity(Document::Device(document), (!is_new).then_some(IfMatch::Any)).await?;
    let migrate = proven.enrollment.reprovision_policy.migrate_device_data;
    let twin = match moved.filter(|_| migrate) {
        Some((old, was)) => links[old].state.twin(&Identity::device(was.clone())).ok().map(|twin| twin.document),
        None => None,
    };
    match (&twin, &proven.enrollment.initial_twin) {
        (Some(twin), _) => {
            let patch =
                json!({"tags": twin["tags"], "properties": {"desired": without_marks(&twin["properties"]["desired"])}});
            hub.write_twin(&identity, None, &patch, TwinWrite::Patch).await?;
            let reported = without_marks(&twin["properties"]["reported"]).to_string();
            hub.patch_reported(&identity, reported.as_bytes()).await?;
        }
        (None, Some(initial)) if is_new => {
            let patch = json!({"tags": initial.tags, "properties": initial.properties});
            hub.write_twin(&identity, None, &patch, TwinWrite::Patch).await?;
        }
        _ => {}
    }
    let Some((old, was)) = moved else { return Ok(None) };
    // Gone already is as good.
    let _ = links[old].state.delete_identity(&Identity::device(was.clone()), Some(IfMatch::Any)).await;
    Ok(Some(if migrate { MIGRATED } else { RESET }))
}

/// A section of a twin without what the hub adds to it.
fn without_marks(section: &Value) -> Value {
    let mut section = section.clone();
    if let Value::Object(members) = &mut section {
        members.retain(|key, _| !key.starts_with('$'));
    }
    section
}

fn authentication(credential: &Credential) -> Authentication {
    match credential {
        Credential::Keys(keys) => {
            Authentication { kind: AuthKind::Sas, symmetric_key: keys.clone(), ..Authentication::default() }
        }
        Credential::Thumbprint(thumbprint) => Authentication {
            kind: AuthKind::SelfSigned,
            x509_thumbprint: X509Thumbprint {
                primary_thumbprint: Some(thumbprint.clone()),
                secondary_thumbprint: None,
            },
            ..Authentication::default()
        },
    }
}
