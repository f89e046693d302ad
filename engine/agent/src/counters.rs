//! What an agent counts: plain numbers that grow, and the few that go up and down. Reading them costs nothing to the lane.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One number; writers are on the lane, readers anywhere.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn up(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(crate) fn down(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    pub(crate) fn set(&self, value: usize) {
        self.0.store(value as u64, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The living numbers of one agent.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Count,)*
        }

        /// The numbers of one agent at one moment.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct AgentStatus {
            $($(#[$doc])* pub $name: u64,)*
            /// Whether the scripts on disk fail to load, so that an older version is running.
            pub broken: bool,
        }

        impl Counters {
            /// All numbers now.
            pub(crate) fn snapshot(&self, broken: bool) -> AgentStatus {
                AgentStatus { $($name: self.$name.get(),)* broken }
            }
        }
    };
}

counters! {
    /// Devices that are running: not ended and not stopped.
    devices,
    /// Devices connected and subscribed now.
    connected,
    /// Handlers running now, timers and hooks included.
    running,
    /// Connections that came up, ever.
    connects,
    /// Connections that went down, ever.
    disconnects,
    /// Logins that the hub refused.
    refusals,
    /// Method calls that arrived.
    calls,
    /// Cloud-to-device messages that arrived.
    messages_in,
    /// Cloud-to-device messages that a handler rejected.
    messages_rejected,
    /// Cloud-to-device messages that no try of the handler came to an end with.
    messages_given_up,
    /// Replies that were handed to a connection.
    replies,
    /// Replies whose connection was gone before they could leave.
    replies_dropped,
    /// Second replies of one call.
    replies_twice,
    /// Handlers that failed before they answered, hooks and timers included.
    failures,
    /// Handlers that failed after they had answered.
    late_failures,
    /// Reported patches that the hub took.
    reports,
    /// Reported patches that the hub refused.
    reports_refused,
    /// Messages that the hub took.
    messages,
    /// Messages that were dropped since the outbox was full.
    messages_dropped,
    /// Seeded faults that were shown.
    faults,
    /// Good reloads.
    reloads,
    /// Times that the agent's thread showed that it lives, if it was asked to.
    pulses,
    /// Replies, reports and messages that waited for their connections at the last pulse.
    waiting,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_shows_what_was_counted() {
        let counters = Counters::default();
        counters.calls.up();
        counters.calls.up();
        counters.connected.up();
        counters.connected.down();
        let shown = counters.snapshot(true);
        assert_eq!((shown.calls, shown.connected, shown.broken), (2, 0, true));
    }
}
