//! The plugin: its verbs, and the inventory when there is a hub. Without one the verbs can still be checked and described.

use std::rc::Rc;

use runner::{Action, Inventory, Plugin};

use crate::client::HubClient;
use crate::door::Door;
use crate::inventory::IotHubInventory;
use crate::verbs;

/// The vocabulary of IoT Hub.
#[derive(Default)]
pub struct IotHub {
    door: Door,
    inventory: Option<Rc<IotHubInventory>>,
}

impl IotHub {
    /// On a hub; `title` is what the first line of a run says of it.
    pub fn new(client: HubClient, title: impl Into<String>) -> Self {
        let inventory = Rc::new(IotHubInventory::new(client.clone(), title));
        Self { door: Door::new(client), inventory: Some(inventory) }
    }

    /// Without a hub: for `check`, `schema` and `plugins list`. A verb that runs all the same fails in so many words.
    pub fn without_hub() -> Self {
        Self::default()
    }
}

impl Plugin for IotHub {
    fn name(&self) -> &'static str {
        "iothub"
    }

    fn actions(&self) -> Vec<Rc<dyn Action>> {
        verbs::all(&self.door)
    }

    fn inventory(&self) -> Option<Rc<dyn Inventory>> {
        self.inventory.clone().map(|inventory| inventory as Rc<dyn Inventory>)
    }
}
