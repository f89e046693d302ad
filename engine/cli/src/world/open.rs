//! Opens the world of a command: the configured hub, or one in this process. Says on the first line which one it is.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use base::{Clock, Seed};
use iothub::{HubClient, HubOptions};
use runner::{HubInfo, HubOrigin, Inventory, Lines, Registry};
use tokio::sync::mpsc;
use wire::HubSize;

use super::embedded::Embedded;
use super::wiring;
use crate::args::{Common, SimArgs};
use crate::process::{Trouble, connections};
use crate::project::{self, Chosen};

/// What to do when no hub is configured.
pub(crate) enum Embed<'a> {
    /// Say so: the command makes no sense on an empty hub that ends with it.
    No,
    /// Start one in this process, with simulated devices.
    Simulated {
        /// How many, and how they behave.
        sim: &'a SimArgs,
        /// Whether a change of their handlers is taken over while running.
        watch: bool,
    },
}

/// A hub to work with.
pub(crate) struct World {
    client: HubClient,
    info: HubInfo,
    production: Option<String>,
    origin: HubOrigin,
    embedded: Option<Embedded>,
    registry: Registry,
    inventory: Rc<dyn Inventory>,
}

impl World {
    /// Finds or starts the hub and says which it is.
    pub(crate) async fn open(common: &Common, embed: Embed<'_>, lines: &Lines) -> Result<Self, Trouble> {
        Self::open_with(common, embed, lines, Path::new(project::PLUGINS)).await
    }

    /// The same with the script plugins of another folder: the copies that a run has kept.
    pub(crate) async fn open_with(
        common: &Common,
        embed: Embed<'_>,
        lines: &Lines,
        plugins: &Path,
    ) -> Result<Self, Trouble> {
        let mut unused = false;
        let chosen = match (embed, project::configured(common)?) {
            (Embed::Simulated { sim, .. }, Some(chosen)) => {
                unused = sim.asked_for();
                chosen
            }
            (Embed::No, Some(chosen)) => chosen,
            (Embed::No, None) => project::needed(common)?,
            (Embed::Simulated { sim, watch }, None) => {
                let (client, info, embedded) = Embedded::start(sim, watch, lines).await?;
                let (title, found) = (info.title.clone(), HubOrigin::PROCESS.to_owned());
                let origin = HubOrigin { title, found, ..HubOrigin::default() };
                return Self::wire(client, info, (None, origin), Some(embedded), plugins);
            }
        };
        lines.line(&format!("hub     {}", chosen.title));
        if unused {
            lines.line(
                "note    --sim, --sim-reboot, --sim-faults and --scripts are for a hub in this process: not used here",
            );
        }
        let client = client(&chosen)?;
        let info = HubInfo { title: chosen.title, local: chosen.local };
        Self::wire(client, info, (chosen.production, chosen.origin), None, plugins)
    }

    fn wire(
        client: HubClient,
        info: HubInfo,
        (production, origin): (Option<String>, HubOrigin),
        embedded: Option<Embedded>,
        plugins: &Path,
    ) -> Result<Self, Trouble> {
        let (registry, inventory) = wiring::on_hub(&client, &info, plugins)?;
        Ok(Self { client, info, production, origin, embedded, registry, inventory })
    }

    /// The hub's REST side.
    pub(crate) fn client(&self) -> &HubClient {
        &self.client
    }

    /// Its title, as the first line said.
    pub(crate) fn title(&self) -> &str {
        &self.info.title
    }

    /// In this process: it ends with it.
    pub(crate) fn is_embedded(&self) -> bool {
        self.embedded.is_some()
    }

    /// On this machine: nobody is asked before a change.
    pub(crate) fn local(&self) -> bool {
        self.info.local
    }

    /// Calls in flight that this process has connections for. A local hub takes all of them on one.
    pub(crate) fn most_forks(&self) -> Option<usize> {
        (!self.info.local).then(connections)
    }

    /// Keeps to what a hub of this size allows, or of the size that is configured; says so.
    pub(crate) fn keep_pace(&self, size: Option<HubSize>, lines: &Lines) {
        if let Some(size) = size {
            self.client.expect_size(size);
        }
        if let Some(size) = self.client.size() {
            lines.line(&format!("pace    {size}"));
        }
    }

    /// The name that `--yes=NAME` must repeat.
    pub(crate) fn production(&self) -> Option<&str> {
        self.production.as_deref()
    }

    /// How a later process finds it again.
    pub(crate) fn origin(&self) -> &HubOrigin {
        &self.origin
    }

    /// The verbs, working on this hub, and its devices.
    pub(crate) fn wired(&self) -> (Registry, Rc<dyn Inventory>) {
        (self.registry.clone(), Rc::clone(&self.inventory))
    }

    /// Tells when the devices of this process have taken over new handlers.
    pub(crate) fn reloads(&self) -> Option<&RefCell<mpsc::Receiver<()>>> {
        self.embedded.as_ref().map(Embedded::reloads)
    }

    /// Ends what was started.
    pub(crate) async fn close(self) {
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
    }
}

/// A client of a chosen hub.
pub(crate) fn client(chosen: &Chosen) -> Result<HubClient, Trouble> {
    let options = HubOptions {
        connection: chosen.connection.clone(),
        roots: chosen.roots.clone(),
        local: chosen.local,
        clock: Clock::system(),
        seed: Seed::from_os(),
    };
    let client = HubClient::new(options).map_err(|error| Trouble::usage(crate::process::chain(&error)))?;
    if let Some(size) = chosen.size {
        client.expect_size(size);
    }
    Ok(client)
}
