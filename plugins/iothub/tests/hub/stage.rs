//! A local hub in memory, its client, and steps run against it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use base::{Clock, Diagnostics, Seed, Source};
use hub::{Hub, HubConfig, RunningHub};
use iotplay_iothub::{HubClient, HubOptions, IotHub};
use net::tls::Roots;
use runner::book::{Check, Key, Known, Node, NodeKind, read_yaml};
use runner::{Failure, Inventory, Outcome, Plugin as _, Progress, Ready, Registry, Scope, StepContext, Target};
use script::{Dynamic, Expressions};
use serde_json::{Value, json};
use wire::{DeviceDocument, DeviceId};

use crate::device::{Answer, Device};

pub(crate) struct Stage {
    pub(crate) hub: RunningHub,
    pub(crate) client: HubClient,
    pub(crate) plugin: IotHub,
    pub(crate) said: RefCell<Vec<String>>,
    pub(crate) names: Value,
}

/// Runs a test on a lane: devices and steps are not `Send`.
pub(crate) fn on_stage<F: Future<Output = ()>>(test: impl FnOnce(Rc<Stage>) -> F) {
    on_stage_with(HubConfig::embedded(), test);
}

/// The same with a hub of one's own.
pub(crate) fn on_stage_with<F: Future<Output = ()>>(config: HubConfig, test: impl FnOnce(Rc<Stage>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let stage = Rc::new(Stage::new(config).await);
        test(stage).await;
    });
}

pub(crate) fn options(hub: &RunningHub) -> HubOptions {
    HubOptions {
        roots: Roots::Pem(hub.ca_pem().to_owned()),
        local: true,
        seed: Seed(7),
        ..HubOptions::new(hub.service_connection())
    }
}

pub(crate) fn id(text: &str) -> DeviceId {
    text.parse().unwrap()
}

struct Names<'a>(&'a Value);

impl Scope for Names<'_> {
    fn get(&self, name: &str) -> Option<Dynamic> {
        self.0.get(name).map(script::from_json)
    }
}

impl Stage {
    async fn new(config: HubConfig) -> Self {
        let hub = Hub::start(config).await.unwrap();
        let client = HubClient::new(options(&hub)).unwrap();
        let plugin = IotHub::new(client.clone(), "local, in this process");
        Self { hub, client, plugin, said: RefCell::default(), names: json!({ "x": { "a": 1 }, "n": null }) }
    }

    pub(crate) fn inventory(&self) -> Rc<dyn Inventory> {
        self.plugin.inventory().unwrap()
    }

    pub(crate) async fn add(&self, device: &str) {
        self.client.create_device(&DeviceDocument::new(id(device))).await.unwrap();
    }

    /// A device that is there and answers.
    pub(crate) async fn connected(&self, device: &str, answer: impl Fn(&str) -> Answer + 'static) -> Device {
        self.add(device).await;
        let connection = self.hub.device_connection(&device.parse().unwrap()).unwrap();
        Device::connect(&connection, self.hub.ca_pem(), answer).await
    }

    /// The checked step, or what the check says.
    pub(crate) fn check(&self, yaml: &str) -> Result<Box<dyn Ready>, String> {
        check(&self.plugin, yaml)
    }

    pub(crate) async fn run(&self, yaml: &str, device: &str) -> Outcome {
        self.run_in(yaml, device, false).await
    }

    pub(crate) async fn rehearse(&self, yaml: &str, device: &str) -> Outcome {
        self.run_in(yaml, device, true).await
    }

    async fn run_in(&self, yaml: &str, device: &str, check_mode: bool) -> Outcome {
        let ready = self.check(yaml).unwrap_or_else(|found| panic!("{found}"));
        self.with_context(device, check_mode, async |step| ready.run(step).await).await
    }

    pub(crate) async fn run_ready(&self, ready: &dyn Ready, device: &str) -> Outcome {
        self.with_context(device, false, async |step| ready.run(step).await).await
    }

    pub(crate) async fn preview(&self, yaml: &str, device: &str) -> String {
        let ready = self.check(yaml).unwrap_or_else(|found| panic!("{found}"));
        self.with_context(device, true, async |step| ready.preview(step)).await
    }

    async fn with_context<T>(
        &self,
        device: &str,
        check_mode: bool,
        work: impl AsyncFnOnce(&StepContext<'_>) -> T,
    ) -> T {
        let progress = |progress| {
            if let Progress::Says(text) = progress {
                self.said.borrow_mut().push(text);
            }
        };
        let (expressions, inventory) = (Expressions::new(Clock::system()), self.inventory());
        let step = StepContext {
            target: &Target { id: device.into(), attributes: Arc::new(json!({})) },
            scope: &Names(&self.names),
            expressions: &expressions,
            inventory: &*inventory,
            timeout: None,
            failed_when: None,
            progress: &progress,
            say: &|_, _| {},
            called: false,
            cancel: &tokio_util::sync::CancellationToken::new(),
            check_mode,
            files: std::path::Path::new("."),
            run: "r".into(),
            deeds: None,
        };
        work(&step).await
    }

    pub(crate) fn last_said(&self) -> String {
        self.said.borrow().last().cloned().unwrap_or_default()
    }
}

pub(crate) fn check(plugin: &IotHub, yaml: &str) -> Result<Box<dyn Ready>, String> {
    let source = Source::new("t.yaml", yaml);
    let mut found = Diagnostics::default();
    let node = read_yaml(&source, &mut found).map_err(|found| found.to_string())?;
    let (key, value) = &node.entries()[0];
    let registry = Registry::new(&[plugin]);
    let action = registry.get(&key.text).expect("a verb of iothub");
    let known = Known { names: ["device", "x", "n"].map(str::to_owned).into(), ..Known::default() };
    let expressions = Expressions::new(Clock::system());
    let mut check = Check::new(&source, &mut found, &known, &expressions);
    check.verb = Some((action.name(), key.span));
    let value = match (action.main(), value.is_map() || value.is_null()) {
        (Some(main), false) => {
            let key = Key { text: main.into(), span: value.span };
            Node { kind: NodeKind::Map(vec![(key, value.clone())]), span: value.span }
        }
        _ => value.clone(),
    };
    let ready = action.check(&value, &mut check);
    ready.ok_or_else(|| found.to_string())
}

pub(crate) fn failed(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("expected a failure: {other:?}"),
    }
}

pub(crate) fn done(outcome: Outcome) -> (Value, bool) {
    match outcome {
        Outcome::Done { value, changed } => (value, changed),
        other => panic!("expected success: {other:?}"),
    }
}
