//! Counts of requests.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

/// Bounds of the histogram of requests, in seconds.
const BOUNDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Counts of requests.
#[derive(Clone)]
pub struct Http {
    pub(crate) requests: Family<Request, Counter>,
    pub(crate) seconds: Family<Route, Histogram, fn() -> Histogram>,
}

impl Default for Http {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BOUNDS);
        Http { requests: Family::default(), seconds: Family::new_with_constructor(histogram) }
    }
}

impl Http {
    /// Counts a request that was answered.
    pub fn count(&self, route: &Arc<str>, method: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&Request { route: route.clone(), method, status }).inc();
        self.seconds.get_or_create(&Route(route.clone())).observe(took.as_secs_f64());
    }
}

/// What requests are counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Request {
    route: Arc<str>,
    method: &'static str,
    status: u16,
}

impl EncodeLabelSet for Request {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        let status = self.status.to_string();
        [("route", &*self.route), ("method", self.method), ("status", &status)].encode(encoder)
    }
}

/// What the time that requests took is counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Route(Arc<str>);

impl EncodeLabelSet for Route {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        [("route", &*self.0)].encode(encoder)
    }
}
