//! `iotplay hub` as its users start it: a process of its own, in a folder, on an address that nobody else has.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hub::Endpoint;

use crate::address::service_port;
use crate::{Ended, Iotplay, Program, eventually, own_address};

/// From start to listening, with a CA to make, on a busy machine.
const START: Duration = Duration::from_secs(30);

/// Where the hub is to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HubOptions {
    /// Free ports on 127.0.0.1: for our own programs.
    FreePorts,
    /// Free ports on 127.0.0.1, with one more name in the certificate: for clients behind a [`Line`](crate::Line).
    FreePortsNamed(IpAddr),
    /// 8883 on an address of its own, and this port for services (443, or 0 for a free one): for SDK programs.
    OwnAddress(IpAddr, u16),
}

/// A running hub.
pub struct LocalHub {
    iotplay: Iotplay,
    options: HubOptions,
    program: Option<Program>,
    endpoint: Endpoint,
}

impl LocalHub {
    /// Starts a hub in the binary's folder.
    ///
    /// # Panics
    /// When it does not listen within half a minute.
    pub fn start(iotplay: &Iotplay, options: HubOptions) -> Self {
        let (program, endpoint) = launch(iotplay, options, (0, 0));
        Self { iotplay: iotplay.clone(), options, program: Some(program), endpoint }
    }

    /// Starts a hub that SDK programs can reach on their fixed ports; `None` (loudly) where the system does not allow it. In CI
    /// that is a failure.
    ///
    /// # Panics
    /// In CI, when there is no such address.
    pub fn for_sdks(iotplay: &Iotplay) -> Option<Self> {
        let Some(address) = own_address() else {
            assert!(std::env::var_os("CI").is_none(), "there is no loopback address beside 127.0.0.1");
            eprintln!("SKIPPED: there is no loopback address beside 127.0.0.1");
            return None;
        };
        Some(Self::start(iotplay, HubOptions::OwnAddress(address, service_port(address))))
    }

    /// Kills it as a power cut would, and starts it again where it was.
    ///
    /// # Panics
    /// When it does not come back.
    pub fn kill_and_restart(&mut self) {
        self.program.take().expect("a hub runs from start to drop").kill();
        self.launch_again();
    }

    /// Asks it to stop, and starts it again where it was.
    ///
    /// # Panics
    /// When it does not stop, or does not come back.
    pub fn restart(&mut self) {
        let ended = self.program.take().expect("a hub runs from start to drop").signal("TERM");
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        self.launch_again();
    }

    /// Asks it to stop (`TERM`, `INT`) and gives how it ended.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(mut self, signal: &str) -> Ended {
        self.program.take().expect("a hub runs from start to drop").signal(signal)
    }

    fn launch_again(&mut self) {
        // Clients that are to find it again need the same ports.
        let ports = (self.endpoint.mqtt.port(), self.endpoint.https.port());
        let (program, endpoint) = launch(&self.iotplay, self.options, ports);
        self.program = Some(program);
        self.endpoint = endpoint;
    }

    /// Its process, for its log lines.
    ///
    /// # Panics
    /// Never while it runs.
    pub fn program(&mut self) -> &mut Program {
        self.program.as_mut().expect("a hub runs from start to drop")
    }

    /// Its CA certificate.
    pub fn ca(&self) -> &Path {
        &self.endpoint.ca
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its owner's connection string, as an SDK wants it: with the port only where it is not 443.
    pub fn service(&self) -> String {
        self.endpoint.service.expose().to_owned()
    }

    /// Makes a device and gives its connection string.
    ///
    /// # Panics
    /// When the hub refuses.
    pub fn device(&self, id: &str) -> String {
        let added = self.iotplay.run(&["devices", "add", id]);
        assert_eq!(added.code, Some(0), "{}", added.err);
        added.out
    }

    /// The folder of its state.
    pub fn data(&self) -> PathBuf {
        self.iotplay.folder().join(".iotplay/hub")
    }
}

fn launch(iotplay: &Iotplay, options: HubOptions, (mqtt, https): (u16, u16)) -> (Program, Endpoint) {
    let mut arguments = vec!["hub".to_owned()];
    let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
    match options {
        HubOptions::FreePorts | HubOptions::FreePortsNamed(_) => {
            option("--mqtt-port", mqtt.to_string());
            option("--https-port", https.to_string());
        }
        HubOptions::OwnAddress(address, port) => {
            option("--bind", address.to_string());
            option("--https-port", if https == 0 { port } else { https }.to_string());
        }
    }
    if let HubOptions::FreePortsNamed(name) = options {
        option("--name", name.to_string());
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut program = iotplay.start(&arguments);
    // Its own first line would be there a moment before the endpoint file; the file is what others look for.
    program.line("hub ");
    let data = iotplay.folder().join(".iotplay/hub");
    let endpoint =
        eventually(START, "the hub listens", || hub::find(&data).filter(|endpoint| endpoint.pid == program.pid()));
    (program, endpoint)
}
