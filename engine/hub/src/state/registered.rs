//! Who is registered, for whoever draws lots among devices.

use wire::DeviceId;

use super::HubState;
use crate::faults::Registered;

impl Registered for HubState {
    fn total(&self) -> usize {
        self.inner().registry.total()
    }

    fn ids(&self) -> Vec<DeviceId> {
        self.inner().registry.devices_after(None).map(|(id, _)| id.clone()).collect()
    }
}
