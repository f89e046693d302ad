//! An agent from its start to its end: one thread, one lane, any number of devices.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base::{Diagnostic, Diagnostics};
use net::tls::{TlsError, client_config};
use script::{Live, WatchError};
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use wire::DeviceCredential;

use crate::cases::Reel;
use crate::config::{AgentConfig, ScriptPlace};
use crate::counters::{AgentStatus, Counters};
use crate::fleet;
use crate::lane::{Broken, Habits, Lane, Progress};
use crate::link::Dialer;
use crate::memory::MemoryFolder;
use crate::reload::Reload;
use crate::scripts::{self, Scripts};

/// Open files of an agent beside its devices' connections: logs, scripts, state, the runtime's own.
const OTHER_FILES: u64 = 64;

/// The device side: start it with [`Agent::start`].
#[derive(Debug)]
pub struct Agent;

/// Why an agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum AgentStartError {
    /// The scripts do not load.
    #[error("{0}")]
    Scripts(Diagnostics),
    /// Certificates or keys cannot be used.
    #[error("cannot set up TLS")]
    Tls(#[from] TlsError),
    /// A board's restarts are remembered across them, which needs a place.
    #[error("a board needs a folder for its state")]
    NoState,
    /// The file that tells one boot of the machine from another cannot be read.
    #[error("cannot read the boot's id from {}", path.display())]
    BootId {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A device is to log in with a certificate and none is given.
    #[error("{0} logs in with a certificate, and none is given")]
    NoCertificate(String),
    /// A token is one device's.
    #[error("a token's file is for one device, and more are given")]
    OneToken,
    /// The same device twice: each would throw the other out.
    #[error("{0} is given twice")]
    Twice(String),
    /// The scripts cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The system gives no thread.
    #[error("cannot start the agent's thread")]
    Thread(#[source] std::io::Error),
}

impl Agent {
    /// Loads the scripts and starts the devices on a thread of their own.
    ///
    /// # Errors
    /// What can be known before the first packet: scripts that do not load, certificates that cannot be used, a
    /// configuration that contradicts itself.
    pub fn start(config: AgentConfig) -> Result<RunningAgent, AgentStartError> {
        check(&config)?;
        let host = scripts::host(&config.clock);
        let first = scripts::load(&host, &config.scripts).map_err(AgentStartError::Scripts)?;
        let methods = first.methods.keys().map(ToString::to_string).collect();
        let certificate = config.certificate.as_ref().map(|own| (own.chain.as_str(), own.key.expose()));
        let tls = client_config(&config.roots, certificate)?;
        let reload = match (&config.scripts, config.watch) {
            (ScriptPlace::Path(path), Some(mode)) => Some(Reload::new(host, path, mode)?),
            _ => None,
        };
        let (counters, broken) = (Arc::new(Counters::default()), Broken::default());
        let stop = CancellationToken::new();
        let count = config.devices.len();
        let coming = count.saturating_sub(config.faults.absent_at_start());
        let (progress, seen) = watch::channel(Progress { coming, running: count, ended: None });
        let shared = Shared { counters: Arc::clone(&counters), broken: broken.clone(), stop: stop.clone(), progress };
        let (grace, graces) = watch::channel(Duration::ZERO);
        let run = move || run(config, shared, first, reload, tls, graces);
        let thread = thread::Builder::new().name("agent".into()).spawn(run).map_err(AgentStartError::Thread)?;
        Ok(RunningAgent {
            thread: Some(thread),
            stop: stop.drop_guard(),
            grace,
            progress: seen,
            counters,
            broken,
            methods,
        })
    }

    /// How many open files a process needs for this many devices.
    pub fn descriptors(devices: usize) -> u64 {
        devices as u64 + OTHER_FILES
    }
}

fn check(config: &AgentConfig) -> Result<(), AgentStartError> {
    if let Some(board) = &config.board {
        if config.state.is_none() {
            return Err(AgentStartError::NoState);
        }
        std::fs::read(&board.boot_id)
            .map_err(|source| AgentStartError::BootId { path: board.boot_id.clone(), source })?;
    }
    if config.token_file.is_some() && config.devices.len() > 1 {
        return Err(AgentStartError::OneToken);
    }
    let mut seen = std::collections::BTreeSet::new();
    for device in &config.devices {
        if !seen.insert(&device.identity) {
            return Err(AgentStartError::Twice(device.identity.to_string()));
        }
        if matches!(device.credential, DeviceCredential::X509) && config.certificate.is_none() {
            return Err(AgentStartError::NoCertificate(device.identity.to_string()));
        }
    }
    Ok(())
}

/// What both threads hold.
struct Shared {
    counters: Arc<Counters>,
    broken: Broken,
    stop: CancellationToken,
    progress: watch::Sender<Progress>,
}

/// The agent's thread.
fn run(
    config: AgentConfig,
    shared: Shared,
    first: Scripts,
    reload: Option<Reload>,
    tls: Arc<tokio_rustls::rustls::ClientConfig>,
    graces: watch::Receiver<Duration>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Files and scripts being read: short work, one after the other.
        .max_blocking_threads(4)
        .build()
        .expect("a runtime without extra threads needs nothing that could be missing");
    let (reel, sink) = match config.record {
        true => {
            let (reel, sink) = Reel::before(config.sink);
            (Some(reel), sink)
        }
        false => (None, config.sink),
    };
    let habits = Habits {
        sim: config.sim,
        board: config.board,
        deadlines: config.deadlines,
        twin_patience: config.link.patience.twin,
        errors: config.errors,
        memory: config.state.map(MemoryFolder::new),
        token_file: config.token_file,
        outbox: config.outbox.bounds(),
        outboxes: config.outbox.folder.map(MemoryFolder::new),
        faults: config.faults,
        reel,
        fakes: None,
        pulse: config.pulse,
        grants: Arc::new(config.grants),
        announce: config.announce,
    };
    let dialer = Dialer::new(config.link, config.clock.clone(), config.seed.of("link").rng(), tls);
    let lane = Rc::new(Lane {
        habits,
        clock: config.clock,
        started: Instant::now(),
        rng: RefCell::new(config.seed.of("boots").rng()),
        counters: shared.counters,
        scripts: Live::new(first),
        tasks: TaskTracker::new(),
        stop: shared.stop,
        grace: graces,
        devices: RefCell::default(),
        progress: shared.progress,
        broken: shared.broken,
        sink,
    });
    LocalSet::new().block_on(&runtime, fleet::run(lane, Rc::new(dialer), config.devices, reload));
}

/// An agent under way. Dropping it ends it without grace.
#[derive(Debug)]
pub struct RunningAgent {
    thread: Option<JoinHandle<()>>,
    stop: DropGuard,
    grace: watch::Sender<Duration>,
    progress: watch::Receiver<Progress>,
    counters: Arc<Counters>,
    broken: Broken,
    methods: Vec<String>,
}

impl RunningAgent {
    /// Until every device was connected once, but for those that are to be away at first.
    ///
    /// # Errors
    /// A device ended for good before that.
    pub async fn ready(&self) -> Result<(), Diagnostic> {
        let mut progress = self.progress.clone();
        let seen = progress.wait_for(|progress| progress.coming == 0 || progress.ended.is_some()).await;
        match seen {
            Ok(progress) => progress.ended.clone().filter(|_| progress.coming > 0).map_or(Ok(()), Err),
            Err(_) => Err(Diagnostic::error("the agent ended before its devices were connected")),
        }
    }

    /// Until the last device has ended by itself; why the first of them did, if it was not asked to.
    pub async fn finished(&self) -> Option<Diagnostic> {
        let mut progress = self.progress.clone();
        let ended = match progress.wait_for(|progress| progress.running == 0).await {
            Ok(progress) => progress.ended.clone(),
            Err(_) => None,
        };
        ended.or_else(|| self.progress.borrow().ended.clone())
    }

    /// Asks all devices to end: handlers that run get this long to answer, then every line its goodbye.
    pub async fn stop(mut self, grace: Duration) {
        self.grace.send_replace(grace);
        let mut progress = self.progress.clone();
        drop(self.stop);
        // The sender lives on the agent's thread: it is gone when the thread is about to end.
        while progress.changed().await.is_ok() {}
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been printed already.
            let _ = thread.join();
        }
    }

    /// Its numbers now.
    pub fn status(&self) -> AgentStatus {
        self.counters.snapshot(self.broken.get())
    }

    /// A view of its numbers for whoever serves them.
    pub fn watcher(&self) -> Watcher {
        Watcher { counters: Arc::clone(&self.counters), broken: self.broken.clone() }
    }

    /// The methods that its scripts handled at the start.
    pub fn methods(&self) -> &[String] {
        &self.methods
    }
}

/// Reads an agent's numbers, on any thread, also when the agent has ended.
#[derive(Clone, Debug)]
pub struct Watcher {
    counters: Arc<Counters>,
    broken: Broken,
}

impl Watcher {
    /// The numbers now.
    pub fn status(&self) -> AgentStatus {
        self.counters.snapshot(self.broken.get())
    }
}
