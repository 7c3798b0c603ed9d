//! Numbers for Prometheus, named by its conventions: base units, the unit last, `_total` for what only grows. Latencies are
//! histograms in seconds.
//!
//! Knows how to write them; what is measured elsewhere is read when it is asked for.

use flash_actors::engine::EngineObservation;
use flash_actors::histogram::Snapshot;
use flash_actors::outbox::OutboxWaits;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What writes further lines when metrics are rendered.
pub type Extra = Box<dyn Fn(&mut Vec<(&'static str, &'static str, u64)>) + Send + Sync>;

/// What a histogram of values counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Values are microseconds, and are written as seconds.
    Microseconds,
    /// Values are written as they are.
    Number,
}

/// A histogram kept elsewhere.
pub struct Distribution {
    /// Its name, with the unit that is written.
    pub name: &'static str,
    /// What it measures.
    pub help: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// How to read it.
    pub read: Box<dyn Fn() -> Snapshot + Send + Sync>,
}

/// A number that each worker thread has, kept elsewhere.
pub struct ByWorker {
    /// Its name; a counter if it ends in `_total`, else a gauge.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// Its values, the first worker's first.
    pub read: Box<dyn Fn() -> Vec<u64> + Send + Sync>,
}

impl ByWorker {
    fn write(&self, text: &mut String) {
        let Self { name, help, .. } = self;
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {}\n", kind(name)));
        for (worker, value) in (self.read)().into_iter().enumerate() {
            text.push_str(&format!("{name}{{worker=\"{worker}\"}} {value}\n"));
        }
    }
}

fn kind(name: &str) -> &'static str {
    if name.ends_with("_total") { "counter" } else { "gauge" }
}

impl Distribution {
    fn write(&self, text: &mut String) {
        let Self { name, help, .. } = self;
        let Snapshot { buckets, count, sum } = (self.read)();
        let shown = |value: u64| match self.unit {
            Unit::Microseconds => value as f64 / 1e6,
            Unit::Number => value as f64,
        };
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} histogram\n"));
        for (bound, up_to) in buckets {
            text.push_str(&format!("{name}_bucket{{le=\"{}\"}} {up_to}\n", shown(bound)));
        }
        text.push_str(&format!(
            "{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum {}\n{name}_count {count}\n",
            shown(sum)
        ));
    }
}

/// Bounds of the latencies measured here, in seconds.
const SECONDS: [f64; 13] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// The server's numbers.
pub struct Metrics {
    registry: Registry,
    claim_seconds: Histogram,
    claims_accepted: IntCounter,
    claims_refused: IntCounter,
    responses: IntCounterVec,
    by_class: [IntCounter; 6],
    response_seconds: Histogram,
    up: IntGauge,
    extra: Mutex<Vec<Extra>>,
    distributions: Mutex<Vec<Distribution>>,
    by_worker: Mutex<Vec<ByWorker>>,
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
            .buckets(SECONDS.to_vec()),
        )?;
        let response_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "flash_http_request_duration_seconds",
                "From a request's head to its response, upgrades aside",
            )
            .buckets(SECONDS.to_vec()),
        )?;
        let claims = IntCounterVec::new(Opts::new("flash_claims_total", "Claims by outcome"), &["outcome"])?;
        let responses = IntCounterVec::new(
            Opts::new("flash_http_responses_total", "Responses by class of status"),
            &["class"],
        )?;
        let up = IntGauge::new("flash_up", "1 while the process serves")?;
        registry.register(Box::new(claim_seconds.clone()))?;
        registry.register(Box::new(claims.clone()))?;
        registry.register(Box::new(response_seconds.clone()))?;
        registry.register(Box::new(responses.clone()))?;
        registry.register(Box::new(up.clone()))?;
        registry.register(Box::new(ProcessCollector::for_self()))?;
        up.set(1);
        let class = |name: &str| responses.with_label_values(&[name]);
        Ok(Self {
            registry,
            claim_seconds,
            claims_accepted: claims.with_label_values(&["accepted"]),
            claims_refused: claims.with_label_values(&["refused"]),
            by_class: [class("0xx"), class("1xx"), class("2xx"), class("3xx"), class("4xx"), class("5xx")],
            responses,
            response_seconds,
            up,
            extra: Mutex::default(),
            distributions: Mutex::default(),
            by_worker: Mutex::default(),
        })
    }

    /// Adds lines from elsewhere: (name, help, value) of counters.
    pub fn also(&self, extra: Extra) {
        self.extra.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(extra);
    }

    /// Adds a histogram from elsewhere.
    pub fn also_distribution(&self, distribution: Distribution) {
        self.distributions.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(distribution);
    }

    /// Shows how long events wait in the outbox.
    pub fn watch_outbox(&self, waits: Arc<OutboxWaits>) {
        let ages = waits.clone();
        self.also_distribution(Distribution {
            name: "flash_outbox_age_seconds",
            help: "From an event's commit to its being handed over",
            unit: Unit::Microseconds,
            read: Box::new(move || ages.ages.snapshot()),
        });
        self.also(Box::new(move |lines| {
            let oldest_ms = waits.oldest_ms.load(Relaxed);
            let help = "How old the oldest waiting event was when the relay looked";
            lines.push(("flash_outbox_oldest_seconds", help, oldest_ms / 1_000));
        }));
    }

    /// Adds a number of each worker from elsewhere.
    pub fn also_by_worker(&self, numbers: ByWorker) {
        self.by_worker.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(numbers);
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

    /// Counts a response, and how long it took.
    pub fn response(&self, status: u16, took: Duration) {
        self.response_seconds.observe(took.as_secs_f64());
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
            ("flash_commits_failed_total", "Commits that certainly failed", engine.failed),
            ("flash_commits_unknown_total", "Commits of unknown outcome", engine.unknown),
            ("flash_commits_stale_total", "Commits of owners that were replaced", engine.stale),
        ];
        for extra in self.extra.lock().unwrap_or_else(std::sync::PoisonError::into_inner).iter() {
            extra(&mut lines);
        }
        for (name, help, value) in lines {
            let kind = kind(name);
            text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"));
        }
        for distribution in
            self.distributions.lock().unwrap_or_else(std::sync::PoisonError::into_inner).iter()
        {
            distribution.write(&mut text);
        }
        for numbers in self.by_worker.lock().unwrap_or_else(std::sync::PoisonError::into_inner).iter() {
            numbers.write(&mut text);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_distribution_is_written_in_base_units_and_cumulative() {
        let metrics = Metrics::new().unwrap();
        let read = || Snapshot { buckets: vec![(250, 1), (1_000_000, 3)], count: 4, sum: 7_500_000 };
        metrics.also_distribution(Distribution {
            name: "flash_x_seconds",
            help: "X",
            unit: Unit::Microseconds,
            read: Box::new(read),
        });
        let text = metrics.render(&EngineObservation::default());
        let expected = "# HELP flash_x_seconds X\n# TYPE flash_x_seconds histogram\n\
            flash_x_seconds_bucket{le=\"0.00025\"} 1\nflash_x_seconds_bucket{le=\"1\"} 3\n\
            flash_x_seconds_bucket{le=\"+Inf\"} 4\nflash_x_seconds_sum 7.5\nflash_x_seconds_count 4\n";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn a_number_of_each_worker_is_written_with_its_label_and_kind() {
        let metrics = Metrics::new().unwrap();
        for name in ["flash_x_frames_total", "flash_x_sessions"] {
            metrics.also_by_worker(ByWorker { name, help: "X", read: Box::new(|| vec![3, 0]) });
        }
        let text = metrics.render(&EngineObservation::default());
        let expected = "# HELP flash_x_frames_total X\n# TYPE flash_x_frames_total counter\n\
            flash_x_frames_total{worker=\"0\"} 3\nflash_x_frames_total{worker=\"1\"} 0\n\
            # HELP flash_x_sessions X\n# TYPE flash_x_sessions gauge\n\
            flash_x_sessions{worker=\"0\"} 3\nflash_x_sessions{worker=\"1\"} 0\n";
        assert!(text.ends_with(expected), "{text}");
    }
}
