//! Numbers for Prometheus. Latencies are histograms in seconds; names end in their unit.

use flash_actors::engine::EngineObservation;
use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};
use std::sync::Mutex;
use std::time::Duration;

/// What writes further lines when metrics are rendered.
pub type Extra = Box<dyn Fn(&mut Vec<(&'static str, &'static str, u64)>) + Send + Sync>;

/// The server's numbers.
pub struct Metrics {
    registry: Registry,
    claim_seconds: Histogram,
    claims_accepted: IntCounter,
    claims_refused: IntCounter,
    responses: IntCounterVec,
    by_class: [IntCounter; 6],
    up: IntGauge,
    extra: Mutex<Vec<Extra>>,
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// A name that is taken or malformed: a defect.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let claim_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "flash_claim_duration_seconds",
                "From a claim's decision being asked for to its durable answer",
            )
            .buckets(vec![0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]),
        )?;
        let claims = IntCounterVec::new(Opts::new("flash_claims_total", "Claims by outcome"), &["outcome"])?;
        let responses = IntCounterVec::new(
            Opts::new("flash_http_responses_total", "Responses by class of status"),
            &["class"],
        )?;
        let up = IntGauge::new("flash_up", "1 while the process serves")?;
        registry.register(Box::new(claim_seconds.clone()))?;
        registry.register(Box::new(claims.clone()))?;
        registry.register(Box::new(responses.clone()))?;
        registry.register(Box::new(up.clone()))?;
        up.set(1);
        let class = |name: &str| responses.with_label_values(&[name]);
        Ok(Self {
            registry,
            claim_seconds,
            claims_accepted: claims.with_label_values(&["accepted"]),
            claims_refused: claims.with_label_values(&["refused"]),
            by_class: [class("0xx"), class("1xx"), class("2xx"), class("3xx"), class("4xx"), class("5xx")],
            responses,
            up,
            extra: Mutex::default(),
        })
    }

    /// Adds lines from elsewhere: (name, help, value) of counters.
    pub fn also(&self, extra: Extra) {
        self.extra.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(extra);
    }

    /// Counts a claim.
    pub fn claim(&self, accepted: bool, took: Duration) {
        if accepted {
            self.claims_accepted.inc();
            self.claim_seconds.observe(took.as_secs_f64());
        } else {
            self.claims_refused.inc();
        }
    }

    /// Counts a response.
    pub fn response(&self, status: u16) {
        if let Some(counter) = self.by_class.get(usize::from(status / 100)) {
            counter.inc();
        }
    }

    /// Everything in Prometheus' text format.
    pub fn render(&self, engine: &EngineObservation) -> String {
        let _registered = (&self.responses, &self.up);
        let mut buffer = Vec::new();
        if TextEncoder::new().encode(&self.registry.gather(), &mut buffer).is_err() {
            return String::new();
        }
        let mut text = String::from_utf8(buffer).unwrap_or_default();
        let mut lines = vec![
            ("flash_ready", "1 when every promotion that needs an owner has one", u64::from(engine.ready)),
            ("flash_owners", "Promotion owners that are awake", engine.owners),
            ("flash_reloads_total", "Owners replaced after a panic or a failed commit", engine.reloads),
            ("flash_commit_batches_total", "Transactions committed", engine.batches),
            ("flash_commits_total", "Promotions' commits in them", engine.commits),
            ("flash_claims_written_total", "Claims written", engine.claims),
            ("flash_commit_microseconds_total", "Time spent in transactions", engine.commit_micros),
            ("flash_commits_failed_total", "Commits that certainly failed", engine.failed),
            ("flash_commits_unknown_total", "Commits of unknown outcome", engine.unknown),
            ("flash_commits_stale_total", "Commits of owners that were replaced", engine.stale),
        ];
        for extra in self.extra.lock().unwrap_or_else(std::sync::PoisonError::into_inner).iter() {
            extra(&mut lines);
        }
        for (name, help, value) in lines {
            let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
            text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"));
        }
        text
    }
}
