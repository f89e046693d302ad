//! Who a device says it is: the CONNECT packet and its token, minted anew for every connection.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Clock, Diagnostic, Mask, Secret};
use net::mqtt::Connect;
use tokio::io::AsyncReadExt as _;
use wire::{
    API_VERSION, DeviceConnection, DeviceCredential, HostPort, SasToken, Username, client_id, device_resource, sign,
};

use crate::config::LinkConfig;

/// MQTT counts seconds, and has no keep-alive at 0; above the other end the hub counts its own.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(1177));

/// No token is longer.
const LONGEST_TOKEN: u64 = 16 * 1024;

/// How long a login holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Valid {
    /// For as long as the connection.
    Always,
    /// For this long; another token can be minted.
    Renewable(Duration),
    /// For this long, and then never again.
    Fixed(Duration),
}

/// One device's way to log in.
#[derive(Debug)]
pub(crate) struct Login {
    device: DeviceConnection,
    /// The file that has its token, and what it had when it was read last.
    file: Option<(PathBuf, RefCell<Secret>)>,
}

impl Login {
    pub(crate) fn new(device: DeviceConnection) -> Self {
        Self { device, file: None }
    }

    /// One whose token is in a file that somebody replaces.
    pub(crate) fn from_file(device: DeviceConnection, file: PathBuf) -> Self {
        Self { device, file: Some((file, RefCell::new(Secret::new("")))) }
    }

    /// Whether another token may come.
    pub(crate) fn is_replaced(&self) -> bool {
        self.file.is_some()
    }

    /// Reads the token's file.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) async fn refresh(&self) -> Result<(), Diagnostic> {
        let Some((path, token)) = &self.file else { return Ok(()) };
        let read = read_token(path).await?;
        token.replace(read);
        Ok(())
    }

    /// Whether the file has a token that is not the one in use, and that can be used.
    pub(crate) async fn is_fresh(&self, clock: &Clock) -> bool {
        let Some((path, token)) = &self.file else { return false };
        let Ok(read) = read_token(path).await else { return false };
        let differs = read.expose() != token.borrow().expose();
        differs && self.ready_made(read.expose(), clock).is_ok()
    }

    pub(crate) fn identity(&self) -> &wire::Identity {
        &self.device.identity
    }

    /// Where to dial: the gateway if there is one. Names in username and token stay the hub's.
    pub(crate) fn dial(&self) -> &HostPort {
        self.device.gateway.as_ref().unwrap_or(&self.device.host)
    }

    /// The first packet of a connection, and how long its token holds.
    ///
    /// # Errors
    /// A ready-made token that is no token, or that is out of date.
    pub(crate) fn connect(&self, config: &LinkConfig, clock: &Clock) -> Result<(Connect, Valid), Diagnostic> {
        let (password, valid) = self.password(config, clock)?;
        let username = Username {
            host: self.device.host.host.clone(),
            identity: self.device.identity.clone(),
            api_version: Some(API_VERSION.to_owned()),
            client_type: Some(config.client_type.clone()),
            model_id: None,
        };
        let mut connect = Connect::new(client_id(&self.device.identity));
        connect.clean_session = false;
        connect.keep_alive = u16::try_from(keep_alive(config).as_secs()).expect("held below 1177 s");
        connect.set_login(username.to_string(), password);
        Ok((connect, valid))
    }

    fn password(&self, config: &LinkConfig, clock: &Clock) -> Result<(String, Valid), Diagnostic> {
        if let Some((_, token)) = &self.file {
            return self.ready_made(token.borrow().expose(), clock);
        }
        let (key, policy) = match &self.device.credential {
            DeviceCredential::Key(key) => (key, None),
            DeviceCredential::Policy { name, key } => (key, Some(name.as_str())),
            DeviceCredential::Signature(token) => return self.ready_made(token.expose(), clock),
            DeviceCredential::X509 => return Ok((String::new(), Valid::Always)),
        };
        let resource = device_resource(&self.device.host.host, &self.device.identity);
        let expiry = clock.unix_seconds().saturating_add(config.token_lifetime.as_secs().max(1));
        let token = sign(&resource, key, expiry, policy);
        Ok((token.expose().to_owned(), Valid::Renewable(config.token_lifetime)))
    }

    fn ready_made(&self, text: &str, clock: &Clock) -> Result<(String, Valid), Diagnostic> {
        let device = &self.device.identity;
        let token = SasToken::parse(text)
            .map_err(|error| Diagnostic::error(format!("the ready-made token of {device} is none: {error}")))?;
        match token.expiry.checked_sub(clock.unix_seconds()).filter(|left| *left > 0) {
            Some(left) => Ok((text.to_owned(), Valid::Fixed(Duration::from_secs(left)))),
            None => Err(self.expired()),
        }
    }

    /// The end of a ready-made token.
    pub(crate) fn expired(&self) -> Diagnostic {
        let device = &self.device.identity;
        match &self.file {
            Some((path, _)) => Diagnostic::error(format!("the token of {device} in {} is out of date", path.display()))
                .help("replace the file: it is read again every few seconds"),
            None => out_of_date(device),
        }
    }
}

/// A file's token; whatever stands there is hidden from then on.
async fn read_token(path: &Path) -> Result<Secret, Diagnostic> {
    let failed = |why: String| Diagnostic::error(format!("cannot read the token in {}: {why}", path.display()));
    let file = tokio::fs::File::open(path).await.map_err(|error| failed(error.to_string()))?;
    let mut text = String::new();
    let read = file.take(LONGEST_TOKEN).read_to_string(&mut text).await;
    read.map_err(|error| failed(error.to_string()))?;
    let text = text.trim();
    Mask::process().add(text);
    for secret in wire::secrets_in(text) {
        Mask::process().add(secret);
    }
    Ok(Secret::new(text))
}

fn out_of_date(device: &wire::Identity) -> Diagnostic {
    Diagnostic::error(format!("the ready-made token of {device} is out of date, and a new one cannot be made from it"))
        .help("give a connection string with the device's key, from which tokens are made as needed, or a fresh token")
}

/// The keep-alive in force.
pub(crate) fn keep_alive(config: &LinkConfig) -> Duration {
    config.keep_alive.clamp(KEEP_ALIVE.0, KEEP_ALIVE.1)
}

/// What a refused login says to a person. The hub gives one code for every cause.
pub(crate) fn refused(login: &Login, code: &str) -> Diagnostic {
    let DeviceConnection { host, identity, credential, .. } = &login.device;
    let finding = Diagnostic::error(format!("{host} refused the login of {identity} ({code})")).labelled("refused");
    match credential {
        DeviceCredential::X509 => finding.help(format!("is {identity} registered for this certificate, and enabled?")),
        DeviceCredential::Policy { name, .. } => finding
            .help(format!("does the policy {name} exist with DeviceConnect, and is {identity} registered and enabled?"))
            .help("is this machine's clock right? More than 5 minutes off is refused"),
        DeviceCredential::Key(_) | DeviceCredential::Signature(_) => finding
            .help(format!(
                "is {identity} registered and enabled, and is this its key? (iotplay devices show {identity})"
            ))
            .help("is this machine's clock right? More than 5 minutes off is refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn login(text: &str) -> Login {
        Login::new(text.parse().unwrap())
    }

    fn clock() -> Clock {
        Clock::manual(UNIX_EPOCH + Duration::from_secs(1_000_000)).0
    }

    #[test]
    fn a_gateway_is_dialled_and_the_hub_is_named() {
        let login =
            login(&format!("HostName=hub.example;DeviceId=press-7;SharedAccessKey={KEY};GatewayHostName=gate:8884"));
        assert_eq!(login.dial().to_string(), "gate:8884");
        let (connect, valid) = login.connect(&LinkConfig::default(), &clock()).unwrap();
        let sent = connect.login.unwrap();
        assert!(
            sent.username.starts_with("hub.example/press-7/?api-version=2021-04-12&DeviceClientType=iotplay%2F"),
            "{}",
            sent.username
        );
        assert_eq!((connect.client_id.as_str(), connect.clean_session, connect.keep_alive), ("press-7", false, 60));
        assert_eq!(valid, Valid::Renewable(Duration::from_secs(3600)));
        let token = SasToken::parse(&sent.password).unwrap();
        assert_eq!((token.resource_raw, token.expiry), ("hub.example%2Fdevices%2Fpress-7", 1_003_600));
        assert!(token.verify(&KEY.parse().unwrap()));
    }

    #[test]
    fn a_port_in_the_host_name_is_dialled_but_not_signed() {
        let login = login(&format!("HostName=localhost:9883;DeviceId=d;ModuleId=m;SharedAccessKey={KEY}"));
        assert_eq!(login.dial().to_string(), "localhost:9883");
        let (connect, _) = login.connect(&LinkConfig::default(), &clock()).unwrap();
        let sent = connect.login.unwrap();
        assert!(sent.username.starts_with("localhost/d/m/?"), "{}", sent.username);
        assert!(sent.password.contains("sr=localhost%2Fdevices%2Fd%2Fmodules%2Fm&"), "{}", sent.password);
    }

    #[test]
    fn a_ready_made_token_holds_until_its_expiry() {
        let token = sign("hub.example/devices/d", &KEY.parse().unwrap(), 1_000_090, None);
        let text = format!("HostName=hub.example;DeviceId=d;SharedAccessSignature={}", token.expose());
        let (_, valid) = login(&text).connect(&LinkConfig::default(), &clock()).unwrap();
        assert_eq!(valid, Valid::Fixed(Duration::from_secs(90)));
        let later = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_000_090)).0;
        let ended = login(&text).connect(&LinkConfig::default(), &later).unwrap_err().to_string();
        assert!(ended.contains("out of date") && ended.contains("with the device's key"), "{ended}");
    }

    #[test]
    fn a_certificate_needs_no_password_and_keep_alive_is_held_in_range() {
        let login = login("HostName=h;DeviceId=d;x509=true");
        for (asked, sent) in [(0, 1), (240, 240), (7200, 1177)] {
            let config = LinkConfig { keep_alive: Duration::from_secs(asked), ..LinkConfig::default() };
            let (connect, valid) = login.connect(&config, &clock()).unwrap();
            assert_eq!((connect.keep_alive, valid), (sent, Valid::Always));
            assert_eq!(connect.login.unwrap().password, "");
        }
    }
}
