//! The figures of a run, computed from its history: latencies per operation and phase, and what `timeline` adds.
//!
//! A latency counts from the moment an operation was due. It knows neither sockets nor thresholds.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::history::{History, Kind, Micros, Operation, Outcome};
use crate::scenario::Phase;
use crate::timeline::{Lags, Timeline};

/// The row over all phases.
pub const ALL: &str = "all";
/// The row of what happens outside the phases: sockets that open before, keys asked again after.
pub const OUTSIDE: &str = "outside";
/// Largest latency that is told apart: ten minutes.
const LATENCY_US_MAX: u64 = 600_000_000;

/// A distribution, in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// How many values.
    pub count: u64,
    /// Half are no greater.
    pub p50_us: u64,
    /// 90 in 100 are no greater.
    pub p90_us: u64,
    /// 99 in 100 are no greater.
    pub p99_us: u64,
    /// 999 in 1,000 are no greater.
    pub p999_us: u64,
    /// The greatest.
    pub max_us: u64,
    /// How many values lie in each doubling: upper bound in microseconds, count.
    pub doublings: Vec<(u64, u64)>,
}

/// Gathers a distribution.
pub(crate) struct Gather(Histogram<u64>);

impl Gather {
    pub(crate) fn new() -> Result<Self> {
        let histogram = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3);
        histogram.map(Self).map_err(|error| Error::Setup(error.to_string()))
    }

    pub(crate) fn add(&mut self, value_us: u64) {
        self.0.saturating_record(value_us.max(1));
    }

    pub(crate) fn spread(&self) -> Spread {
        let at = |share: f64| self.0.value_at_quantile(share);
        if self.0.is_empty() {
            return Spread::default();
        }
        let mut doublings = Vec::new();
        let mut from = 0;
        while from < self.0.max() {
            let to = (from * 2).max(64);
            doublings.push((to, self.0.count_between(from + 1, to)));
            from = to;
        }
        let (p50_us, p90_us, p99_us, p999_us) = (at(0.5), at(0.9), at(0.99), at(0.999));
        Spread { count: self.0.len(), p50_us, p90_us, p99_us, p999_us, max_us: self.0.max(), doublings }
    }
}

/// One kind of operation in one phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The phase, or [`ALL`], or [`OUTSIDE`].
    pub phase: String,
    /// The kind.
    pub operation: String,
    /// How many were due.
    pub due: u64,
    /// Per second of the phase; 0 outside.
    pub offered_per_second: f64,
    /// How many were done or refused, per second of the phase; 0 outside.
    pub served_per_second: f64,
    /// Done.
    pub ok: u64,
    /// Refused, by code.
    pub refused: BTreeMap<String, u64>,
    /// Unknown.
    pub unknown: u64,
    /// Not sent in time.
    pub not_sent: u64,
    /// From due to answered, of what was done or refused.
    pub latency: Spread,
}

/// Everything that is counted and measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Per phase and kind, and per kind over all.
    pub rows: Vec<Row>,
    /// Over time, from the first phase on.
    #[serde(default)]
    pub timeline: Timeline,
    /// From an update's dispatch to its frame at each session that was shown the sale already.
    pub delivery: Spread,
    /// From a sale's start to its offer at each session that stayed where it was.
    pub start: Spread,
    /// From a scenario's start to its end, in milliseconds.
    pub duration_ms: u64,
}

/// The value of a key, made where there is none.
pub(crate) fn made<K: Ord, V>(
    map: &mut BTreeMap<K, V>,
    key: K,
    make: impl FnOnce() -> Result<V>,
) -> Result<&mut V> {
    match map.entry(key) {
        Entry::Occupied(there) => Ok(there.into_mut()),
        Entry::Vacant(empty) => Ok(empty.insert(make()?)),
    }
}

struct Cell {
    operations: u64,
    served: u64,
    ok: u64,
    refused: BTreeMap<String, u64>,
    unknown: u64,
    not_sent: u64,
    latency: Gather,
}

impl Cell {
    fn new() -> Result<Self> {
        let latency = Gather::new()?;
        Ok(Self {
            operations: 0,
            served: 0,
            ok: 0,
            refused: BTreeMap::new(),
            unknown: 0,
            not_sent: 0,
            latency,
        })
    }

    fn add(&mut self, operation: &Operation) {
        self.operations += 1;
        match &operation.outcome {
            Outcome::Ok(_) => self.ok += 1,
            Outcome::Refused { code, .. } => *self.refused.entry(code.clone()).or_default() += 1,
            Outcome::Unknown(_) | Outcome::Pending => self.unknown += 1,
            Outcome::NotSent => self.not_sent += 1,
        }
        if matches!(operation.outcome, Outcome::Ok(_) | Outcome::Refused { .. }) {
            self.served += 1;
            self.latency.add(operation.latency_us());
        }
    }

    fn row(self, phase: &str, kind: Kind, seconds: f64) -> Row {
        let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        Row {
            phase: phase.to_owned(),
            operation: kind.name().to_owned(),
            due: self.operations,
            offered_per_second: rate(self.operations),
            served_per_second: rate(self.served),
            ok: self.ok,
            refused: self.refused,
            unknown: self.unknown,
            not_sent: self.not_sent,
            latency: self.latency.spread(),
        }
    }
}

impl Figures {
    /// Computes the figures of a history whose first phase began at `origin_us`.
    ///
    /// # Errors
    /// A histogram cannot be made.
    pub fn of(history: &History, phases: &[Phase], origin_us: Micros) -> Result<Self> {
        let mut cells: BTreeMap<(u16, Kind), Cell> = BTreeMap::new();
        let mut all: BTreeMap<Kind, Cell> = BTreeMap::new();
        for operation in &history.operations {
            made(&mut cells, (operation.phase, operation.kind), Cell::new)?.add(operation);
            if operation.phase != u16::MAX {
                made(&mut all, operation.kind, Cell::new)?.add(operation);
            }
        }
        let duration_ms: u64 = phases.iter().map(|phase| phase.duration_ms).sum();
        let mut rows: Vec<Row> = cells
            .into_iter()
            .map(|((phase, kind), cell)| match phases.get(phase as usize) {
                Some(phase) => cell.row(&phase.name, kind, phase.duration_ms as f64 / 1e3),
                None => cell.row(OUTSIDE, kind, 0.0),
            })
            .collect();
        rows.extend(all.into_iter().map(|(kind, cell)| cell.row(ALL, kind, duration_ms as f64 / 1e3)));
        let lags = Lags::of(history)?;
        let timeline = Timeline::of(history, &lags, phases, origin_us)?;
        Ok(Self { rows, timeline, delivery: lags.delivery, start: lags.start, duration_ms })
    }

    /// The row of a kind in a phase.
    #[must_use]
    pub fn row(&self, phase: &str, operation: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.phase == phase && row.operation == operation)
    }
}
