//! Waits for many devices at once to take method calls: a list of names, and those of them that came. One task looks after all of
//! them; nobody polls.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;
use wire::Identity;

/// See the module's description. Made by the exchange, which tells it who came.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    state: Mutex<State>,
    came: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Who is waited for, each with a number of the waiter's own.
    wanted: HashMap<Identity, usize>,
    came: Vec<(usize, Identity)>,
}

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the list is plain data: nothing panics while it is held")
    }

    pub(crate) fn want(&self, identity: Identity, place: usize) {
        self.state().wanted.insert(identity, place);
    }

    /// It takes calls now.
    pub(crate) fn arrive(&self, identity: &Identity) {
        let mut state = self.state();
        if let Some((identity, place)) = state.wanted.remove_entry(identity) {
            state.came.push((place, identity));
            drop(state);
            self.came.notify_one();
        }
    }

    /// Those that came since the last time; they are no longer waited for.
    pub(crate) fn take(&self) -> Vec<(usize, Identity)> {
        std::mem::take(&mut self.state().came)
    }

    /// Whether nobody is waited for, and nobody came.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.state();
        state.wanted.is_empty() && state.came.is_empty()
    }

    /// Waits until somebody came. One waiter at a time.
    pub(crate) async fn somebody(&self) {
        loop {
            if !self.state().came.is_empty() {
                return;
            }
            self.came.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(id: &str) -> Identity {
        id.parse().unwrap()
    }

    #[tokio::test]
    async fn who_is_wanted_comes_once() {
        let watch = Watch::default();
        watch.want(identity("a"), 7);
        watch.want(identity("b/m"), 8);
        watch.arrive(&identity("c"));
        watch.arrive(&identity("b"));
        assert!(!watch.is_empty() && watch.take().is_empty());
        watch.arrive(&identity("a"));
        watch.arrive(&identity("a"));
        watch.somebody().await;
        assert_eq!(watch.take(), [(7, identity("a"))]);
        watch.arrive(&identity("b/m"));
        watch.somebody().await;
        assert_eq!(watch.take(), [(8, identity("b/m"))]);
        assert!(watch.is_empty());
    }
}
