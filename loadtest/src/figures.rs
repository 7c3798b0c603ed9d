//! The figures of a run, computed from its history: latencies per operation and phase, rates and lags over time.
//!
//! A latency counts from the moment an operation was due. It knows neither sockets nor thresholds.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::history::{Event, History, Kind, Micros, Operation, Outcome};
use crate::scenario::Phase;

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
struct Gather(Histogram<u64>);

impl Gather {
    fn new() -> Result<Self> {
        let histogram = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3);
        histogram.map(Self).map_err(|error| Error::Setup(error.to_string()))
    }

    fn add(&mut self, value_us: u64) {
        self.0.saturating_record(value_us.max(1));
    }

    fn spread(&self) -> Spread {
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

/// One second of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Operations due.
    pub offered: u64,
    /// Operations done or refused.
    pub served: u64,
    /// Median latency of the operations due in it, in microseconds.
    pub p50_us: u64,
    /// Their 99th percentile.
    pub p99_us: u64,
    /// Publications received.
    pub publications: u64,
    /// The greatest lag of an update or a start, in microseconds.
    pub lag_max_us: u64,
    /// Units of the busiest sale not acknowledged yet, at its end.
    pub left: Option<u64>,
}

/// Everything that is counted and measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Per phase and kind, and per kind over all.
    pub rows: Vec<Row>,
    /// Second by second from the first phase on.
    pub seconds: Vec<Second>,
    /// From an update's dispatch to its frame at each session.
    pub delivery: Spread,
    /// From a sale's start to its offer at each session.
    pub start: Spread,
    /// From a scenario's start to its end, in milliseconds.
    pub duration_ms: u64,
}

/// The value of a key, made where there is none.
fn made<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, make: impl FnOnce() -> Result<V>) -> Result<&mut V> {
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
        let mut figures = Self { rows, duration_ms, ..Self::default() };
        figures.lags(history, origin_us)?;
        figures.timeline(history, origin_us)?;
        Ok(figures)
    }

    /// The row of a kind in a phase.
    #[must_use]
    pub fn row(&self, phase: &str, operation: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.phase == phase && row.operation == operation)
    }

    fn second(&mut self, at_us: Micros, origin_us: Micros) -> Option<&mut Second> {
        let index = usize::try_from((at_us - origin_us).checked_div(1_000_000)?)
            .ok()
            .filter(|_| at_us >= origin_us)?;
        // A history is bounded, and so is the time that it covers: a day and what follows it.
        if index > 100_000 {
            return None;
        }
        if self.seconds.len() <= index {
            self.seconds.resize_with(index + 1, Second::default);
        }
        self.seconds.get_mut(index)
    }

    fn lags(&mut self, history: &History, origin_us: Micros) -> Result<()> {
        let ids: HashMap<Uuid, (u32, &crate::history::Sale)> =
            (0u32..).zip(&history.sales).map(|(index, sale)| (sale.id, (index, sale))).collect();
        let updates: HashMap<(u32, u64), Micros> = history
            .operations
            .iter()
            .filter(|op| op.kind == Kind::Update && op.is_ok())
            .filter_map(|op| op.v.map(|v| ((op.sale, v), op.sent_us)))
            .collect();
        let (mut delivery, mut start) = (Gather::new()?, Gather::new()?);
        for noted in &history.events {
            if !matches!(noted.event, Event::Offer(..) | Event::Stock(..) | Event::Gone(..)) {
                continue;
            }
            let mut lag_us = None;
            if let Event::Offer(id, v, ..) = noted.event
                && let Some((index, sale)) = ids.get(&id)
            {
                if let Some(sent_us) = updates.get(&(*index, v)) {
                    let us = u64::try_from(noted.at_us - sent_us).unwrap_or(0);
                    delivery.add(us);
                    lag_us = Some(us);
                } else if sale.starts_us > sale.launched_us && v <= 2 {
                    let us = u64::try_from(noted.at_us - sale.starts_us).unwrap_or(0);
                    start.add(us);
                    lag_us = Some(us);
                }
            }
            if let Some(second) = self.second(noted.at_us, origin_us) {
                second.publications += 1;
                second.lag_max_us = second.lag_max_us.max(lag_us.unwrap_or(0));
            }
        }
        (self.delivery, self.start) = (delivery.spread(), start.spread());
        Ok(())
    }

    fn timeline(&mut self, history: &History, origin_us: Micros) -> Result<()> {
        let mut latencies: BTreeMap<Micros, Gather> = BTreeMap::new();
        let mut units: HashMap<u32, u64> = HashMap::new();
        for operation in &history.operations {
            if let Some(second) = self.second(operation.intended_us, origin_us) {
                second.offered += 1;
            }
            if !matches!(operation.outcome, Outcome::Ok(_) | Outcome::Refused { .. }) {
                continue;
            }
            if let Some(second) = self.second(operation.done_us, origin_us) {
                second.served += 1;
            }
            let second = (operation.intended_us - origin_us).div_euclid(1_000_000);
            made(&mut latencies, second, Gather::new)?.add(operation.latency_us());
            if operation.told().is_some() {
                *units.entry(operation.sale).or_default() += u64::from(operation.quantity);
            }
        }
        for (second, gather) in latencies {
            let spread = gather.spread();
            if let Some(second) = usize::try_from(second).ok().and_then(|index| self.seconds.get_mut(index)) {
                (second.p50_us, second.p99_us) = (spread.p50_us, spread.p99_us);
            }
        }
        let busiest = units.into_iter().max_by_key(|(sale, units)| (*units, std::cmp::Reverse(*sale)));
        if let Some((index, _)) = busiest {
            self.burn_down(history, index, origin_us);
        }
        Ok(())
    }

    /// What is left of the busiest sale, by what was acknowledged; units that return are not counted back.
    fn burn_down(&mut self, history: &History, index: u32, origin_us: Micros) {
        let Some(stock) = history.sales.get(index as usize).map(|sale| u64::from(sale.stock)) else { return };
        let mut seen = std::collections::HashSet::new();
        let mut taken: Vec<u64> = vec![0; self.seconds.len()];
        for operation in history.operations.iter().filter(|op| op.sale == index) {
            let Some(told) = operation.told().filter(|told| seen.insert(told.claim)) else { continue };
            let second = (operation.done_us - origin_us).div_euclid(1_000_000).max(0);
            if let Some(taken) = usize::try_from(second).ok().and_then(|second| taken.get_mut(second)) {
                *taken += u64::from(told.quantity);
            }
        }
        let mut left = stock;
        for (second, taken) in self.seconds.iter_mut().zip(taken) {
            left = left.saturating_sub(taken);
            second.left = Some(left);
        }
    }
}
