//! Families: metrics of one name, written one after the other.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::Form;

/// Where they are written.
pub(super) struct Families<'a> {
    pub to: DescriptorEncoder<'a>,
    pub form: Form,
}

impl Families<'_> {
    pub fn info<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: &[(&str, &str); N],
    ) -> fmt::Result {
        self.to.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(labels)
    }

    pub fn counter(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let mut to = self.to.encode_descriptor(name, help, None, MetricType::Counter)?;
        to.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    pub fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.to.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// Counters with labels.
    pub fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        all: &[([(&str, &str); N], f64)],
    ) -> fmt::Result {
        let mut to = self.to.encode_descriptor(name, help, None, MetricType::Counter)?;
        all.iter().try_for_each(|(labels, value)| {
            to.encode_family(labels)?.encode_counter::<NoLabelSet, _, f64>(value, None)
        })
    }

    /// Gauges with labels.
    pub fn gauges<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        all: &[([(&str, &str); N], f64)],
    ) -> fmt::Result {
        let mut to = self.to.encode_descriptor(name, help, None, MetricType::Gauge)?;
        all.iter().try_for_each(|(labels, value)| to.encode_family(labels)?.encode_gauge(value))
    }

    /// A histogram: how many there are in each bucket, by its upper bound, and beyond the last.
    pub fn histogram(
        &mut self,
        name: &str,
        help: &str,
        buckets: &[(f64, u64)],
        count: u64,
        sum: f64,
    ) -> fmt::Result {
        let beyond = count - buckets.iter().map(|(_, count)| count).sum::<u64>();
        // The writer of Prometheus' text adds the last bucket by itself.
        let last = (self.form == Form::OpenMetrics).then_some((f64::MAX, beyond));
        let buckets: Vec<(f64, u64)> = buckets.iter().copied().chain(last).collect();
        let mut to = self.to.encode_descriptor(name, help, None, MetricType::Histogram)?;
        to.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    /// A histogram of values as they are now.
    pub fn histogram_of(
        &mut self,
        name: &str,
        help: &str,
        bounds: &[f64],
        values: impl Iterator<Item = f64>,
    ) -> fmt::Result {
        let mut buckets: Vec<(f64, u64)> = bounds.iter().map(|bound| (*bound, 0)).collect();
        let (mut count, mut sum) = (0, 0.0);
        for value in values {
            (count, sum) = (count + 1, sum + value);
            if let Some((_, in_bucket)) = buckets.iter_mut().find(|(bound, _)| value <= *bound) {
                *in_bucket += 1;
            }
        }
        self.histogram(name, help, &buckets, count, sum)
    }
}
