//! Logs and traces: the one place that installs subscribers. Logs go to the standard error output, as lines for people
//! or as JSON; traces go to an OTLP collector over HTTP when one is set, and nowhere otherwise.
//!
//! Knows what a request's span looks like. Knows no route and no handler.

mod clients;

use crate::config::Settings;
use actix_web::http::header::HeaderMap;
use clients::NotClientsFaults;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, trace::TraceContextExt};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use std::io::IsTerminal;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::{FilterExt, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// The header that names a request, in requests and responses.
pub const REQUEST_ID: &str = "x-request-id";
/// How long one export may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a shutdown waits for the last spans to leave.
const LAST_SPANS_PATIENCE: Duration = Duration::from_secs(1);

/// Whether this process sends traces: what only they need is not worked out without them.
static TRACES: AtomicBool = AtomicBool::new(false);

type AnyLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// What runs beside the server to send traces; nothing unless a collector is set.
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Installs logs, and traces where a collector is set. A second call (tests) keeps the first subscriber.
    ///
    /// # Errors
    /// What the exporter has against its settings.
    pub fn start(settings: &Settings) -> Result<Self, String> {
        let provider = settings.trace.endpoint.as_deref().map(|endpoint| provider(settings, endpoint));
        let provider = provider.transpose()?;
        let spans = provider.as_ref().map(|provider| trace_layer(provider.tracer("flash-promos")));
        let layers: Vec<AnyLayer> = [log_layer(settings)].into_iter().chain(spans).collect();
        let _already = tracing_subscriber::registry().with(layers).try_init();
        TRACES.store(provider.is_some(), Relaxed);
        Ok(Self { provider })
    }

    /// Sends what waits and ends the exporter, within a second.
    pub async fn finish(self) {
        let Some(provider) = self.provider else { return };
        // The exporter blocks, and its runtime must not end inside of this one.
        let done = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(LAST_SPANS_PATIENCE));
        if let Ok(Ok(Err(error))) = tokio::time::timeout(LAST_SPANS_PATIENCE, done).await {
            tracing::warn!(%error, "the last spans were lost");
        }
    }
}

/// Installs logs only: for commands that end by themselves.
pub fn start_logs(settings: &Settings) {
    let _already = tracing_subscriber::registry().with(log_layer(settings)).try_init();
}

fn log_layer(settings: &Settings) -> AnyLayer {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let filter = EnvFilter::new(&settings.log).and(NotClientsFaults);
    if settings.log_json {
        // The spans' fields, request ids among them, are in `spans`.
        lines.json().flatten_event(true).with_current_span(false).with_filter(filter).boxed()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).with_filter(filter).boxed()
    }
}

/// Our own spans down to `debug`, whatever the log shows.
fn trace_layer(tracer: SdkTracer) -> AnyLayer {
    let ours = Targets::new()
        .with_target("flash_promos", LevelFilter::DEBUG)
        .with_target("flash_actors", LevelFilter::DEBUG);
    tracing_opentelemetry::layer().with_tracer(tracer).with_filter(ours).boxed()
}

fn provider(settings: &Settings, endpoint: &str) -> Result<SdkTracerProvider, String> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|error| format!("FLASH_OTLP_ENDPOINT: {error}"))?;
    let resource = Resource::builder()
        .with_service_name("flash-promos")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        // By the trace's id only: what a client says about sampling is not trusted, or anybody could fill the collector.
        .with_sampler(Sampler::TraceIdRatioBased(settings.trace.ratio))
        .with_resource(resource)
        .build())
}

/// The span of one request. Every line logged inside carries the request's id; with traces on it continues the caller's
/// trace, if there is one.
pub fn request_span(method: &str, headers: &HeaderMap, id: &str) -> Span {
    let span = tracing::info_span!(
        "request",
        request_id = id,
        otel.kind = "server",
        http.request.method = method,
        http.route = tracing::field::Empty,
        http.response.status_code = tracing::field::Empty,
    );
    if TRACES.load(Relaxed) && headers.contains_key("traceparent") {
        let parent = TraceContextPropagator::new().extract(&Headers(headers));
        if parent.span().span_context().is_valid() {
            // Refused where the span is not one of a trace, which is fine.
            let _untraced = span.set_parent(parent);
        }
    }
    span
}

/// Completes a request's span with what is known at its end.
pub fn answered(span: &Span, method: &str, route: impl FnOnce() -> Option<String>, status: u16) {
    if !TRACES.load(Relaxed) {
        return;
    }
    span.record("http.response.status_code", status);
    if let Some(route) = route() {
        span.record("http.route", &route);
        // A field `otel.name` counts only before the span is entered, and the route is known only after.
        span.context().span().update_name(format!("{method} {route}"));
    }
    if status >= 500 {
        span.set_status(opentelemetry::trace::Status::error(""));
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}
