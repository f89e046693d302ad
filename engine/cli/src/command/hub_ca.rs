//! `iotplay hub ca` and `iotplay hub cert`: the authorities whose devices a local hub believes, and certificates to try it with.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base::{Clock, Diagnostic, Secret};
use net::tls::{Leaf, PeerCertificate, Signer, TlsError, client_authority, issue_client};

use crate::args::{CaAddArgs, CaCommand, CertArgs, Common};
use crate::process::{self, CommandResult, Exit, Stdout, Trouble, err};
use crate::project;
use crate::world::{self, Embed, Screen, World};

/// Does it.
pub(crate) async fn run(common: &Common, command: CaCommand) -> CommandResult {
    match command {
        CaCommand::Add(args) => add(common, &args).await,
        CaCommand::List => list(common).await,
        CaCommand::Remove { name } => {
            let world = open(common).await?;
            world.client().delete_authority(&name).await.map_err(|error| world::trouble(&error, None))?;
            err(&format!("removed {name}; devices that are connected stay until they come again"));
            Ok(Exit::OK)
        }
        CaCommand::New { name, out } => {
            let made = client_authority(&name, &Clock::system()).map_err(|error| cannot(&error))?;
            let (certificate, key) = write(&out, &name, &made)?;
            err(&format!("written {} and {}", certificate.display(), key.display()));
            err(&format!("next    iotplay hub ca add {}", certificate.display()));
            Ok(Exit::OK)
        }
    }
}

/// Writes a device's certificate and key, and prints its thumbprint.
pub(crate) fn issue(args: &CertArgs) -> CommandResult {
    let device = super::device_id(&args.device)?;
    let read = |file: &PathBuf| project::read(file).map(|source| source.text().to_owned());
    let signer = match (&args.sign_cert, &args.sign_key) {
        (Some(certificate), Some(key)) => Some((read(certificate)?, Secret::new(read(key)?))),
        _ => None,
    };
    let by = signer.as_ref().map_or(Signer::Itself, |(certificate, key)| Signer::Authority(certificate, key));
    let made = issue_client(device.as_str(), by, &Clock::system()).map_err(|error| cannot(&error))?;
    let (certificate, key) = write(&args.out, &args.device, &made)?;
    err(&format!("written {} and {}", certificate.display(), key.display()));
    let how = if signer.is_some() { "--ca-signed".to_owned() } else { format!("--cert {}", certificate.display()) };
    err(&format!("next    iotplay devices add {device} {how}"));
    let made = PeerCertificate::from_pem(&made.chain_pem).map_err(|error| cannot(&error))?;
    Stdout::line(&made.sha256());
    Ok(Exit::OK)
}

async fn open(common: &Common) -> Result<World, Trouble> {
    World::open(common, Embed::No, &Screen::new(false).lines).await
}

async fn add(common: &Common, args: &CaAddArgs) -> CommandResult {
    let stem = || args.file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = args.name.clone().or_else(stem).unwrap_or_default();
    let text = project::read(&args.file).map_err(|trouble| Trouble { exit: Exit::USAGE, ..trouble })?;
    let world = open(common).await?;
    let entered = world.client().put_authority(&name, text.text()).await;
    let entered = entered.map_err(|error| world::trouble(&error, None))?;
    err(&format!("believed {name}: {} until {}", entered.properties.subject, entered.properties.expiry));
    Ok(Exit::OK)
}

async fn list(common: &Common) -> CommandResult {
    let world = open(common).await?;
    let known = world.client().authorities().await.map_err(|error| world::trouble(&error, None))?;
    let width = known.iter().map(|authority| authority.name.len()).max().unwrap_or(0);
    for authority in &known {
        let properties = &authority.properties;
        Stdout::line(&format!("{:width$}  until {}  {}", authority.name, properties.expiry, properties.subject));
    }
    if known.is_empty() {
        err("no authorities yet: iotplay hub ca add FILE enters one");
    }
    Ok(Exit::OK)
}

/// `NAME.pem` and `NAME-key.pem`; nothing is overwritten, as a key that is lost cannot be made again.
fn write(folder: &Path, name: &str, made: &Leaf) -> Result<(PathBuf, PathBuf), Trouble> {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.chars().all(safe) || name.starts_with('.') {
        return Err(Trouble::usage(format!("`{name}` cannot be the name of a file"))
            .help("letters, digits, '-', '_' and '.' can"));
    }
    let certificate = folder.join(format!("{name}.pem"));
    let key = folder.join(format!("{name}-key.pem"));
    for (path, text, mode) in [(&key, made.key_pem.expose(), 0o600), (&certificate, made.chain_pem.as_str(), 0o644)] {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        #[cfg(not(unix))]
        let _ = mode;
        let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
        if let Err(error) = written {
            // A key without its certificate is of no use, and would be in the way of the next try. What was there before stays.
            let ours = error.kind() != std::io::ErrorKind::AlreadyExists;
            for made in [(*path == certificate).then_some(&key), ours.then_some(path)].into_iter().flatten() {
                let _ = std::fs::remove_file(made);
            }
            return Err(Trouble::usage(format!("cannot write {}: {error}", path.display())));
        }
    }
    Ok((certificate, key))
}

fn cannot(error: &TlsError) -> Trouble {
    Trouble::new(Exit::USAGE, Diagnostic::error(process::chain(error)))
}
