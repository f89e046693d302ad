//! What is shown late on purpose, as the service does it: rows of queries, and the connection state. Reading a twin or an
//! identity is never late. No timers: what is due is done by whoever looks next. One old row and one waiting state per identity
//! at most, so a change that follows another shows together with it, never later than the lag after the first.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime};

use base::Clock;
use wire::{ConnectionState, Identity, Twin};

use super::HubState;
use super::record::Record;
use super::registry::{Entry, Registry};
use crate::quota::Delays;

/// The lags of a registry that has any.
#[derive(Debug)]
pub(super) struct Lag {
    clock: Clock,
    query: Duration,
    state: Duration,
    /// Connection states that are not shown yet, and when they came.
    waiting: HashMap<Identity, (ConnectionState, SystemTime)>,
    /// When they are due, in order; each that waits stands here once.
    due: VecDeque<(SystemTime, Identity)>,
}

/// An entry as it was before it changed; nothing before it came.
#[derive(Debug)]
pub(super) struct Past {
    until: SystemTime,
    entry: Option<Entry>,
}

impl Lag {
    /// Called before a change: keeps what queries go on seeing.
    pub(super) fn changing(&self, entry: &mut Entry) {
        let now = self.clock.now();
        if self.query.is_zero() || entry.past.as_ref().is_some_and(|past| now < past.until) {
            return;
        }
        let was = Entry::new(Record::clone(&entry.record), Twin::clone(&entry.twin));
        entry.past = Some(Box::new(Past { until: now + self.query, entry: Some(was) }));
    }

    /// Called before an entry comes: queries do not see it yet.
    pub(super) fn coming(&self, entry: &mut Entry) {
        if !self.query.is_zero() {
            entry.past = Some(Box::new(Past { until: self.clock.now() + self.query, entry: None }));
        }
    }
}

impl Entry {
    /// The entry as queries see it at `now`; none when they do not know it yet.
    pub(super) fn as_queried(&self, now: SystemTime) -> Option<&Self> {
        match &self.past {
            Some(past) if now < past.until => past.entry.as_ref(),
            _ => Some(self),
        }
    }
}

impl Registry {
    /// Whether queries see less than there is.
    pub(super) fn queries_lag(&self) -> bool {
        self.lag.as_ref().is_some_and(|lag| !lag.query.is_zero())
    }

    /// Shows the connection states that are due.
    pub(super) fn catch_up(&mut self) {
        while let Some((identity, state, at)) = self.lag.as_mut().and_then(|lag| lag.next_due()) {
            self.show_connection(&identity, state, at);
        }
    }

    /// A device came or went: shown now, or when it is due.
    pub(super) fn note_connection(&mut self, identity: &Identity, connected: bool, now: SystemTime) {
        let state = if connected { ConnectionState::Connected } else { ConnectionState::Disconnected };
        match self.lag.as_mut().filter(|lag| !lag.state.is_zero()) {
            None => self.show_connection(identity, state, now),
            Some(lag) => {
                if lag.waiting.insert(identity.clone(), (state, now)).is_none() {
                    lag.due.push_back((now + lag.state, identity.clone()));
                }
            }
        }
    }

    fn show_connection(&mut self, identity: &Identity, state: ConnectionState, at: SystemTime) {
        let Some(mut entry) = self.get_mut(identity) else { return };
        entry.record.activity = entry.record.activity.max(Some(at));
        if entry.record.connection != state {
            entry.record.connection = state;
            entry.record.connection_time = Some(at);
        }
    }
}

impl Lag {
    fn next_due(&mut self) -> Option<(Identity, ConnectionState, SystemTime)> {
        if self.due.front()?.0 > self.clock.now() {
            return None;
        }
        let (_, identity) = self.due.pop_front()?;
        let (state, at) = self.waiting.remove(&identity)?;
        Some((identity, state, at))
    }
}

impl HubState {
    /// Makes queries and connection states lag from now on.
    pub(crate) fn set_lag(&self, delays: Delays) {
        let Delays { query_lag: query, state_lag: state, .. } = delays;
        let lags = !query.is_zero() || !state.is_zero();
        let lag = || Lag { clock: self.clock.clone(), query, state, waiting: HashMap::new(), due: VecDeque::new() };
        self.inner().registry.lag = lags.then(|| Box::new(lag()));
    }
}
