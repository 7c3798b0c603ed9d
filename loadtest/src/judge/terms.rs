//! What a sale's terms may have been at a moment: as it was launched, or as a change left them that may have been in force.
//!
//! A change is in force from some moment between its sending and its answer on, until another of the same kind surely is; one
//! whose outcome is unknown may come into force at any time after its sending. It knows nothing of claims.

use std::collections::HashMap;

use super::Verdict;
use super::claims::Entry;
use crate::history::{Change, History, Kind, Micros, Operation, Outcome, Sale};

/// What merchants did to sales, and may have done.
pub struct Terms<'a> {
    changes: HashMap<u32, Vec<&'a Operation>>,
    pauses: HashMap<u32, Vec<&'a Operation>>,
}

/// When the last effect of an operation is: at its answer, or never.
fn until_us(op: &Operation) -> Micros {
    if op.is_ok() { op.done_us } else { Micros::MAX }
}

fn starts(change: &Change) -> Option<Micros> {
    match change {
        Change::Starts(starts_us) => Some(*starts_us),
        _ => None,
    }
}

fn reach(change: &Change) -> Option<f64> {
    match change {
        Change::Reach(reach_m) => Some(f64::from(*reach_m)),
        _ => None,
    }
}

fn least_and_greatest(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, 0.0), |(least, most), value| (least.min(*value), most.max(*value)))
}

impl<'a> Terms<'a> {
    /// Gathers the operations of a history.
    pub fn of(history: &'a History) -> Self {
        let (mut changes, mut pauses) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for op in history.operations.iter().filter(|op| op.is_ok() || op.is_unknown()) {
            match op.kind {
                Kind::Update => changes.entry(op.sale).or_default().push(op),
                Kind::Pause | Kind::Resume => pauses.entry(op.sale).or_default().push(op),
                _ => {}
            }
        }
        Self { changes, pauses }
    }

    /// Every value that one of the terms of a sale may have had at some moment between the two, both included.
    ///
    /// `first` is what it was launched with, `of` tells what a change makes of it.
    pub fn during<T>(
        &self,
        sale: u32,
        (from_us, to_us): (Micros, Micros),
        first: T,
        of: impl Fn(&Change) -> Option<T>,
    ) -> Vec<T> {
        self.possible(sale, first, of, |op| op.sent_us <= to_us, |op| op.done_us <= from_us)
    }

    /// Every value that one of the terms of a sale may have had in its version `v`, of which somebody heard at `at_us`.
    ///
    /// What was changed in a version or an earlier one is in it, however long the news took; a change may be older than the
    /// version that it was answered with, never newer.
    fn in_version<T>(
        &self,
        sale: u32,
        (v, at_us): (u64, Micros),
        first: T,
        of: impl Fn(&Change) -> Option<T>,
    ) -> Vec<T> {
        let is_in = |op: &Operation| op.v.is_some_and(|changed| changed <= v);
        self.possible(sale, first, of, |op| op.sent_us <= at_us, is_in)
    }

    /// The values that may be in force, of the first and of those changes that `may` be, where `surely` tells which of the
    /// acknowledged ones have come into force for sure.
    fn possible<T>(
        &self,
        sale: u32,
        first: T,
        of: impl Fn(&Change) -> Option<T>,
        may: impl Fn(&Operation) -> bool,
        surely: impl Fn(&Operation) -> bool,
    ) -> Vec<T> {
        let none = Vec::new();
        let changes = self.changes.get(&sale).unwrap_or(&none);
        let ours = || changes.iter().filter_map(|op| Some((*op, of(op.change.as_ref()?)?)));
        // Whether something newer than `since_us` is in force for sure.
        let is_over =
            |since_us: Micros| ours().any(|(op, _)| op.is_ok() && op.sent_us >= since_us && surely(op));
        let mut values = Vec::new();
        if !is_over(Micros::MIN) {
            values.push(first);
        }
        values.extend(ours().filter(|(op, _)| may(op) && !is_over(until_us(op))).map(|(_, value)| value));
        values
    }

    /// The units that it may have had in stock.
    pub fn stock(&self, index: u32, sale: &Sale, span: (Micros, Micros)) -> Vec<u64> {
        self.during(index, span, u64::from(sale.stock), |change| match change {
            Change::Stock(stock) => Some(u64::from(*stock)),
            _ => None,
        })
    }

    /// When a change of the stock was surely in force.
    pub fn stock_changes(&self, index: u32) -> Vec<Micros> {
        let changes = self.changes.get(&index).into_iter().flatten();
        let ours = changes.filter(|op| op.is_ok() && matches!(op.change, Some(Change::Stock(_))));
        ours.map(|op| op.done_us).collect()
    }

    /// The limits per shopper that it may have had; no limit is the greatest number.
    pub fn limit(&self, index: u32, sale: &Sale, span: (Micros, Micros)) -> Vec<u64> {
        let units = |limit: Option<u32>| limit.map_or(u64::MAX, u64::from);
        self.during(index, span, units(sale.per_shopper_limit), |change| match change {
            Change::Limit(limit) => Some(units(*limit)),
            _ => None,
        })
    }

    /// The first moments without claims that it may have had.
    pub fn ends_us(&self, index: u32, sale: &Sale, span: (Micros, Micros)) -> Vec<Micros> {
        self.during(index, span, sale.ends_us, |change| match change {
            Change::Ends(ends_us) => Some(*ends_us),
            _ => None,
        })
    }

    /// The claim radii that it may have had, in metres; `None` = anywhere.
    pub fn claim_within_m(&self, index: u32, sale: &Sale, span: (Micros, Micros)) -> Vec<Option<f64>> {
        self.during(index, span, sale.claim_within_m, |change| match change {
            Change::ClaimWithin(within_m) => Some(within_m.map(f64::from)),
            _ => None,
        })
    }

    /// The prices that it may have had.
    pub fn price(&self, index: u32, sale: &Sale, span: (Micros, Micros)) -> Vec<i64> {
        self.during(index, span, sale.price, |change| match change {
            Change::Price(price) => Some(*price),
            _ => None,
        })
    }

    /// The first moments of claims that it may have had.
    pub fn starts_us(&self, index: u32, sale: &Sale, span: (Micros, Micros)) -> Vec<Micros> {
        self.during(index, span, sale.starts_us, starts)
    }

    /// The same in a version that somebody heard of at a moment.
    pub fn starts_us_in(&self, index: u32, sale: &Sale, told: (u64, Micros)) -> Vec<Micros> {
        self.in_version(index, told, sale.starts_us, starts)
    }

    /// From when on it had surely started, unless that was changed to a later moment before it.
    pub fn started_us(&self, index: u32, sale: &Sale) -> Micros {
        let changed = self.changes.get(&index).into_iter().flatten();
        let changed = changed.filter(|op| op.is_ok() && op.change.as_ref().and_then(starts).is_some());
        let last = self.starts_us(index, sale, (Micros::MAX, Micros::MAX));
        last.into_iter().chain(changed.map(|op| op.done_us)).max().unwrap_or(sale.starts_us)
    }

    /// Tells whether its start may have been changed.
    pub fn is_start_changed(&self, index: u32) -> bool {
        let changed = self.changes.get(&index).into_iter().flatten();
        changed.filter_map(|op| op.change.as_ref()).any(|change| starts(change).is_some())
    }

    /// The seconds for which a claim may have been held.
    pub fn hold_seconds(&self, index: u32, sale: &Sale, span: (Micros, Micros)) -> Vec<u32> {
        self.during(index, span, sale.hold_seconds, |change| match change {
            Change::Hold(seconds) => Some(*seconds),
            _ => None,
        })
    }

    /// The least and the greatest reach that it may have had, in metres.
    pub fn reach_m(&self, index: u32, sale: &Sale, span: (Micros, Micros)) -> (f64, f64) {
        least_and_greatest(&self.during(index, span, sale.reach_m, reach))
    }

    /// The same in a version that somebody heard of at a moment.
    pub fn reach_m_in(&self, index: u32, sale: &Sale, told: (u64, Micros)) -> (f64, f64) {
        least_and_greatest(&self.in_version(index, told, sale.reach_m, reach))
    }

    /// The stretches of all time, from and to (without), between which its reach may have changed, with the least that it may have
    /// had, in metres.
    pub fn reaches(&self, index: u32, sale: &Sale) -> Vec<(Micros, Micros, f64)> {
        let changes = self.changes.get(&index).into_iter().flatten();
        let ours = changes.filter(|op| op.change.as_ref().and_then(reach).is_some());
        let mut edges: Vec<Micros> = ours.flat_map(|op| [op.sent_us, until_us(op)]).collect();
        edges.extend([Micros::MIN, Micros::MAX]);
        edges.sort_unstable();
        edges.dedup();
        let stretches = edges.iter().zip(edges.iter().skip(1));
        stretches.map(|(from, to)| (*from, *to, self.reach_m(index, sale, (*from, *to - 1)).0)).collect()
    }

    /// When it was surely paused: from the answer to a pause to the sending of what may have resumed it.
    pub fn paused(&self, sale: u32) -> Vec<(Micros, Micros)> {
        let all = self.pauses.get(&sale).map(Vec::as_slice).unwrap_or_default();
        let surely = |pause: &&&Operation| {
            let after = |op: &&&Operation| op.kind == Kind::Resume && until_us(op) >= pause.sent_us;
            let to_us = all.iter().filter(after).map(|op| op.sent_us).min().unwrap_or(Micros::MAX);
            (pause.done_us, to_us)
        };
        let pauses = all.iter().filter(|op| op.kind == Kind::Pause && op.is_ok());
        pauses.map(|pause| surely(&pause)).filter(|(from_us, to_us)| from_us < to_us).collect()
    }

    /// When it may have been paused: from the sending of a pause to the answer to what surely resumed it.
    pub fn maybe_paused(&self, sale: u32) -> Vec<(Micros, Micros)> {
        let all = self.pauses.get(&sale).map(Vec::as_slice).unwrap_or_default();
        let maybe = |pause: &&&Operation| {
            let after =
                |op: &&&Operation| op.kind == Kind::Resume && op.is_ok() && op.sent_us >= until_us(pause);
            let to_us = all.iter().filter(after).map(|op| op.done_us).min().unwrap_or(Micros::MAX);
            (pause.sent_us, to_us)
        };
        all.iter().filter(|op| op.kind == Kind::Pause).map(|pause| maybe(&pause)).collect()
    }
}

/// Nothing is accepted while a sale is paused, and "paused" is said only when that may have been so.
pub fn judge(history: &History, terms: &Terms<'_>, entries: &[&Entry<'_>], verdict: &mut Verdict) {
    for entry in entries {
        let pauses = terms.paused(entry.sale);
        if pauses.is_empty() {
            continue;
        }
        verdict.examine("none_while_paused", 1);
        let (from_us, to_us) = (entry.sent_us(), entry.acked_us());
        if pauses.iter().any(|(paused_us, resumed_us)| *paused_us <= from_us && to_us <= *resumed_us) {
            let text = format!("claim {} was accepted while its sale was paused", entry.told.claim);
            verdict.find("none_while_paused", text, entry.operations(), vec![]);
        }
    }
    for op in history.operations.iter().filter(|op| op.kind.is_claim()) {
        let Outcome::Refused { code, .. } = &op.outcome else { continue };
        if code != "paused" {
            continue;
        }
        verdict.examine("none_while_paused", 1);
        let maybe = terms.maybe_paused(op.sale);
        if !maybe.iter().any(|(paused_us, resumed_us)| *paused_us <= op.done_us && op.sent_us <= *resumed_us)
        {
            let text = "a claim was refused as paused while the sale was not".to_owned();
            verdict.find("none_while_paused", text, vec![op.id], vec![]);
        }
    }
}
