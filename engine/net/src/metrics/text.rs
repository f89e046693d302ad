//! Prometheus's text form, version 0.0.4. Names and labels are the program's own, but for label values that [`MetricsText::label`] has quoted.

use std::fmt::Write as _;

/// A text that grows by metrics.
#[derive(Debug)]
pub struct MetricsText {
    prefix: &'static str,
    text: String,
}

impl MetricsText {
    /// An empty text; every name in it begins so.
    pub fn new(prefix: &'static str) -> Self {
        Self { prefix, text: String::new() }
    }

    /// The whole text.
    pub fn done(self) -> String {
        self.text
    }

    /// What a metric is.
    pub fn head(&mut self, name: &str, kind: &str, help: &str) {
        let prefix = self.prefix;
        let _ = write!(self.text, "# HELP {prefix}_{name} {help}\n# TYPE {prefix}_{name} {kind}\n");
    }

    /// One value of it.
    pub fn value(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let prefix = self.prefix;
        let _ = if labels.is_empty() {
            writeln!(self.text, "{prefix}_{name} {value}")
        } else {
            writeln!(self.text, "{prefix}_{name}{{{labels}}} {value}")
        };
    }

    /// A number that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, "gauge", help);
        self.value(name, "", value);
    }

    /// Numbers that only grow, by their labels.
    pub fn counter(&mut self, name: &str, help: &str, values: &[(&str, u64)]) {
        self.head(name, "counter", help);
        for (labels, value) in values {
            self.value(name, labels, value);
        }
    }

    /// A histogram's lines for one set of labels; `buckets` counts each range by itself, the last one what is above all ends.
    pub fn histogram(&mut self, name: &str, labels: &str, ends_ms: &[u64], buckets: &[u64], seconds: f64) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut below = 0;
        for (end, count) in ends_ms.iter().zip(buckets) {
            below += count;
            let end = *end as f64 / 1_000.0;
            self.value(&format!("{name}_bucket"), &format!("{labels}{comma}le=\"{end}\""), below);
        }
        let all: u64 = buckets.iter().sum();
        self.value(&format!("{name}_bucket"), &format!("{labels}{comma}le=\"+Inf\""), all);
        self.value(&format!("{name}_sum"), labels, seconds);
        self.value(&format!("{name}_count"), labels, all);
    }

    /// A label whose value may hold anything.
    pub fn label(name: &str, value: &str) -> String {
        format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_adds_up_and_labels_are_quoted() {
        let mut text = MetricsText::new("x");
        text.histogram("seconds", &MetricsText::label("method", "a\"b"), &[10, 100], &[1, 2, 4], 1.5);
        let said = text.done();
        let expected = [
            r#"x_seconds_bucket{method="a\"b",le="0.01"} 1"#,
            r#"x_seconds_bucket{method="a\"b",le="0.1"} 3"#,
            r#"x_seconds_bucket{method="a\"b",le="+Inf"} 7"#,
            r#"x_seconds_sum{method="a\"b"} 1.5"#,
            r#"x_seconds_count{method="a\"b"} 7"#,
        ];
        assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    }
}
