//! A script that waits with a closure: its looks go through the same rounds as those of all other waits.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use runner::{Failure, Inventory, Look, Sight, Watch};

use crate::facts::{AllRounds, Watched, When};
use crate::rounds::Rounds;

/// One device, as long as its script waits.
pub(crate) struct Watcher {
    fact: &'static str,
    device: Arc<str>,
    rounds: Rc<Rounds>,
    /// Taken while it looks; a look that is dropped begins anew.
    watched: Cell<Option<Watched<'static>>>,
}

impl Watcher {
    pub(crate) fn new(fact: &'static str, device: &Arc<str>, rounds: &AllRounds) -> Self {
        let rounds = rounds.of(fact);
        let watched = Cell::new(Some(Watched::new(fact, Rc::clone(&rounds))));
        Self { fact, device: Arc::clone(device), rounds, watched }
    }
}

impl Watch for Watcher {
    fn look<'a>(
        &'a self,
        inventory: &'a dyn Inventory,
        look: Look,
    ) -> LocalBoxFuture<'a, Result<Option<Sight>, Failure>> {
        Box::pin(async move {
            let watched = self.watched.take();
            let mut watched = watched.unwrap_or_else(|| Watched::new(self.fact, Rc::clone(&self.rounds)));
            let Look { due, early, deadline, direct } = look;
            let looked = match direct {
                true => watched.look_directly(inventory, &self.device).await,
                false => watched.look(inventory, &self.device, When { due, early, deadline }).await,
            };
            let seen = watched.value().map(|value| Sight { value: value.clone(), sure: watched.is_sure() });
            self.watched.set(Some(watched));
            looked.map(|()| seen)
        })
    }
}
