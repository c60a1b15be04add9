//! The text format of Prometheus.

use std::fmt::{Display, Write as _};

use super::histogram::Histogram;

/// What the name of each metric begins with.
const PREFIX: &str = "aliyun_eni_ipam_";

/// A text in the making.
#[derive(Default)]
pub(super) struct Text(String);

/// The samples of one metric.
pub(super) struct Samples<'t> {
    text: &'t mut String,
    name: &'static str,
}

impl Text {
    /// Begins a metric whose value goes up and down.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str) -> Samples<'_> {
        self.metric(name, "gauge", help)
    }

    /// Begins a metric whose value only grows.
    pub(super) fn counter(&mut self, name: &'static str, help: &str) -> Samples<'_> {
        self.metric(name, "counter", help)
    }

    /// Begins a metric of durations.
    pub(super) fn histogram(&mut self, name: &'static str, help: &str) -> Samples<'_> {
        self.metric(name, "histogram", help)
    }

    fn metric(&mut self, name: &'static str, kind: &str, help: &str) -> Samples<'_> {
        let _ = write!(self.0, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}\n");
        Samples { text: &mut self.0, name }
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

impl Samples<'_> {
    /// Adds a value with these labels.
    pub(super) fn add(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.sample("", labels, value);
    }

    /// Adds a histogram with these labels.
    pub(super) fn add_histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        for (bound, count) in histogram.cumulated() {
            self.sample("_bucket", &[labels, &[("le", bound)]].concat(), count);
        }
        self.sample("_sum", labels, histogram.seconds());
        self.sample("_count", labels, histogram.count());
    }

    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "{PREFIX}{}{suffix}", self.name);
        let mut separator = '{';
        for (name, value) in labels {
            // Values are ids and words: nothing in them need be escaped.
            let _ = write!(self.text, "{separator}{name}=\"{value}\"");
            separator = ',';
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}
