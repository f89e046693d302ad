//! The rounds over all devices of a run that wait for one fact. Each waiting device leaves a ticket; one of them leads, and asks the
//! inventory again and again for those that are due, together: no device polls by itself. A device that waits alone is read
//! directly.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use runner::{Ask, Class, Facts, Failure, Inventory, InventoryError, Round};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, sleep_until};

use crate::ticket::{Ticket, Want, Word};

/// How long a round gathers devices: short beside a request, long beside the work of one lane.
const GATHER: Duration = Duration::from_millis(20);
/// The more devices wait, the longer a round gathers them, up to a second: a few large rounds cost less than many small ones.
const GATHER_EACH: Duration = Duration::from_micros(50);
const GATHER_MOST: Duration = Duration::from_secs(1);
/// After a round that came to nobody, as when a hub throttles: its quota comes back within seconds.
const IN_VAIN: Duration = Duration::from_millis(500);

/// What a device learns: what was seen, or that there is nothing new.
pub(crate) type Answer = Result<Option<Facts>, Failure>;

/// The rounds of one fact.
#[derive(Default)]
pub(crate) struct Rounds {
    waiting: Cell<usize>,
    led: Cell<bool>,
    tickets: RefCell<Vec<Ticket>>,
    came: Notify,
}

/// One device waits, as long as this lives.
pub(crate) struct Waiting(Rc<Rounds>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

/// Somebody leads. Whoever ends hands over to the one that waits longest yet.
struct Leading<'a>(&'a Rounds);

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        self.0.led.set(false);
        loop {
            let mut tickets = self.0.tickets.borrow_mut();
            let last = tickets.iter().enumerate().max_by_key(|(_, ticket)| ticket.want.deadline);
            let Some((index, _)) = last else { return };
            // One that does not listen has ended its wait.
            if tickets.swap_remove(index).sender.send(Word::Lead).is_ok() {
                return;
            }
        }
    }
}

/// The devices of a round under way. Those that it did not come to go back to the others.
struct Batch<'a> {
    rounds: &'a Rounds,
    tickets: Vec<Ticket>,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.rounds.tickets.borrow_mut().append(&mut self.tickets);
    }
}

impl Batch<'_> {
    /// Tells those that were looked at what came of it, and how many they were.
    fn tell(&mut self, round: &Result<Round, Failure>) -> usize {
        let before = self.tickets.len();
        for ticket in std::mem::take(&mut self.tickets) {
            let answer = match round {
                Err(failure) => Some(Err(failure.clone())),
                Ok(round) => round.get(&ticket.device).cloned().map(Ok),
            };
            match answer {
                // Nobody listens any more: that device does not wait any longer.
                Some(answer) => drop(ticket.sender.send(Word::Seen(answer))),
                None => self.tickets.push(ticket),
            }
        }
        before - self.tickets.len()
    }
}

impl Rounds {
    /// Counts a device that waits.
    pub(crate) fn join(self: &Rc<Self>) -> Waiting {
        self.waiting.set(self.waiting.get() + 1);
        Waiting(Rc::clone(self))
    }

    /// The fact of a device when it is due, the cheapest way.
    pub(crate) async fn look(&self, inventory: &dyn Inventory, fact: &str, device: &Arc<str>, want: Want) -> Answer {
        if self.waiting.get() <= 1 {
            sleep_until(want.due).await;
        }
        if self.waiting.get() <= 1 {
            return direct(inventory, device, fact).await.map(Some);
        }
        loop {
            let mut mine = self.queue(device, want);
            if !self.led.get() {
                return self.lead(inventory, fact, &mut mine).await;
            }
            match mine.await {
                Ok(Word::Seen(answer)) => return answer,
                // The turn to lead has come, or the ticket was lost: begin anew.
                Ok(Word::Lead) | Err(_) => {}
            }
        }
    }

    fn queue(&self, device: &Arc<str>, want: Want) -> oneshot::Receiver<Word> {
        let (sender, receiver) = oneshot::channel();
        self.tickets.borrow_mut().push(Ticket { device: Arc::clone(device), want, sender });
        self.came.notify_one();
        receiver
    }

    /// Goes round until its own device has been looked at.
    async fn lead(&self, inventory: &dyn Inventory, fact: &str, mine: &mut oneshot::Receiver<Word>) -> Answer {
        self.led.set(true);
        let _leading = Leading(self);
        loop {
            self.until_due().await;
            sleep(self.gathers()).await;
            let mut batch = Batch { rounds: self, tickets: self.due(Instant::now()) };
            if batch.tickets.is_empty() {
                continue;
            }
            let asks: Vec<Ask> = batch.tickets.iter().map(Ticket::ask).collect();
            let round = inventory.facts(&asks, fact).await.map_err(failed);
            let told = batch.tell(&round);
            let in_vain = told == 0 && !batch.tickets.is_empty();
            drop(batch);
            if let Ok(Word::Seen(answer)) = mine.try_recv() {
                return answer;
            }
            if in_vain {
                sleep(IN_VAIN).await;
            }
        }
    }

    fn gathers(&self) -> Duration {
        let waiting = u32::try_from(self.waiting.get()).unwrap_or(u32::MAX);
        (GATHER + GATHER_EACH.saturating_mul(waiting)).min(GATHER_MOST)
    }

    /// Waits until a device is due: one that comes meanwhile may be due at once.
    async fn until_due(&self) {
        loop {
            let due = self.tickets.borrow().iter().map(|ticket| ticket.want.due).min();
            match due {
                Some(due) if due <= Instant::now() => return,
                Some(due) => tokio::select! {
                    () = sleep_until(due) => return,
                    () = self.came.notified() => {}
                },
                None => self.came.notified().await,
            }
        }
    }

    /// Takes the tickets of a round: who is at its end comes first, then who has waited longest; those that are nearly due come
    /// along, so that devices that began one after the other soon go round together.
    fn due(&self, now: Instant) -> Vec<Ticket> {
        let mut tickets = self.tickets.borrow_mut();
        let (mut due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut *tickets)
            .into_iter()
            .filter(|ticket| !ticket.sender.is_closed())
            .partition(|ticket| ticket.want.due <= now + ticket.want.early);
        *tickets = later;
        due.sort_by_key(|ticket| (ticket.want.due < ticket.want.deadline, ticket.want.due));
        due
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
