//! How an agent that knows only an ID scope finds its hub.

use std::time::Duration;

use agent::{ClientCertificate, Enlistment, LinkConfig, ProvisionError, Transport, provision};
use base::{Backoff, Clock, Diagnostic, Seed};
use net::tls::Roots;
use wire::{DeviceConnection, HostPort, SasKey};

use crate::args::{AgentArgs, Common};
use crate::process::{self, Exit, Trouble, err};
use crate::project;

/// The first and the longest pause after a failed attempt.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The hub that the provisioning service assigns, and whom it may be signed by. Tries until it is reached.
pub(super) async fn find_hub(
    common: &Common,
    args: &AgentArgs,
    scope: &str,
    certificate: Option<&ClientCertificate>,
) -> Result<(DeviceConnection, Roots), Trouble> {
    let local = hub::find(&common.data).filter(|endpoint| endpoint.id_scope.eq_ignore_ascii_case(scope));
    let host = match &local {
        // Dialled as devices dial it; the usual port can be left out.
        Some(endpoint) => {
            let at = if args.websocket { endpoint.https } else { endpoint.mqtt };
            HostPort::with_port(at.ip().to_string(), at.port())
        }
        None => args.dps_host.parse().map_err(|error| Trouble::usage(format!("--dps-host: {error}")))?,
    };
    let asked = enlistment(args, scope, host, certificate.is_some())?;
    let roots = project::roots_for(common, &asked.host.host);
    let transport = match args.websocket {
        true => Transport::WebSocket { proxy: project::proxy_for(&asked.host.host)? },
        false => Transport::Mqtt,
    };
    let link = LinkConfig { transport, ..LinkConfig::default() };
    let mut pauses = Backoff::new(PAUSES.0, PAUSES.1);
    let mut random = Seed::from_os().of("provisioning").rng();
    loop {
        match provision(&asked, &link, &roots, certificate, (Clock::system(), Seed::from_os())).await {
            Ok(mut device) => {
                // What it was assigned to has its WebSockets at the other port.
                if let Some(endpoint) = local.as_ref().filter(|_| args.websocket) {
                    device.host.port = Some(endpoint.https.port());
                }
                return Ok((device, roots));
            }
            Err(ProvisionError::Unreachable(why)) => {
                let pause = pauses.next(&mut random);
                err(&format!("dps     {why}; again in {}", base::format_duration(pause)));
                tokio::time::sleep(pause).await;
            }
            Err(ProvisionError::Refused(finding)) => return Err(Trouble::new(Exit::FAILED, finding)),
            Err(error @ ProvisionError::Tls(_)) => {
                return Err(Trouble::new(Exit::USAGE, Diagnostic::error(process::chain(&error))));
            }
        }
    }
}

fn enlistment(args: &AgentArgs, scope: &str, host: HostPort, certified: bool) -> Result<Enlistment, Trouble> {
    let name = args.dps_registration.as_deref().unwrap_or_default();
    let registration = name.parse().map_err(|error| Trouble::usage(format!("--dps-registration {name}: {error}")))?;
    let key = match &args.dps_key {
        Some(text) => {
            project::hide(text);
            let key: SasKey = text.parse().map_err(|error| Trouble::usage(format!("--dps-key: {error}")))?;
            Some(key)
        }
        None if certified => None,
        None => {
            return Err(Trouble::usage("a device registers with a key or a certificate")
                .help("give --dps-key, or --cert-file and --key-file"));
        }
    };
    Ok(Enlistment { host, id_scope: scope.to_owned(), registration, key, payload: None })
}
