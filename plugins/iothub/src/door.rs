//! What every verb of this plugin shares: the way to the hub, if there is one.

use std::rc::Rc;
use std::time::Duration;

use runner::{Class, Failure, Progress, StepContext};
use tokio::time::{Instant, MissedTickBehavior};
use wire::{DeviceId, Identity};

use crate::client::HubClient;
use crate::jobs::Places;
use crate::seen::LastSeen;

/// How often the live line is told.
const TELL_EVERY: Duration = Duration::from_secs(1);

#[derive(Clone, Default)]
pub(crate) struct Door {
    client: Option<HubClient>,
    pub(crate) seen: Rc<LastSeen>,
    pub(crate) places: Places,
}

impl Door {
    pub(crate) fn new(client: HubClient) -> Self {
        Self { client: Some(client), ..Self::default() }
    }

    pub(crate) fn client(&self) -> Result<&HubClient, Failure> {
        self.client.as_ref().ok_or_else(|| {
            let mut failure = Failure::new(Class::Hub, "no hub is configured");
            failure.help.push("set IOTHUB_CONNECTION_STRING, or start a local one: iotplay hub".to_owned());
            failure
        })
    }
}

/// The device or module of a step.
pub(crate) fn identity(step: &StepContext<'_>) -> Result<Identity, Failure> {
    step.target.id.parse().map_err(|error: wire::IdError| Failure::new(Class::Failed, error.to_string()))
}

/// The device that a verb of the registry names, else the one of the step.
pub(crate) fn named(step: &StepContext<'_>, id: Option<String>) -> Result<DeviceId, Failure> {
    let id = id.unwrap_or_else(|| step.target.id.to_string());
    id.parse().map_err(|error: wire::IdError| Failure::new(Class::Failed, error.to_string()))
}

/// Awaits `work` and tells the live line how far it is of `limit`.
pub(crate) async fn told<T>(step: &StepContext<'_>, limit: Duration, work: impl Future<Output = T>) -> T {
    let (start, stood) = (Instant::now(), runner::stood_still());
    let mut tick = tokio::time::interval_at(start + TELL_EVERY, TELL_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            now = tick.tick() => {
                // While it queues nothing runs yet: neither the step's time nor the device's.
                let queued = runner::stood_still().saturating_sub(stood);
                let spent = (now - start).saturating_sub(queued);
                (step.progress)(Progress::Elapsed { spent, of: Some(limit) });
            }
        }
    }
}
