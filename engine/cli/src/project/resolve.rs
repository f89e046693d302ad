//! Which hub is meant, and where that was said. Reads flags, environment, `iotplay.yaml` and the folder's running hub; opens no
//! connection and starts nothing.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use base::{Diagnostic, Mask, Secret};
use net::tls::Roots;
use runner::HubOrigin;
use wire::{ConnectionStringError, DeviceConnection, DeviceCredential, HubSize, ServiceConnection};

use super::settings::{self, Settings};
use crate::args::Common;
use crate::process::{Exit, Trouble};

/// The variable that every IoT Hub program knows for a service connection string.
pub(crate) const SERVICE_VARIABLE: &str = "IOTHUB_CONNECTION_STRING";
/// The variable that every IoT Hub program knows for a device connection string.
pub(crate) const DEVICE_VARIABLE: &str = "IOTHUB_DEVICE_CONNECTION_STRING";

/// A hub, and how it was found.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// Its owner's or a policy's connection string.
    pub(crate) connection: ServiceConnection,
    /// Whom its certificate may be signed by.
    pub(crate) roots: Roots,
    /// What the first line of a run says: which hub, and where it was configured.
    pub(crate) title: String,
    /// On this machine: no questions are asked.
    pub(crate) local: bool,
    /// The name that `--yes=NAME` must repeat.
    pub(crate) production: Option<String>,
    /// How a later process finds it again.
    pub(crate) origin: HubOrigin,
    /// How large it was bought, if that is written down.
    pub(crate) size: Option<HubSize>,
}

/// The hub that is configured, in the order: `--hub`, environment, `iotplay.yaml`, the hub that runs for this folder.
pub(crate) fn configured(common: &Common) -> Result<Option<Chosen>, Trouble> {
    let variables = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    if let Some(given) = &common.hub {
        return from_flag(common, given, &variables).map(Some);
    }
    if let Some(text) = variables(SERVICE_VARIABLE) {
        let chosen = from_text(common, &Secret::new(text), SERVICE_VARIABLE, None)?;
        return Ok(Some(chosen.found(HubOrigin::ENVIRONMENT, None)));
    }
    if let Some(settings) = Settings::read(Path::new("."))?
        && let Some(name) = settings.default_name()?
    {
        return from_settings(common, &settings, name, &variables).map(Some);
    }
    hub::find(&common.data).map(|endpoint| from_endpoint(common, &endpoint)).transpose()
}

/// The hub that is configured, for commands that make no sense on an empty one in this process.
pub(crate) fn needed(common: &Common) -> Result<Chosen, Trouble> {
    configured(common)?.ok_or_else(|| {
        Trouble::usage("no hub is configured, and none runs for this folder")
            .help("a local one: iotplay hub (in another terminal)")
            .help(format!(
                "your own: export {SERVICE_VARIABLE}='HostName=..;SharedAccessKeyName=..;SharedAccessKey=..'"
            ))
    })
}

fn from_flag(common: &Common, given: &str, variables: &dyn Fn(&str) -> Option<String>) -> Result<Chosen, Trouble> {
    if given.contains('=') || given.contains(';') {
        return from_text(common, &Secret::new(given), "--hub", None);
    }
    match Settings::read(Path::new("."))? {
        Some(settings) => from_settings(common, &settings, given, variables),
        None => Err(Trouble::usage(format!("--hub {given}: there is no {} here that could name it", settings::FILE))
            .help("a connection string can be given too, in single quotes: --hub 'HostName=..;..'")),
    }
}

fn from_settings(
    common: &Common,
    settings: &Settings,
    name: &str,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<Chosen, Trouble> {
    let hub = settings.hub(name)?;
    let text = hub.connection(name, variables)?;
    let mut chosen = from_text(common, &text, &format!("`{name}` of {}", settings::FILE), hub.ca_file.as_deref())?;
    chosen.size = hub.size(name)?;
    chosen.production = hub.production.then(|| name.to_owned());
    // A production hub is never "just the local one", whatever its address.
    chosen.local &= !hub.production;
    Ok(chosen.found(HubOrigin::NAME, Some(name)))
}

fn from_text(common: &Common, text: &Secret, origin: &str, ca: Option<&Path>) -> Result<Chosen, Trouble> {
    let connection: ServiceConnection = text.expose().parse().map_err(|error| unusable(&error, origin))?;
    hide(connection.key.expose());
    let local = is_this_machine(&connection.host.host);
    let place = if local { "local, " } else { "" };
    let title = format!("{place}{} ({origin})", connection.host);
    let roots = roots(common, ca, local);
    let host = connection.host.to_string();
    let origin = HubOrigin { title: title.clone(), host, found: HubOrigin::FLAG.to_owned(), name: None };
    Ok(Chosen { connection, roots, title, local, production: None, origin, size: None })
}

impl Chosen {
    fn found(mut self, found: &str, name: Option<&str>) -> Self {
        self.origin.found = found.to_owned();
        self.origin.name = name.map(str::to_owned);
        self
    }
}

fn from_endpoint(common: &Common, endpoint: &hub::Endpoint) -> Result<Chosen, Trouble> {
    let origin = format!("iotplay hub, process {}", endpoint.pid);
    let mut chosen = from_text(common, &endpoint.service, &origin, Some(&endpoint.ca))?;
    chosen.title = format!("local, running for this folder at {} (process {})", chosen.connection.host, endpoint.pid);
    chosen.local = true;
    chosen.origin.title = chosen.title.clone();
    Ok(chosen.found(HubOrigin::FOLDER, None))
}

/// A device's connection string, from a flag or the environment.
pub(crate) fn device(
    flag: Option<&str>,
    token_file: Option<&Path>,
) -> Result<Option<(DeviceConnection, String)>, Trouble> {
    let from_variable = || std::env::var(DEVICE_VARIABLE).ok().filter(|value| !value.trim().is_empty());
    let (text, origin) = match (flag, from_variable()) {
        (Some(flag), _) => (flag.to_owned(), "--device-connection"),
        (None, Some(text)) => (text, DEVICE_VARIABLE),
        (None, None) => return Ok(None),
    };
    let parsed = match token_file {
        None => text.parse(),
        Some(file) => {
            let token = super::read(file)?;
            hide_all(token.text());
            DeviceConnection::with_token(&text, token.text())
        }
    };
    let connection: DeviceConnection = parsed.map_err(|error| unusable(&error, origin))?;
    match &connection.credential {
        DeviceCredential::Key(key) | DeviceCredential::Policy { key, .. } => hide(key.expose()),
        DeviceCredential::Signature(signature) => hide(signature.expose()),
        DeviceCredential::X509 => {}
    }
    Ok(Some((connection, origin.to_owned())))
}

/// Whom to trust: `--ca-file`, what the setting says, and for a hub on this machine the CA of this folder's hub.
fn roots(common: &Common, ca: Option<&Path>, local: bool) -> Roots {
    let ours: PathBuf = common.data.join("ca.pem");
    match (&common.ca_file, ca) {
        (Some(file), _) => Roots::File(file.clone()),
        (None, Some(file)) => Roots::File(file.to_owned()),
        (None, None) if local && ours.exists() => Roots::File(ours),
        (None, None) => Roots::System,
    }
}

/// Whom to trust when only a host is known, as from a device's connection string.
pub(crate) fn roots_for(common: &Common, host: &str) -> Roots {
    roots(common, None, is_this_machine(host))
}

/// Whether a host can only be this machine.
pub(super) fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A key must not come out again, whatever prints it.
pub(crate) fn hide(key: &str) {
    Mask::process().add(key);
}

/// Hides a text, and every key in it.
fn hide_all(text: &str) {
    hide(text.trim());
    wire::secrets_in(text).for_each(hide);
}

/// Hides every key that this process was given, used or not: what is typed in the wrong place is repeated by error messages, and
/// programs that are started must not be handed it.
pub(crate) fn hide_given() {
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let variables = std::env::vars_os().map(|(_, value)| value.to_string_lossy().into_owned());
    arguments.chain(variables).for_each(|text| wire::secrets_in(&text).for_each(hide));
}

fn unusable(error: &ConnectionStringError, origin: &str) -> Trouble {
    let diagnostic = Diagnostic::error(format!("{origin}: {error}"));
    Trouble::new(Exit::USAGE, diagnostic.help(error.help().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common() -> Common {
        Common { hub: None, ca_file: None, data: "nowhere".into(), log: None }
    }

    const CLOUD: &str = "HostName=x.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey=c2VjcmV0LWtleQ==";

    #[test]
    fn a_flag_may_hold_a_connection_string() {
        let chosen = from_flag(&common(), CLOUD, &|_| None).unwrap();
        assert_eq!(chosen.title, "x.azure-devices.net (--hub)");
        assert!(!chosen.local);
    }

    #[test]
    fn only_loopback_is_this_machine() {
        for (host, this) in [
            ("localhost", true),
            ("127.3.4.5", true),
            ("::1", true),
            ("10.0.0.1", false),
            ("localhost.evil.net", false),
        ] {
            assert_eq!(is_this_machine(host), this, "{host}");
        }
    }

    #[test]
    fn lost_quotes_and_the_wrong_kind_are_explained_without_the_key() {
        let lost = from_flag(&common(), "HostName=x.azure-devices.net", &|_| None).unwrap_err();
        assert_eq!(lost.exit, Exit::USAGE);
        assert!(lost.found.to_string().contains("quotes lost"), "{}", lost.found);
        let device = "HostName=x;DeviceId=press-7;SharedAccessKey=c2VjcmV0LWtleQ==";
        let wrong = from_flag(&common(), device, &|_| None).unwrap_err().found.to_string();
        assert!(wrong.contains("device `press-7`") && !wrong.contains("c2Vj"), "{wrong}");
    }

    #[test]
    fn a_name_needs_a_file_that_names_it() {
        let missing = from_flag(&common(), "prod", &|_| None).unwrap_err();
        assert!(missing.found.to_string().contains("iotplay.yaml"), "{}", missing.found);
    }
}
