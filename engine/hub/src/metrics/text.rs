//! Prometheus's text form, version 0.0.4. No device has a label of its own: a fleet would be a hundred thousand time series.

use net::metrics::MetricsText;

use super::calls::BUCKETS_MS;
use super::status::Watched;

impl Watched {
    /// Everything that the hub counts.
    pub(crate) fn text(&self) -> String {
        let (metrics, gauges) = (&*self.metrics, self.gauges());
        let mut text = MetricsText::new("iotplay_hub");
        text.gauge("connections", "Devices and modules that are connected.", gauges.connections);
        text.gauge("devices", "Devices that are registered.", gauges.devices);
        text.gauge("devices_disabled", "Devices that may not connect.", gauges.disabled);
        text.gauge("messages_kept", "Messages of devices that are kept.", gauges.kept);
        text.gauge("messages_waiting", "Cloud-to-device messages that wait for their devices.", gauges.waiting);
        text.gauge("feedback_waiting", "Feedback that nobody has read.", gauges.feedback);
        text.gauge("uploads_pending", "Uploads of files that are under way.", gauges.uploads);
        text.gauge("files", "Files that devices have uploaded and that are kept.", gauges.files);
        text.gauge("file_blocks", "Blocks of files that wait for their list.", gauges.blocks);
        let bytes = usize::try_from(gauges.file_bytes).unwrap_or(usize::MAX);
        text.gauge("file_bytes", "Bytes of files and blocks.", bytes);
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
        let uploads = [
            ("outcome=\"completed\"", metrics.uploads_completed.get()),
            ("outcome=\"failed\"", metrics.uploads_failed.get()),
            ("outcome=\"expired\"", metrics.uploads_expired.get()),
        ];
        text.counter("uploads_total", "Uploads of files by what became of them.", &uploads);
        text.counter("uploaded_bytes_total", "Bytes of the completed ones.", &[("", metrics.uploaded_bytes.get())]);
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
        text.done()
    }

    fn calls(&self, text: &mut MetricsText) {
        let calls = self.metrics.calls();
        text.head("calls_total", "counter", "REST calls by operation and status.");
        for (name, ended) in &calls {
            for (status, count) in &ended.by_status {
                text.value("calls_total", &format!("operation=\"{name}\",status=\"{status}\""), count);
            }
        }
        text.head("call_seconds", "histogram", "How long REST calls took.");
        for (name, ended) in &calls {
            let labels = format!("operation=\"{name}\"");
            text.histogram("call_seconds", &labels, &BUCKETS_MS, &ended.buckets, ended.time.as_secs_f64());
        }
    }
}
