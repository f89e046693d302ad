//! `iotplay hub` as its users start it: a process of its own, in a folder, on an address that nobody else has.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hub::Endpoint;

use crate::{Iotplay, Program, eventually, own_address};

/// From start to listening, with a CA to make, on a busy machine.
const START: Duration = Duration::from_secs(30);

/// Where the hub is to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HubOptions {
    /// Free ports on 127.0.0.1: for our own programs.
    FreePorts,
    /// 8883 and 443 on an address of its own: for SDK programs.
    OwnAddress(IpAddr),
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
        let (program, endpoint) = launch(iotplay, options);
        Self { iotplay: iotplay.clone(), options, program: Some(program), endpoint }
    }

    /// Starts a hub that SDK programs can reach on their fixed ports; `None` (loudly) where the system does not allow it. In CI
    /// that is a failure.
    ///
    /// # Panics
    /// In CI, when no address allows port 443.
    pub fn for_sdks(iotplay: &Iotplay) -> Option<Self> {
        let Some(address) = own_address() else {
            assert!(std::env::var_os("CI").is_none(), "no loopback address allows ports 8883 and 443");
            eprintln!("SKIPPED: no loopback address allows ports 8883 and 443 to this user");
            return None;
        };
        Some(Self::start(iotplay, HubOptions::OwnAddress(address)))
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
        assert_eq!(ended.code, Some(143), "{}", ended.err);
        self.launch_again();
    }

    fn launch_again(&mut self) {
        let options = match self.options {
            // Clients that are to find it again need the same ports.
            HubOptions::FreePorts => return self.launch_on(self.endpoint.mqtt.port(), self.endpoint.https.port()),
            own => own,
        };
        let (program, endpoint) = launch(&self.iotplay, options);
        self.program = Some(program);
        self.endpoint = endpoint;
    }

    fn launch_on(&mut self, mqtt: u16, https: u16) {
        let ports = [mqtt.to_string(), https.to_string()];
        let program = self.iotplay.start(&["hub", "--mqtt-port", &ports[0], "--https-port", &ports[1]]);
        self.endpoint = endpoint(self.iotplay.folder(), &program);
        self.program = Some(program);
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

fn launch(iotplay: &Iotplay, options: HubOptions) -> (Program, Endpoint) {
    let program = match options {
        HubOptions::FreePorts => iotplay.start(&["hub", "--mqtt-port", "0", "--https-port", "0"]),
        HubOptions::OwnAddress(address) => {
            let address = address.to_string();
            iotplay.start(&["hub", "--bind", &address, "--https-port", "443"])
        }
    };
    let endpoint = endpoint(iotplay.folder(), &program);
    (program, endpoint)
}

fn endpoint(folder: &Path, program: &Program) -> Endpoint {
    let data = folder.join(".iotplay/hub");
    eventually(START, "the hub listens", || hub::find(&data).filter(|endpoint| endpoint.pid == program.pid()))
}
