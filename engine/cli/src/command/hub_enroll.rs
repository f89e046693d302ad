//! `iotplay hub enroll`: who may register with the provisioning service of a local hub. Keys go to stdout, alone.

use std::path::Path;

use iothub::Enrolled;
use wire::dps::{Attestation, AttestationKind, Certificates, Enrollment, X509Attestation, X509Certificate};
use wire::{ErrorCode, SasKey};

use crate::args::{Common, EnrollCommand, EnrollDeviceArgs, EnrollGroupArgs};
use crate::process::{CommandResult, Exit, Stdout, Trouble, err};
use crate::project;
use crate::world::{self, Embed, Screen, World};

/// Does it.
pub(crate) async fn run(common: &Common, command: EnrollCommand) -> CommandResult {
    match command {
        EnrollCommand::Device(args) => device(common, &args).await,
        EnrollCommand::Group(args) => group(common, &args).await,
        EnrollCommand::Key { group, registration } => {
            let who = Enrolled::Group(group);
            let world = open(common).await?;
            let attestation = world.client().attestation(&who).await.map_err(|error| world::trouble(&error, None))?;
            let key = primary(&attestation).ok_or_else(|| Trouble::usage("this group's devices have certificates"))?;
            Stdout::line(key.derived(&registration).expose());
            Ok(Exit::OK)
        }
        EnrollCommand::List => list(common).await,
        EnrollCommand::Remove { name, group } => {
            let who = if group { Enrolled::Group(name.clone()) } else { Enrolled::Device(name.clone()) };
            let world = open(common).await?;
            world.client().delete_enrollment(&who).await.map_err(|error| world::trouble(&error, None))?;
            err(&format!("removed {name}"));
            Ok(Exit::OK)
        }
        EnrollCommand::Scope => {
            let endpoint = hub::find(&common.data).ok_or_else(|| {
                Trouble::usage(format!("no hub runs for {}", common.data.display()))
                    .help("start one in another terminal: iotplay hub")
            })?;
            Stdout::line(&endpoint.id_scope);
            Ok(Exit::OK)
        }
    }
}

async fn open(common: &Common) -> Result<World, Trouble> {
    World::open(common, Embed::No, &Screen::new(false).lines).await
}

async fn device(common: &Common, args: &EnrollDeviceArgs) -> CommandResult {
    let device_id = args.device_id.as_deref().map(super::device_id).transpose()?;
    let attestation = match &args.cert {
        None => Attestation::default(),
        Some(file) => {
            certified(file, |both| X509Attestation { client_certificates: Some(both), ..Default::default() })?
        }
    };
    let asked = Enrollment { device_id, attestation, iot_hubs: args.hubs.clone(), ..Enrollment::default() };
    create(common, Enrolled::Device(args.registration.clone()), asked).await
}

async fn group(common: &Common, args: &EnrollGroupArgs) -> CommandResult {
    let attestation = match &args.ca {
        None => Attestation::default(),
        Some(file) => {
            certified(file, |both| X509Attestation { signing_certificates: Some(both), ..Default::default() })?
        }
    };
    let asked = Enrollment { attestation, iot_hubs: args.hubs.clone(), ..Enrollment::default() };
    create(common, Enrolled::Group(args.name.clone()), asked).await
}

fn certified(
    file: &Path,
    by: impl FnOnce(Certificates<X509Certificate>) -> X509Attestation,
) -> Result<Attestation, Trouble> {
    let text = project::read(file).map_err(|trouble| Trouble { exit: Exit::USAGE, ..trouble })?;
    let primary = Some(X509Certificate { certificate: text.text().to_owned(), info: None });
    let x509 = Some(by(Certificates { primary, secondary: None }));
    Ok(Attestation { kind: AttestationKind::X509, symmetric_key: None, x509 })
}

async fn create(common: &Common, who: Enrolled, asked: Enrollment) -> CommandResult {
    let world = open(common).await?;
    let made = world.client().create_enrollment(&who, &asked).await.map_err(|error| {
        let exists = error.code().map(ErrorCode::http_status) == Some(409);
        let trouble = world::trouble(&error, None);
        if exists { trouble.help("iotplay hub enroll remove takes it away") } else { trouble }
    })?;
    if let Some(key) = primary(&made.attestation) {
        Stdout::line(key.expose());
    }
    if let Some(endpoint) = hub::find(&common.data) {
        err(&format!("scope   {} at {}", endpoint.id_scope, endpoint.mqtt));
    }
    Ok(Exit::OK)
}

fn primary(attestation: &Attestation) -> Option<&SasKey> {
    attestation.symmetric_key.as_ref()?.primary_key.as_ref()
}

async fn list(common: &Common) -> CommandResult {
    let world = open(common).await?;
    let known = world.client().enrollments().await.map_err(|error| world::trouble(&error, None))?;
    for enrollment in &known {
        let by = match enrollment.attestation.kind {
            AttestationKind::SymmetricKey => "key",
            AttestationKind::X509 => "certificate",
            AttestationKind::Tpm => "chip",
        };
        let status = format!("{:?}", enrollment.provisioning_status).to_lowercase();
        let line = match (&enrollment.registration_id, &enrollment.enrollment_group_id) {
            (Some(id), _) => format!("device  {id}  {status}  by {by}"),
            (None, name) => format!("group   {}  {status}  by {by}", name.as_deref().unwrap_or("?")),
        };
        Stdout::line(&line);
    }
    if known.is_empty() {
        err("no enrolments yet: iotplay hub enroll device ID makes one");
    }
    Ok(Exit::OK)
}
