//! Traces on their way out: the flow's spans, in OpenTelemetry's protocol over HTTP.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use async_trait::async_trait;
use bytes::Bytes;
use config::{TraceEncoding, Traces};
use flow::Hub;
use flow::trace::{Span, first_span_id, trace_id};
use model::{Id, Time};
use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _, SpanLinks};
use sdk::http::{Http, Outgoing};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Spans in one request at the most.
const MAX_BATCH: usize = 512;
/// How long the first span of a batch waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// How long one request may take.
const EXPORT_LIMIT: Duration = Duration::from_secs(10);
/// How long all that is left may take at the end.
const LAST_LIMIT: Duration = Duration::from_secs(2);

/// The task that carries spans out.
pub struct Carrier {
    end: CancellationToken,
    task: JoinHandle<()>,
}

/// Begins to carry spans to a collector, if there is one.
#[expect(
    clippy::disallowed_methods,
    reason = "it outlives the hub, whose last spans it carries, and is waited for"
)]
pub fn start(section: &Traces, hub: &Hub, http: Http) -> Result<Option<Carrier>> {
    if section.endpoint.is_empty() {
        return Ok(None);
    }
    let exporter = exporter(section, http).context("setting up traces")?;
    let spans = hub.core.traces.start(section.sample).context("traces are taken away already")?;
    let end = CancellationToken::new();
    let task = tokio::spawn(carry(exporter, spans, end.clone()));
    Ok(Some(Carrier { end, task }))
}

impl Carrier {
    /// Carries out what is left, within a limit.
    pub async fn finish(self) {
        self.end.cancel();
        if tokio::time::timeout(LAST_LIMIT, self.task).await.is_err() {
            tracing::warn!("the last spans of traces were not taken in time");
        }
    }
}

fn exporter(section: &Traces, http: Http) -> Result<SpanExporter> {
    let headers = section.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
    let protocol = match section.encoding {
        TraceEncoding::Protobuf => Protocol::HttpBinary,
        TraceEncoding::Json => Protocol::HttpJson,
    };
    let builder = SpanExporter::builder().with_http().with_http_client(WayOut(http));
    let builder = builder.with_headers(headers.collect::<HashMap<_, _>>()).with_protocol(protocol);
    let endpoint = format!("{}/v1/traces", section.endpoint);
    let mut exporter = builder.with_endpoint(endpoint).with_timeout(EXPORT_LIMIT).build()?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    exporter.set_resource(
        &Resource::builder_empty().with_service_name("nightbell").with_attribute(version).build(),
    );
    Ok(exporter)
}

async fn carry(exporter: SpanExporter, mut spans: mpsc::Receiver<Span>, end: CancellationToken) {
    let mut failing = false;
    let mut ends = false;
    while !ends && !spans.is_closed() {
        let mut batch = Vec::new();
        tokio::select! {
            _ = gather(&mut spans, &mut batch) => {}
            () = end.cancelled() => {}
        }
        ends = end.is_cancelled();
        while ends && let Ok(span) = spans.try_recv() {
            batch.push(span);
        }
        while !batch.is_empty() {
            let rest = batch.split_off(batch.len().min(MAX_BATCH));
            failing = export(&exporter, std::mem::replace(&mut batch, rest), failing).await;
        }
    }
}

/// Waits for a span, and some time for others.
async fn gather(spans: &mut mpsc::Receiver<Span>, batch: &mut Vec<Span>) {
    spans.recv_many(batch, MAX_BATCH).await;
    let more = async { while batch.len() < MAX_BATCH && spans.recv_many(batch, MAX_BATCH).await > 0 {} };
    // whether it is full or the time is over is the same
    let _ = tokio::time::timeout(LINGER, more).await;
}

/// Sends spans; says whether they were not taken, in the log only when that is new.
async fn export(exporter: &SpanExporter, spans: Vec<Span>, was_failing: bool) -> bool {
    let batch: Vec<SpanData> = spans.into_iter().filter_map(data).collect();
    let count = batch.len();
    match exporter.export(batch).await {
        Err(error) => {
            if !was_failing {
                tracing::warn!(%error, count, "spans of traces were not taken, and are not kept");
            }
            true
        }
        Ok(()) => {
            if was_failing {
                tracing::info!("spans of traces are taken again");
            }
            false
        }
    }
}

/// A span as the protocol has it; nothing when it is about nothing.
fn data(span: Span) -> Option<SpanData> {
    let (of, others) = span.about.split_first()?;
    let id = if span.is_first { first_span_id(*of) } else { rand::random() };
    let context = |trace: u128, id: u64| {
        let (trace, id) = (TraceId::from_bytes(trace.to_be_bytes()), SpanId::from_bytes(id.to_be_bytes()));
        SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::NONE)
    };
    let link = |other: &Id| Link::new(context(trace_id(*other), first_span_id(*other)), Vec::new(), 0);
    let mut links = SpanLinks::default();
    links.links = others.iter().map(link).collect();
    let parent = if span.is_first { 0 } else { first_span_id(*of) };
    Some(SpanData {
        span_context: context(trace_id(*of), id),
        parent_span_id: SpanId::from_bytes(u64::to_be_bytes(parent)),
        parent_span_is_remote: false,
        span_kind: if span.is_call { SpanKind::Client } else { SpanKind::Internal },
        name: span.name.into(),
        start_time: moment(span.began),
        end_time: moment(span.ended),
        attributes: span.attributes.into_iter().map(|(name, value)| KeyValue::new(name, value)).collect(),
        dropped_attributes_count: 0,
        events: Default::default(),
        links,
        status: span.fault.map_or(Status::Unset, Status::error),
        instrumentation_scope: InstrumentationScope::builder("nightbell").build(),
    })
}

fn moment(time: Time) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(time.0.unsigned_abs())
}

/// The guarded way out, as the protocol's library wants it.
struct WayOut(Http);

impl fmt::Debug for WayOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WayOut")
    }
}

#[async_trait]
impl HttpClient for WayOut {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let url = head.uri.to_string();
        let mut headers = Vec::new();
        for (name, value) in &head.headers {
            headers.push((name.as_str(), value.to_str()?.to_owned()));
        }
        let outgoing = Outgoing { url: &url, method: head.method, headers, body, timeout: EXPORT_LIMIT };
        let answer = self.0.send(outgoing).await?;
        let mut response = Response::builder().status(answer.status);
        for (name, value) in answer.headers {
            response = response.header(name, value);
        }
        Ok(response.body(answer.body)?)
    }
}
