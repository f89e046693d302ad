//! What an agent tells Prometheus: its counters, and its handlers by name, outcome and time. Counts what events say; serves nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use net::metrics::MetricsText;

use crate::counters::AgentStatus;
use crate::event::{AgentEvent, HandlerOutcome, Sink};

/// Upper ends of the histogram's buckets, in milliseconds: from an answer at once to the longest that a handler may work.
const BUCKETS_MS: [u64; 11] = [1, 5, 10, 50, 100, 500, 1_000, 5_000, 30_000, 300_000, 1_800_000];

/// Handlers are named by scripts, and scripts may be replaced any number of times; what comes later is counted as `other`.
const MOST_NAMES: usize = 200;

/// Where the rest is counted.
const OTHER: &str = "other";

/// The handlers of one agent: how they ended, and how long they took.
#[derive(Clone, Debug, Default)]
pub struct AgentMetrics(Arc<Mutex<BTreeMap<String, Ended>>>);

#[derive(Clone, Debug, Default)]
struct Ended {
    by_outcome: BTreeMap<&'static str, u64>,
    buckets: [u64; BUCKETS_MS.len() + 1],
    time: Duration,
}

impl AgentMetrics {
    /// A sink that counts every event and passes it on.
    pub fn before(&self, sink: Sink) -> Sink {
        let metrics = self.clone();
        Arc::new(move |event| {
            metrics.hear(&event);
            sink(event);
        })
    }

    fn handlers(&self) -> MutexGuard<'_, BTreeMap<String, Ended>> {
        self.0.lock().expect("numbers only: nothing panics while they are held")
    }

    fn hear(&self, event: &AgentEvent) {
        let AgentEvent::Handler { handler, outcome, took, .. } = event else { return };
        let mut handlers = self.handlers();
        let name = handler.to_string();
        let name = if handlers.contains_key(&name) || handlers.len() < MOST_NAMES { name } else { OTHER.to_owned() };
        let ended = handlers.entry(name).or_default();
        *ended.by_outcome.entry(word(outcome)).or_default() += 1;
        let bucket = BUCKETS_MS.iter().position(|end| *took <= Duration::from_millis(*end)).unwrap_or(BUCKETS_MS.len());
        ended.buckets[bucket] += 1;
        ended.time += *took;
    }

    /// All numbers as Prometheus reads them.
    pub fn text(&self, status: &AgentStatus) -> String {
        let mut text = MetricsText::new("iotplay_agent");
        text.gauge("devices", "Devices that run.", status.devices);
        text.gauge("connections", "Devices that are connected.", status.connected);
        text.gauge("handlers_running", "Handlers that run now.", status.running);
        text.gauge("outbox_waiting", "Replies, reports and messages that wait for a connection.", status.waiting);
        text.gauge("scripts_broken", "1 when the scripts on disk do not load.", u8::from(status.broken));
        let connections = [
            ("outcome=\"connected\"", status.connects),
            ("outcome=\"disconnected\"", status.disconnects),
            ("outcome=\"refused\"", status.refusals),
        ];
        text.counter("connections_total", "Connections by what became of them.", &connections);
        let again = status.connects.saturating_sub(status.devices.min(status.connects));
        text.counter("reconnects_total", "Connections after a device's first one.", &[("", again)]);
        text.counter("calls_total", "Method calls that arrived.", &[("", status.calls)]);
        let replies = [
            ("outcome=\"sent\"", status.replies),
            ("outcome=\"dropped\"", status.replies_dropped),
            ("outcome=\"twice\"", status.replies_twice),
        ];
        text.counter("replies_total", "Answers to method calls by what became of them.", &replies);
        let reports = [("outcome=\"taken\"", status.reports), ("outcome=\"refused\"", status.reports_refused)];
        text.counter("reported_patches_total", "Reported patches by the hub's answer.", &reports);
        text.counter("messages_total", "Messages that the hub took.", &[("", status.messages)]);
        text.counter("script_reloads_total", "Reloads of the scripts that went well.", &[("", status.reloads)]);
        text.counter("faults_shown_total", "Seeded faults that were shown.", &[("", status.faults)]);
        self.ended(&mut text);
        text.done()
    }

    fn ended(&self, text: &mut MetricsText) {
        let handlers = self.handlers().clone();
        text.head("handlers_total", "counter", "Handlers, hooks and timers that ended, by outcome.");
        for (name, ended) in &handlers {
            let label = MetricsText::label("handler", name);
            for (outcome, count) in &ended.by_outcome {
                text.value("handlers_total", &format!("{label},outcome=\"{outcome}\""), count);
            }
        }
        text.head("handler_seconds", "histogram", "How long they took, waiting included.");
        for (name, ended) in &handlers {
            let label = MetricsText::label("handler", name);
            text.histogram("handler_seconds", &label, &BUCKETS_MS, &ended.buckets, ended.time.as_secs_f64());
        }
    }
}

fn word(outcome: &HandlerOutcome) -> &'static str {
    match outcome {
        HandlerOutcome::Answered(200..300) | HandlerOutcome::Done => "ok",
        HandlerOutcome::Answered(_) => "refused",
        HandlerOutcome::Failed { .. } => "failed",
        HandlerOutcome::FailedLate { .. } => "failed_late",
        HandlerOutcome::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::HandlerName;

    #[test]
    fn handlers_are_counted_by_name_and_outcome_and_names_are_bounded() {
        let metrics = AgentMetrics::default();
        let sink = metrics.before(Arc::new(|_| {}));
        let ended = |name: &str, status: i32| AgentEvent::Handler {
            device: "d".parse().unwrap(),
            handler: HandlerName::Method(name.into()),
            outcome: HandlerOutcome::Answered(status),
            took: Duration::from_millis(3),
        };
        sink(ended("ping", 200));
        sink(ended("ping", 409));
        (0..2 * MOST_NAMES).for_each(|number| sink(ended(&format!("m{number}"), 200)));
        let text = metrics.text(&AgentStatus { connected: 1, broken: true, ..AgentStatus::default() });
        for line in [
            "iotplay_agent_connections 1",
            "iotplay_agent_scripts_broken 1",
            r#"iotplay_agent_handlers_total{handler="ping",outcome="refused"} 1"#,
            r#"iotplay_agent_handler_seconds_bucket{handler="ping",le="0.001"} 0"#,
            r#"iotplay_agent_handler_seconds_count{handler="ping"} 2"#,
        ] {
            assert!(text.lines().any(|said| said == line), "{line}: {text}");
        }
        let named = text.lines().filter(|line| line.starts_with("iotplay_agent_handler_seconds_count")).count();
        assert_eq!(named, MOST_NAMES + 1, "all others are one");
    }
}
