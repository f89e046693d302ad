//! The registry's rules: what creating and updating an identity does to its record. Pure, but for the generator of keys.

use std::time::SystemTime;

use rand::Rng;
use wire::{
    AuthKind, Authentication, ErrorCode, HubError, Identity, IfMatch, SasKey, Status, SymmetricKey, identity_etag,
};

use super::record::{Document, Edge, Record};
use crate::link::DropReason;

/// 100 ns ticks from the year 1 to 1970: generation ids count from there.
const TICKS_TO_1970: u128 = 621_355_968_000_000_000;
/// The scope that an IoT Edge device spans.
const EDGE_SCOPE: &str = "ms-azure-iot-edge://";

/// The record of a new identity.
pub(super) fn create(asked: &Document, now: SystemTime, generation: u64, rng: &mut impl Rng) -> Record {
    let mut record = Record::of(asked);
    record.generation = generation.to_string().into();
    record.etag = fresh_etag("", rng);
    record.connection = wire::ConnectionState::Disconnected;
    (record.connection_time, record.activity, record.status_time) = (None, None, None);
    if record.status == Status::Disabled {
        record.status_time = Some(now);
    }
    fill_keys(&mut record.authentication, None, rng);
    if let Some(edge) = record.edge.as_mut().filter(|edge| edge.capable) {
        edge.scope = Some(format!("{EDGE_SCOPE}{}-{generation}", asked.identity().device));
    }
    record
}

/// The record after an update, and why a connection must end, if it must.
pub(super) fn update(
    old: &Record,
    asked: &Document,
    now: SystemTime,
    rng: &mut impl Rng,
) -> Result<(Record, Option<DropReason>), HubError> {
    let mut record = Record::of(asked);
    record.generation.clone_from(&old.generation);
    record.etag = fresh_etag(&old.etag, rng);
    record.connection = old.connection;
    (record.connection_time, record.activity, record.waiting) = (old.connection_time, old.activity, old.waiting);
    record.status_time = if record.status == old.status { old.status_time } else { Some(now) };
    fill_keys(&mut record.authentication, Some(&old.authentication), rng);
    record.edge = edge(old, record.edge)?;
    let why = if !record.is_enabled() {
        Some(DropReason::Disabled)
    } else if locked_out(&old.authentication, &record.authentication) {
        Some(DropReason::KeysChanged)
    } else {
        None
    };
    Ok((record, why))
}

/// Empty keys: kept on an update (Node's SDK sends them so when its caller does not care), made when there are none to keep.
fn fill_keys(asked: &mut Authentication, old: Option<&Authentication>, rng: &mut impl Rng) {
    if asked.kind != AuthKind::Sas {
        asked.symmetric_key = SymmetricKey::default();
        return;
    }
    let old = old.filter(|old| old.kind == AuthKind::Sas).map(|old| old.symmetric_key.clone()).unwrap_or_default();
    let mut fill = |asked: &mut Option<SasKey>, old: Option<SasKey>| {
        *asked = Some(asked.take().or(old).unwrap_or_else(|| SasKey::generate(rng)));
    };
    fill(&mut asked.symmetric_key.primary_key, old.primary_key);
    fill(&mut asked.symmetric_key.secondary_key, old.secondary_key);
}

/// Whether whoever is connected can no longer be: the way to log in is another, or neither key (thumbprint) is left.
/// With one of two left the connection stays, so that keys can be rolled.
fn locked_out(old: &Authentication, new: &Authentication) -> bool {
    if old.kind != new.kind {
        return true;
    }
    fn none_left<T: PartialEq>(old: [&Option<T>; 2], new: [&Option<T>; 2]) -> bool {
        let mut before = old.into_iter().flatten().peekable();
        before.peek().is_some() && !before.any(|old| new.iter().any(|new| new.as_ref() == Some(old)))
    }
    let (keys, new_keys) = (&old.symmetric_key, &new.symmetric_key);
    let (prints, new_prints) = (&old.x509_thumbprint, &new.x509_thumbprint);
    match old.kind {
        AuthKind::Sas => {
            none_left([&keys.primary_key, &keys.secondary_key], [&new_keys.primary_key, &new_keys.secondary_key])
        }
        AuthKind::SelfSigned => none_left(
            [&prints.primary_thumbprint, &prints.secondary_thumbprint],
            [&new_prints.primary_thumbprint, &new_prints.secondary_thumbprint],
        ),
        AuthKind::CertificateAuthority | AuthKind::None => false,
    }
}

/// An IoT Edge device stays one, with the scope it was given.
fn edge(old: &Record, asked: Option<Box<Edge>>) -> Result<Option<Box<Edge>>, HubError> {
    let Some(old) = old.edge.as_ref().filter(|old| old.capable) else { return Ok(asked) };
    let asked = asked.unwrap_or_default();
    if asked.scope.is_some() && asked.scope != old.scope {
        return Err(HubError::new(
            ErrorCode::INVALID_DEVICE_SCOPE,
            "The deviceScope of an IoT Edge device cannot be changed.",
        ));
    }
    Ok(Some(Box::new(Edge { capable: true, scope: old.scope.clone(), parents: asked.parents })))
}

/// A version that differs from the one before.
pub(super) fn fresh_etag(old: &str, rng: &mut impl Rng) -> Box<str> {
    loop {
        let etag = identity_etag(u64::from(rng.random::<u32>()));
        if etag != old {
            return etag.into();
        }
    }
}

/// A number that grows with every identity made, in the form that the service uses: ticks since the year 1.
pub(super) fn generation(now: SystemTime, last: u64) -> u64 {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let ticks = since.as_nanos() / 100 + TICKS_TO_1970;
    u64::try_from(ticks).unwrap_or(u64::MAX).max(last.saturating_add(1))
}

/// Whether a condition lets a change through.
pub(super) fn check_etag(if_match: Option<&IfMatch>, etag: &str) -> Result<(), HubError> {
    if if_match.is_none_or(|condition| condition.matches(etag)) {
        return Ok(());
    }
    Err(HubError::new(ErrorCode::PRECONDITION_FAILED, format!("Precondition failed: the current etag is \"{etag}\".")))
}

/// 404001 or 404010.
pub(super) fn not_found(identity: &Identity) -> HubError {
    match &identity.module {
        None => HubError::new(ErrorCode::DEVICE_NOT_FOUND, identity.device.as_str()),
        Some(_) => HubError::new(ErrorCode::MODULE_NOT_FOUND, identity.to_string()),
    }
}

/// 409001 or 409301.
pub(super) fn already_exists(identity: &Identity) -> HubError {
    match &identity.module {
        None => HubError::new(
            ErrorCode::DEVICE_ALREADY_EXISTS,
            format!("A device with ID '{}' is already registered.", identity.device),
        ),
        Some(module) => HubError::new(
            ErrorCode::MODULE_ALREADY_EXISTS,
            format!("A module with ID '{module}' is already registered on device '{}'.", identity.device),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Seed;
    use serde_json::{Value, json};
    use std::time::{Duration, UNIX_EPOCH};

    fn device(value: Value) -> Document {
        Document::Device(serde_json::from_value(value).unwrap())
    }

    fn made(value: Value) -> Record {
        create(&device(value), UNIX_EPOCH, 7, &mut Seed(1).rng())
    }

    fn keys(record: &Record) -> Vec<String> {
        record.keys().map(|key| key.expose().to_owned()).collect()
    }

    #[test]
    fn empty_keys_are_made_and_later_kept() {
        let record =
            made(json!({"deviceId": "d", "authentication": {"type": "sas", "symmetricKey": {"primaryKey": ""}}}));
        assert_eq!(keys(&record).len(), 2);
        assert!(keys(&record).iter().all(|key| key.len() == 44));
        let given =
            json!({"deviceId": "d", "authentication": {"symmetricKey": {"primaryKey": "", "secondaryKey": null}}});
        let (updated, why) = update(&record, &device(given), UNIX_EPOCH, &mut Seed(2).rng()).unwrap();
        assert_eq!((keys(&updated), why), (keys(&record), None));
        assert_ne!(updated.etag, record.etag);
        assert_eq!(updated.generation, record.generation);
    }

    #[test]
    fn who_is_locked_out_is_dropped_and_who_is_not_stays() {
        let record = made(json!({"deviceId": "d"}));
        let other = |seed| SasKey::generate(&mut Seed(seed).rng()).expose().to_owned();
        let with = |primary: &str, secondary: &str| json!({"deviceId": "d", "authentication": {"symmetricKey": {"primaryKey": primary, "secondaryKey": secondary}}});
        let why = |value: Value| update(&record, &device(value), UNIX_EPOCH, &mut Seed(2).rng()).unwrap().1;
        let old = keys(&record);
        assert_eq!(why(with(&other(5), &other(6))), Some(DropReason::KeysChanged));
        assert_eq!(why(with(&other(5), &old[1])), None);
        assert_eq!(why(with(&old[1], &old[0])), None);
        assert_eq!(why(json!({"deviceId": "d", "authentication": {"type": "none"}})), Some(DropReason::KeysChanged));
        assert_eq!(why(json!({"deviceId": "d", "status": "disabled"})), Some(DropReason::Disabled));
    }

    #[test]
    fn the_status_time_moves_with_the_status_only() {
        let record = made(json!({"deviceId": "d"}));
        assert_eq!(record.status_time, None);
        let later = UNIX_EPOCH + Duration::from_secs(9);
        let off = device(json!({"deviceId": "d", "status": "disabled", "statusReason": "stolen"}));
        let (off, _) = update(&record, &off, later, &mut Seed(2).rng()).unwrap();
        assert_eq!((off.status_time, off.status_reason.as_deref()), (Some(later), Some("stolen")));
        let again = device(json!({"deviceId": "d", "status": "disabled"}));
        let (again, _) = update(&off, &again, later + later.elapsed().unwrap(), &mut Seed(2).rng()).unwrap();
        assert_eq!((again.status_time, again.status_reason), (Some(later), None));
    }

    #[test]
    fn an_edge_device_keeps_the_scope_it_was_given() {
        let record = made(json!({"deviceId": "e", "capabilities": {"iotEdge": true}}));
        let scope = record.edge.as_ref().unwrap().scope.clone().unwrap();
        assert_eq!(scope, "ms-azure-iot-edge://e-7");
        let same = device(json!({"deviceId": "e", "capabilities": {"iotEdge": true}, "deviceScope": scope}));
        assert!(update(&record, &same, UNIX_EPOCH, &mut Seed(2).rng()).is_ok());
        let other = device(json!({"deviceId": "e", "deviceScope": "elsewhere"}));
        let error = update(&record, &other, UNIX_EPOCH, &mut Seed(2).rng()).unwrap_err();
        assert_eq!(error.code, ErrorCode::INVALID_DEVICE_SCOPE);
    }

    #[test]
    fn generations_always_grow() {
        let first = generation(UNIX_EPOCH, 0);
        assert_eq!(first, 621_355_968_000_000_000);
        assert_eq!(generation(UNIX_EPOCH, first), first + 1);
    }
}
