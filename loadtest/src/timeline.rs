//! A run over time, in slices: rates, latencies, what sessions heard and how late, and the units of the busiest sale.
//!
//! It knows the history, and nothing of how it is drawn.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Result;
use crate::figures::{Gather, Spread, made};
use crate::history::{Change, Event, History, Kind, Micros, Operation, Outcome, Sale};
use crate::scenario::Phase;

/// About into how many slices the phases are cut.
const SLICES: u64 = 120;
/// Slices that are kept: what is far beyond the phases is not drawn.
const SLICES_MAX: usize = 20_000;
/// How long a slice may be, in milliseconds; no less than the time between two stock frames of a sale, which would show as teeth.
const SLICE_MS: [u64; 9] = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 60_000, 600_000];

/// One slice of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Slice {
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
    /// The greatest lag of an update or a start that arrived in it, in microseconds.
    pub lag_max_us: u64,
    /// Units of the busiest sale when it began, as they were acknowledged.
    pub units: Option<Units>,
}

/// Where the units of a sale are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Units {
    /// They can be claimed.
    pub remaining: u64,
    /// They are held.
    pub held: u64,
    /// They are sold.
    pub sold: u64,
}

/// A run over time, from the first phase on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// How long a slice is, in milliseconds.
    pub slice_ms: u64,
    /// The slices, in their order.
    pub slices: Vec<Slice>,
    /// The phases with the milliseconds after which each begins.
    pub phases: Vec<(String, u64)>,
    /// The group of the busiest sale.
    pub busiest: Option<String>,
}

/// How late live sessions heard of updates and starts.
#[derive(Debug, Default)]
pub struct Lags {
    /// From an update's dispatch to its frame at each session that was shown the sale already.
    pub delivery: Spread,
    /// From a sale's start to its offer at each session that stayed where it was.
    pub start: Spread,
    /// When each publication was received, and its lag where it has one.
    heard: Vec<(Micros, Option<u64>)>,
}

/// What one session knows while its events are read.
#[derive(Default)]
struct Knows {
    shown: HashSet<Uuid>,
    /// What comes now may have come into reach.
    moving: bool,
}

impl Knows {
    /// Takes an event in; tells of an offer whether it was shown before.
    fn read(&mut self, event: &Event) -> bool {
        match event {
            Event::Subscribed { known, offers, gone, .. } => {
                self.shown.retain(|id| known.contains(id) && !gone.contains(id));
                self.shown.extend(offers.iter().map(|(id, ..)| *id));
                self.moving = false;
            }
            Event::Offer(id, ..) => return !self.shown.insert(*id),
            Event::Gone(id, ..) => {
                self.shown.remove(id);
            }
            Event::MoveSent(_) => self.moving = true,
            Event::Moved(left) => {
                left.iter().for_each(|id| {
                    self.shown.remove(id);
                });
                self.moving = false;
            }
            Event::Stock(..) | Event::Cut | Event::Slowed => {}
        }
        false
    }
}

impl Lags {
    /// Computes the lags of a history.
    ///
    /// # Errors
    /// A histogram cannot be made.
    pub fn of(history: &History) -> Result<Self> {
        let ids: HashMap<Uuid, (u32, &Sale)> =
            (0u32..).zip(&history.sales).map(|(index, sale)| (sale.id, (index, sale))).collect();
        let updates: HashMap<(u32, u64), Micros> = history
            .operations
            .iter()
            .filter(|op| op.kind == Kind::Update && op.is_ok())
            .filter_map(|op| op.v.map(|v| ((op.sale, v), op.sent_us)))
            .collect();
        let (mut delivery, mut start) = (Gather::new()?, Gather::new()?);
        let mut sessions: HashMap<u32, Knows> = HashMap::new();
        let mut heard = Vec::new();
        for noted in &history.events {
            let session = sessions.entry(noted.session).or_default();
            let known = session.read(&noted.event);
            if !matches!(noted.event, Event::Offer(..) | Event::Stock(..) | Event::Gone(..)) {
                continue;
            }
            let mut lag_us = None;
            if let Event::Offer(id, v, ..) = noted.event
                && let Some((index, sale)) = ids.get(&id)
                && !session.moving
            {
                let since = |from_us: Micros| u64::try_from(noted.at_us - from_us).unwrap_or(0);
                // An update that changes nothing is answered with a version that was there before.
                if let Some(sent_us) =
                    updates.get(&(*index, v)).filter(|sent_us| known && **sent_us <= noted.at_us)
                {
                    delivery.add(since(*sent_us));
                    lag_us = Some(since(*sent_us));
                } else if !known && sale.starts_us > sale.launched_us && v <= 2 {
                    start.add(since(sale.starts_us));
                    lag_us = Some(since(sale.starts_us));
                }
            }
            heard.push((noted.at_us, lag_us));
        }
        Ok(Self { delivery: delivery.spread(), start: start.spread(), heard })
    }
}

impl Timeline {
    /// Cuts a history whose first phase began at `origin_us` into slices.
    ///
    /// # Errors
    /// A histogram cannot be made.
    pub fn of(history: &History, lags: &Lags, phases: &[Phase], origin_us: Micros) -> Result<Self> {
        let mut begins_ms = 0;
        let mut line = Self::default();
        for phase in phases {
            line.phases.push((phase.name.clone(), begins_ms));
            begins_ms += phase.duration_ms;
        }
        let fits = |slice_ms: &u64| begins_ms / slice_ms <= SLICES;
        line.slice_ms = SLICE_MS.into_iter().find(fits).unwrap_or(600_000);
        line.operations(history, origin_us)?;
        for (at_us, lag_us) in &lags.heard {
            if let Some(slice) = line.slice(*at_us, origin_us) {
                slice.publications += 1;
                slice.lag_max_us = slice.lag_max_us.max(lag_us.unwrap_or(0));
            }
        }
        line.units(history, origin_us);
        Ok(line)
    }

    fn slice(&mut self, at_us: Micros, origin_us: Micros) -> Option<&mut Slice> {
        let after_us = u64::try_from(at_us - origin_us).ok()?;
        let index = usize::try_from(after_us / (self.slice_ms * 1_000)).ok().filter(|at| *at < SLICES_MAX)?;
        if self.slices.len() <= index {
            self.slices.resize_with(index + 1, Slice::default);
        }
        self.slices.get_mut(index)
    }

    fn operations(&mut self, history: &History, origin_us: Micros) -> Result<()> {
        let mut latencies: BTreeMap<Micros, Gather> = BTreeMap::new();
        let slice_us = Micros::try_from(self.slice_ms * 1_000).unwrap_or(Micros::MAX);
        for operation in &history.operations {
            if let Some(slice) = self.slice(operation.intended_us, origin_us) {
                slice.offered += 1;
            }
            if !matches!(operation.outcome, Outcome::Ok(_) | Outcome::Refused { .. }) {
                continue;
            }
            if let Some(slice) = self.slice(operation.done_us, origin_us) {
                slice.served += 1;
            }
            let slice = (operation.intended_us - origin_us).div_euclid(slice_us);
            made(&mut latencies, slice, Gather::new)?.add(operation.latency_us());
        }
        for (slice, gather) in latencies {
            let spread = gather.spread();
            if let Some(slice) = usize::try_from(slice).ok().and_then(|index| self.slices.get_mut(index)) {
                (slice.p50_us, slice.p99_us) = (spread.p50_us, spread.p99_us);
            }
        }
        Ok(())
    }

    /// Where the units of the sale are of which most were claimed.
    fn units(&mut self, history: &History, origin_us: Micros) {
        let mut claimed: HashMap<u32, u64> = HashMap::new();
        for operation in history.operations.iter().filter(|op| op.told().is_some()) {
            *claimed.entry(operation.sale).or_default() += u64::from(operation.quantity);
        }
        let busiest = claimed.into_iter().max_by_key(|(sale, units)| (*units, std::cmp::Reverse(*sale)));
        let Some((index, _)) = busiest else { return };
        let Some(sale) = history.sales.get(index as usize) else { return };
        self.busiest = Some(sale.group.clone());
        let steps = steps(history, index, sale);
        let (mut now, mut next) = ([i64::from(sale.stock), 0, 0], steps.iter().peekable());
        let slice_us = Micros::try_from(self.slice_ms * 1_000).unwrap_or(Micros::MAX);
        for (nth, slice) in (0..).zip(&mut self.slices) {
            let begins_us = origin_us + slice_us * nth;
            while let Some((_, step)) = next.next_if(|(at_us, _)| *at_us <= begins_us) {
                now.iter_mut().zip(step).for_each(|(units, more)| *units += more);
            }
            // What is acknowledged late is counted late: for a moment there may be less than nothing.
            let [remaining, held, sold] = now.map(|units| u64::try_from(units).unwrap_or(0));
            slice.units = Some(Units { remaining, held, sold });
        }
    }
}

/// What became of a sale's units, by time: how many more can be claimed, are held, are sold.
fn steps(history: &History, index: u32, sale: &Sale) -> Vec<(Micros, [i64; 3])> {
    let mut steps = Vec::new();
    let mut held: HashMap<Uuid, (i64, Micros)> = HashMap::new();
    let mut claims = HashSet::new();
    let mut stock = i64::from(sale.stock);
    let mut ours: Vec<&Operation> =
        history.operations.iter().filter(|op| op.sale == index && op.is_ok()).collect();
    ours.sort_by_key(|op| op.done_us);
    for op in ours {
        if let Some(told) = op.told().filter(|told| claims.insert(told.claim)) {
            let units = i64::from(told.quantity);
            match told.hold_expires_us {
                Some(expires_us) => {
                    steps.push((op.done_us, [-units, units, 0]));
                    held.insert(told.claim, (units, expires_us));
                }
                None => steps.push((op.done_us, [-units, 0, units])),
            }
        } else if let Some(Change::Stock(set)) = op.change {
            steps.push((op.done_us, [i64::from(set) - stock, 0, 0]));
            stock = i64::from(set);
        } else if matches!(op.kind, Kind::Confirm | Kind::Cancel)
            && let Some((units, _)) = op.claim.and_then(|claim| held.remove(&claim))
        {
            let sold = op.kind == Kind::Confirm;
            steps.push((op.done_us, if sold { [0, -units, units] } else { [units, -units, 0] }));
        }
    }
    steps.extend(held.into_values().map(|(units, expires_us)| (expires_us, [units, -units, 0])));
    steps.sort_unstable();
    steps
}
