//! Writes single figures in the form that the encoder wants.

use std::fmt::Result;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::shard::{DURATION_BUCKETS_MICROS, Histogram};

pub(super) const GAUGE: MetricType = MetricType::Gauge;
pub(super) const COUNTER: MetricType = MetricType::Counter;
pub(super) const HISTOGRAM: MetricType = MetricType::Histogram;

/// What is written on.
pub(super) struct Sheet<'a, 'e> {
    pub(super) encoder: &'a mut DescriptorEncoder<'e>,
}

impl Sheet<'_, '_> {
    pub(super) fn family(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        fill: impl FnOnce(&mut MetricEncoder<'_>) -> Result,
    ) -> Result {
        let mut metric = self.encoder.encode_descriptor(name, help, None, kind)?;
        fill(&mut metric)
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: u64) -> Result {
        self.family(name, help, GAUGE, |metric| metric.encode_gauge(&value))
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> Result {
        self.family(name, help, COUNTER, |metric| {
            metric.encode_counter::<NoLabelSet, u64, u64>(&value, None)
        })
    }
}

pub(super) type Label<'a> = (&'a str, &'a str);

pub(super) fn gauge(metric: &mut MetricEncoder<'_>, labels: &[Label<'_>], value: u64) -> Result {
    metric.encode_family(&labels)?.encode_gauge(&value)
}

pub(super) fn counter(metric: &mut MetricEncoder<'_>, labels: &[Label<'_>], value: u64) -> Result {
    metric
        .encode_family(&labels)?
        .encode_counter::<NoLabelSet, u64, u64>(&value, None)
}

pub(super) fn seconds(metric: &mut MetricEncoder<'_>, of: &Histogram) -> Result {
    let bounds = DURATION_BUCKETS_MICROS.map(|micros| micros as f64 / 1e6);
    histogram(metric, of, bounds, of.sum() as f64 / 1e6)
}

pub(super) fn histogram(
    metric: &mut MetricEncoder<'_>,
    of: &Histogram,
    bounds: [f64; 16],
    sum: f64,
) -> Result {
    let mut buckets: Vec<(f64, u64)> = bounds.into_iter().zip(of.buckets()).collect();
    let below: u64 = buckets.iter().map(|(_, count)| count).sum();
    // Read after the buckets, so never less than their sum.
    let count = of.count().max(below);
    buckets.push((f64::MAX, count - below));
    metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}
