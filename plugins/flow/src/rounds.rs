//! Reads one fact for all devices that wait in the same step: those that ask within a moment share one request, so that an
//! inventory can answer a thousand of them with one query. A device that waits alone is read directly.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use runner::{Class, Facts, Failure, Inventory, InventoryError};
use tokio::sync::oneshot;

/// How long a round gathers devices: short beside a request, long beside the work of one lane.
const GATHER: Duration = Duration::from_millis(20);

type Answer = Result<Option<Facts>, Failure>;

/// The rounds of one fact in one step.
#[derive(Default)]
pub(crate) struct Rounds {
    waiting: Cell<usize>,
    led: Cell<bool>,
    queue: RefCell<Vec<(Arc<str>, oneshot::Sender<Answer>)>>,
}

/// One device waits, as long as this lives.
pub(crate) struct Waiting<'a>(&'a Rounds);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

/// Somebody gathers. When its future is dropped meanwhile, those that queued begin anew.
struct Leading<'a>(&'a Rounds);

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        self.0.led.set(false);
        self.0.queue.borrow_mut().clear();
    }
}

impl Rounds {
    /// Counts a device that waits.
    pub(crate) fn join(&self) -> Waiting<'_> {
        self.waiting.set(self.waiting.get() + 1);
        Waiting(self)
    }

    /// The fact of a device, the cheapest way; nothing when it could not be read this time.
    pub(crate) async fn read(&self, inventory: &dyn Inventory, device: &Arc<str>, fact: &str) -> Answer {
        if self.waiting.get() <= 1 {
            return direct(inventory, device, fact).await.map(Some);
        }
        loop {
            let (answer, answered) = oneshot::channel();
            self.queue.borrow_mut().push((Arc::clone(device), answer));
            if !self.led.replace(true) {
                self.lead(inventory, fact).await;
            }
            // An error: who gathered was dropped, so begin anew.
            if let Ok(answer) = answered.await {
                return answer;
            }
        }
    }

    async fn lead(&self, inventory: &dyn Inventory, fact: &str) {
        let leading = Leading(self);
        tokio::time::sleep(GATHER).await;
        let round = std::mem::take(&mut *self.queue.borrow_mut());
        drop(leading);
        let devices: Vec<_> = round.iter().map(|(device, _)| Arc::clone(device)).collect();
        let answers = inventory.facts(&devices, fact).await.map_err(failed);
        for (device, sender) in round {
            let answer = match &answers {
                Ok(all) => Ok(all.get(&device).cloned()),
                Err(failure) => Err(failure.clone()),
            };
            // Nobody listens any more: that device does not wait any longer.
            let _ = sender.send(answer);
        }
    }
}

/// The fact of a device from its source.
pub(crate) async fn direct(inventory: &dyn Inventory, device: &str, fact: &str) -> Result<Facts, Failure> {
    inventory.fact(device, fact).await.map_err(failed)
}

fn failed(error: InventoryError) -> Failure {
    match error {
        InventoryError::Hub { message, help } => Failure { help, ..Failure::new(Class::Hub, message) },
        other => Failure::new(Class::Failed, other.to_string()),
    }
}
