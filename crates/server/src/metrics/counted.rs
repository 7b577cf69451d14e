//! Metrics that are put together when they are asked for.

use std::collections::BTreeMap;

use flow::counters::Family;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Unit;

/// Labels of one value.
pub(super) type Labels = Vec<(&'static str, String)>;

/// A metric with its values at this moment.
struct Metric {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    kind: MetricType,
    values: Vec<(Labels, f64)>,
}

/// Metrics that are put together when they are asked for.
#[derive(Default)]
pub(super) struct Counted(Vec<Metric>);

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Counted").field(&self.0.len()).finish()
    }
}

impl Counted {
    pub(super) fn add(
        &mut self,
        kind: MetricType,
        name: &'static str,
        help: &'static str,
        values: Vec<(Labels, f64)>,
    ) {
        self.0.push(Metric { name, help, unit: None, kind, values });
    }

    pub(super) fn counter(&mut self, name: &'static str, help: &'static str, value: f64) {
        self.add(MetricType::Counter, name, help, vec![(Vec::new(), value)]);
    }

    pub(super) fn gauge(&mut self, name: &'static str, help: &'static str, value: f64) {
        self.add(MetricType::Gauge, name, help, vec![(Vec::new(), value)]);
    }

    pub(super) fn family(
        &mut self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        of: &Family,
    ) {
        let values = of.all().into_iter().map(|(name, count)| (vec![(label, name)], count as f64));
        self.add(MetricType::Counter, name, help, values.collect());
    }

    /// Says that the last metric counts seconds.
    pub(super) fn seconds(&mut self) {
        if let Some(last) = self.0.last_mut() {
            last.unit = Some(Unit::Seconds);
        }
    }
}

impl Collector for Counted {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for metric in &self.0 {
            let values = Values { kind: metric.kind, values: &metric.values };
            let encoder =
                encoder.encode_descriptor(metric.name, metric.help, metric.unit.as_ref(), metric.kind)?;
            values.encode(encoder)?;
        }
        Ok(())
    }
}

/// The values of one metric.
struct Values<'a> {
    kind: MetricType,
    values: &'a [(Labels, f64)],
}

impl Values<'_> {
    fn one(&self, value: f64, encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        match self.kind {
            MetricType::Counter => ConstCounter::new(value).encode(encoder),
            _ => ConstGauge::new(value).encode(encoder),
        }
    }
}

impl TypedMetric for Values<'_> {
    const TYPE: MetricType = MetricType::Unknown;
}

impl EncodeMetric for Values<'_> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        // one set of labels, one line
        let lines: BTreeMap<Vec<(&str, &str)>, f64> = self
            .values
            .iter()
            .map(|(labels, value)| {
                (labels.iter().map(|(name, text)| (*name, text.as_str())).collect(), *value)
            })
            .collect();
        for (labels, value) in lines {
            if labels.is_empty() {
                return self.one(value, encoder);
            }
            self.one(value, encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        self.kind
    }
}
