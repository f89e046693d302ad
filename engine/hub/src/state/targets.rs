//! Which devices or modules a condition names, at this moment: what a job begins with.

use wire::Identity;

use super::HubState;
use super::rows::EntryRow;
use crate::query::{Collection, Query};

/// Devices looked at before others get their turn: some 0.5 ms with the state held.
const TURN: usize = 1_000;

impl HubState {
    /// Everybody whom the query's condition takes, in order of id. Others get their turn between a thousand devices looked at, so
    /// who comes or changes meanwhile may be among them or not.
    pub(crate) async fn targets(&self, query: &Query) -> Vec<Identity> {
        let mut targets = Vec::new();
        let mut after = None;
        loop {
            let mut last = None;
            {
                let inner = self.inner();
                for (id, device) in inner.registry.devices_after(after.as_ref()).take(TURN) {
                    let passes = |entry| {
                        let row = EntryRow::of(entry);
                        query.condition.as_ref().is_none_or(|condition| condition.passes(&row))
                    };
                    if query.collection == Collection::Modules {
                        let picked = device.modules().iter().filter(|(_, entry)| passes(entry));
                        targets.extend(picked.map(|(module, _)| Identity::module(id.clone(), module.clone())));
                    } else if passes(device.entry()) {
                        targets.push(Identity::device(id.clone()));
                    }
                    last = Some(id.clone());
                }
            }
            if last.is_none() {
                return targets;
            }
            after = last;
            tokio::task::yield_now().await;
        }
    }
}
