//! Prometheus's text form, version 0.0.4. No device has a label of its own: a fleet would be a hundred thousand time series.

use std::fmt::Write as _;

use super::calls::BUCKETS_MS;
use super::status::Watched;

/// What every name begins with.
const PREFIX: &str = "iotplay_hub";

/// A text that grows by metrics. Names and labels are the hub's own: nothing needs escaping.
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {PREFIX}_{name} {help}\n# TYPE {PREFIX}_{name} {kind}\n");
    }

    fn value(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = if labels.is_empty() {
            writeln!(self.0, "{PREFIX}_{name} {value}")
        } else {
            writeln!(self.0, "{PREFIX}_{name}{{{labels}}} {value}")
        };
    }

    fn gauge(&mut self, name: &str, help: &str, value: usize) {
        self.head(name, "gauge", help);
        self.value(name, "", value);
    }

    fn counter(&mut self, name: &str, help: &str, values: &[(&str, u64)]) {
        self.head(name, "counter", help);
        for (labels, value) in values {
            self.value(name, labels, value);
        }
    }
}

impl Watched {
    /// Everything that the hub counts.
    pub(super) fn text(&self) -> String {
        let (metrics, gauges) = (&*self.metrics, self.gauges());
        let mut text = Text(String::new());
        text.gauge("connections", "Devices and modules that are connected.", gauges.connections);
        text.gauge("devices", "Devices that are registered.", gauges.devices);
        text.gauge("devices_disabled", "Devices that may not connect.", gauges.disabled);
        text.gauge("messages_kept", "Messages of devices that are kept.", gauges.kept);
        text.gauge("messages_waiting", "Cloud-to-device messages that wait for their devices.", gauges.waiting);
        text.gauge("feedback_waiting", "Feedback that nobody has read.", gauges.feedback);
        let seconds = usize::try_from(metrics.uptime().as_secs()).unwrap_or(usize::MAX);
        text.gauge("uptime_seconds", "How long the hub has run.", seconds);
        let connections = [
            ("outcome=\"connected\"", metrics.connected.get()),
            ("outcome=\"disconnected\"", metrics.disconnected.get()),
            ("outcome=\"refused\"", metrics.refused.get()),
        ];
        text.counter("connections_total", "Connections of devices by what became of them.", &connections);
        text.counter("messages_total", "Messages that devices sent.", &[("", metrics.messages.get())]);
        text.counter("message_bytes_total", "Bytes of their bodies.", &[("", metrics.message_bytes.get())]);
        let failed = metrics.methods_failed.get();
        let methods =
            [("outcome=\"answered\"", metrics.methods.get().saturating_sub(failed)), ("outcome=\"failed\"", failed)];
        text.counter("methods_total", "Method calls by whether the device answered.", &methods);
        let throttled = [
            ("who=\"device\"", metrics.devices_throttled.get()),
            ("who=\"service\"", metrics.services_throttled.get()),
        ];
        text.counter("throttled_total", "What was refused for the hub's limits.", &throttled);
        text.gauge("faults", "Faults that were asked for and are not over.", gauges.faults);
        text.head("faults_shown_total", "counter", "How often faults that were asked for have shown, by kind.");
        for (kind, count) in metrics.faults() {
            text.value("faults_shown_total", &format!("kind=\"{kind}\""), count);
        }
        text.counter("store_commits_total", "Groups of changes brought to the disk.", &[("", gauges.commits)]);
        text.counter("store_changes_total", "Changes brought to the disk.", &[("", gauges.changes)]);
        text.counter("store_failures_total", "Groups of changes that the disk refused.", &[("", gauges.failures)]);
        self.calls(&mut text);
        text.0
    }

    fn calls(&self, text: &mut Text) {
        let calls = self.metrics.calls();
        text.head("calls_total", "counter", "REST calls by operation and status.");
        for (name, ended) in &calls {
            for (status, count) in &ended.by_status {
                text.value("calls_total", &format!("operation=\"{name}\",status=\"{status}\""), count);
            }
        }
        text.head("call_seconds", "histogram", "How long REST calls took.");
        for (name, ended) in &calls {
            let mut below = 0;
            for (end, count) in BUCKETS_MS.iter().zip(ended.buckets) {
                below += count;
                let end = *end as f64 / 1_000.0;
                text.value("call_seconds_bucket", &format!("operation=\"{name}\",le=\"{end}\""), below);
            }
            let all: u64 = ended.buckets.iter().sum();
            text.value("call_seconds_bucket", &format!("operation=\"{name}\",le=\"+Inf\""), all);
            text.value("call_seconds_sum", &format!("operation=\"{name}\""), ended.time.as_secs_f64());
            text.value("call_seconds_count", &format!("operation=\"{name}\""), all);
        }
    }
}
