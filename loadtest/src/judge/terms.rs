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
        let none = Vec::new();
        let changes = self.changes.get(&sale).unwrap_or(&none);
        let ours = || changes.iter().filter_map(|op| Some((op, of(op.change.as_ref()?)?)));
        // Whether something newer than `since_us` is in force at `from_us` for sure.
        let is_over = |since_us: Micros| {
            ours().any(|(op, _)| op.is_ok() && op.sent_us >= since_us && op.done_us <= from_us)
        };
        let mut values = Vec::new();
        if !is_over(Micros::MIN) {
            values.push(first);
        }
        values.extend(
            ours().filter(|(op, _)| op.sent_us <= to_us && !is_over(until_us(op))).map(|(_, value)| value),
        );
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
