//! A fleet's numbers while it runs: one live line on a terminal, a line now and then elsewhere, and a last one.

use std::cell::RefCell;
use std::time::Duration;

use agent::{AgentStatus, RunningAgent};
use runner::Lines;

/// How often the live line is drawn.
const LIVE: Duration = Duration::from_millis(500);

/// How often a line is written where there is no terminal, if anything has changed.
const PLAIN: u32 = 20;

/// What is shown of a fleet.
pub(super) struct Counts<'a> {
    of: usize,
    lines: &'a Lines,
    said: RefCell<String>,
}

impl<'a> Counts<'a> {
    /// For a fleet of so many devices.
    pub(super) fn new(of: usize, lines: &'a Lines) -> Self {
        Self { of, lines, said: RefCell::default() }
    }

    /// Shows them until it is dropped.
    pub(super) async fn show(&self, running: &RunningAgent) {
        let mut tick = tokio::time::interval(LIVE);
        for turn in 1_u32.. {
            tick.tick().await;
            let status = running.status();
            let terminal = self.lines.live(Some(line(&status, self.of)));
            // Only calls and what follows from them: connections that come and go have lines of their own at the start.
            if !terminal && turn % PLAIN == 0 && status.calls + status.faults > 0 {
                self.say(&status);
            }
        }
    }

    /// The numbers at the end, unless nothing happened.
    pub(super) fn last(&self, running: &RunningAgent) {
        self.lines.live(None);
        let status = running.status();
        if self.of > super::agent::FEW && status.calls + status.faults > 0 {
            self.say(&status);
        }
    }

    fn say(&self, status: &AgentStatus) {
        let line = line(status, self.of);
        if *self.said.borrow() != line {
            self.lines.line(&line);
            self.said.replace(line);
        }
    }
}

/// `fleet   190 of 200 connected, 1200 calls, 1190 answers, 10 faults`; what never happened is left out.
fn line(status: &AgentStatus, of: usize) -> String {
    let mut text = format!("fleet   {} of {of} connected", status.connected);
    for (count, one, more) in [
        (status.calls, "call", "calls"),
        (status.replies, "answer", "answers"),
        (status.running, "at work", "at work"),
        (status.faults, "fault shown", "faults shown"),
        (status.failures + status.late_failures, "failure", "failures"),
        (status.refusals, "refused login", "refused logins"),
    ] {
        if count > 0 {
            text = format!("{text}, {count} {}", if count == 1 { one } else { more });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_happened_is_left_out() {
        let mut status = AgentStatus { connected: 190, calls: 1200, replies: 1190, ..AgentStatus::default() };
        assert_eq!(line(&status, 200), "fleet   190 of 200 connected, 1200 calls, 1190 answers");
        status = AgentStatus { faults: 1, late_failures: 2, ..AgentStatus::default() };
        assert_eq!(line(&status, 1), "fleet   0 of 1 connected, 1 fault shown, 2 failures");
    }
}
