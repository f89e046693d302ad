//! `iotplay devices list|show|add|remove`: the hub's registry.

use base::Diagnostic;
use net::tls::PeerCertificate;
use serde_json::Value;
use wire::{AuthKind, Authentication, DeviceDocument, DeviceId, ErrorCode, IfMatch, X509Thumbprint};

use crate::args::{AddArgs, Common, DevicesCommand, RemoveArgs};
use crate::play;
use crate::process::{CommandResult, Exit, Signals, Stdout, Trouble, err};
use crate::project;
use crate::world::{self, Embed, Screen, World, device_trouble};

/// Does it.
pub(crate) async fn run(common: &Common, command: DevicesCommand) -> CommandResult {
    let signals = Signals::listen()?;
    let stop = signals.asked().clone();
    let work = async {
        // Names first: what cannot be a device needs no hub.
        match command {
            DevicesCommand::List => list(&open(common).await?).await,
            DevicesCommand::Show(name) => {
                let device = super::device_id(&name.device)?;
                show(&open(common).await?, &device).await
            }
            DevicesCommand::Add(args) => {
                let device = super::device_id(&args.device)?;
                let authentication = authentication(&args)?;
                add(&open(common).await?, device, authentication).await
            }
            DevicesCommand::Remove(args) => {
                let devices =
                    args.devices.iter().map(|device| super::device_id(device)).collect::<Result<Vec<_>, _>>()?;
                remove(&open(common).await?, &signals, &args, &devices).await
            }
        }
    };
    tokio::select! {
        ended = work => ended,
        () = stop.cancelled() => Ok(signals.exit().unwrap_or(Exit::INTERRUPTED)),
    }
}

async fn open(common: &Common) -> Result<World, Trouble> {
    World::open(common, Embed::No, &Screen::new(false).lines).await
}

/// Page by page: a hundred thousand devices are not held in memory.
async fn list(world: &World) -> CommandResult {
    let mut pages = world.client().query_twins(None);
    let mut none = true;
    while let Some(page) = pages.next().await.map_err(|error| world::trouble(&error, None))? {
        let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
        let width = page.iter().map(|row| text(row, "deviceId").len()).max().unwrap_or(0);
        none &= page.is_empty();
        for row in &page {
            let (status, state) = (text(row, "status"), text(row, "connectionState"));
            Stdout::line(&format!("{:width$}  {status:8}  {}", text(row, "deviceId"), state.to_lowercase()));
        }
    }
    if none {
        eprintln!("no devices yet: iotplay devices add ID makes one");
    }
    Ok(Exit::OK)
}

async fn show(world: &World, device: &DeviceId) -> CommandResult {
    let client = world.client();
    match client.device(device).await {
        Ok(found) => {
            // Keys are not for looking at.
            let kind: AuthKind = found.authentication.kind;
            let shown =
                DeviceDocument { authentication: Authentication { kind, ..Authentication::default() }, ..found };
            let mut shown = serde_json::to_value(&shown).expect("a document is JSON");
            leave_out_empty(&mut shown);
            Stdout::line(&format!("{shown:#}"));
            Ok(Exit::OK)
        }
        Err(error) => Err(device_trouble(client, &error, device).await),
    }
}

/// What a document has nothing to say about only hides the rest.
fn leave_out_empty(value: &mut Value) {
    let Value::Object(members) = value else { return };
    members.values_mut().for_each(leave_out_empty);
    members.retain(|_, member| !member.is_null() && member.as_object().is_none_or(|inner| !inner.is_empty()));
}

/// How it is to log in: with keys that the hub makes, unless a certificate is spoken of.
fn authentication(args: &AddArgs) -> Result<Authentication, Trouble> {
    if args.ca_signed {
        return Ok(Authentication { kind: AuthKind::CertificateAuthority, ..Authentication::default() });
    }
    let Some(file) = &args.cert else { return Ok(Authentication::default()) };
    let text = project::read(file).map_err(|trouble| Trouble { exit: Exit::USAGE, ..trouble })?;
    let certificate = PeerCertificate::from_pem(text.text())
        .map_err(|error| Trouble::usage(format!("--cert {}: {error}", file.display())))?;
    let x509_thumbprint = X509Thumbprint { primary_thumbprint: Some(certificate.sha256()), secondary_thumbprint: None };
    Ok(Authentication { kind: AuthKind::SelfSigned, x509_thumbprint, ..Authentication::default() })
}

async fn add(world: &World, device: DeviceId, authentication: Authentication) -> CommandResult {
    let client = world.client();
    let asked = DeviceDocument { authentication, ..DeviceDocument::new(device.clone()) };
    let created = match client.create_device(&asked).await {
        Ok(created) => created,
        Err(error) if error.code() == Some(ErrorCode::DEVICE_ALREADY_EXISTS) => {
            let diagnostic = Diagnostic::error(format!("there is already a device `{device}`; nothing was changed"));
            return Err(Trouble::new(
                Exit::FAILED,
                diagnostic.help(format!("iotplay devices remove {device}, then add it again with new keys")),
            ));
        }
        Err(error) => return Err(world::trouble(&error, Some(device.as_str()))),
    };
    let connection = world::connection(client, &created.device)?;
    if let Some(port) = connection.host.port {
        err(&format!("note    devices connect on port {port} here; the Python device SDK can only dial 8883"));
    }
    Stdout::line(connection.to_connection_string().expose());
    Ok(Exit::OK)
}

async fn remove(world: &World, signals: &Signals, args: &RemoveArgs, devices: &[DeviceId]) -> CommandResult {
    let names: Vec<&str> = devices.iter().map(DeviceId::as_str).collect();
    play::consent(world, signals, args.yes.as_deref(), "devices remove", &names).await?;
    for device in devices {
        if let Err(error) = world.client().delete_device(device, IfMatch::Any).await {
            return Err(device_trouble(world.client(), &error, device).await);
        }
        err(&format!("removed {device}"));
    }
    Ok(Exit::OK)
}
