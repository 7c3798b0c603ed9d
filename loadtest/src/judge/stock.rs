//! Units: never more out than there are, never refused while some are free, none lost and none that nobody was told of.
//!
//! Each claim takes its units for an interval of time. The part of it that is certain must fit into the stock and the
//! limits; a refusal must be explained by the part of it that is possible.

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

use super::Verdict;
use super::claims::{Book, Entry};
use super::terms::Terms;
use crate::history::{Final, History, Kind, Micros, Operation, Outcome, Sale};

/// How long an expired hold may take to be on sale again before a refusal counts as wrong; a server that was stopped or
/// killed meanwhile needs more than the milliseconds that it promises.
const RETURN_MAX_US: Micros = 5_000_000;

/// Units that are out from one moment to another.
#[derive(Clone, Copy)]
struct Span {
    /// When they were first asked for.
    asked_us: Micros,
    from_us: Micros,
    to_us: Micros,
    units: u64,
    operation: u64,
}

/// Looks at every sale.
pub fn judge(history: &History, book: &Book<'_>, terms: &Terms<'_>, verdict: &mut Verdict) {
    let mut by_sale: BTreeMap<u32, Vec<&Entry<'_>>> = BTreeMap::new();
    for entry in book.entries.values() {
        by_sale.entry(entry.sale).or_default().push(entry);
    }
    let mut refused: HashMap<u32, Vec<&Operation>> = HashMap::new();
    for op in history.operations.iter().filter(|op| op.kind.is_claim()) {
        if matches!(op.outcome, Outcome::Refused { .. }) {
            refused.entry(op.sale).or_default().push(op);
        }
    }
    // Keys that were never accepted, as far as anybody knows, and of which at least one try has no answer.
    let mut open: HashMap<u32, Vec<&Operation>> = HashMap::new();
    for (&(_, sale, _), asked) in &book.keys {
        if let Some(op) =
            asked.iter().find(|op| op.is_unknown()).filter(|_| !asked.iter().any(|op| op.is_ok()))
        {
            open.entry(sale).or_default().push(op);
        }
    }
    let none = Vec::new();
    for (index, sale) in (0u32..).zip(&history.sales) {
        let entries = by_sale.get(&index).unwrap_or(&Vec::new()).clone();
        let certain: Vec<Span> = entries.iter().map(|e| certain(e, history.clock_error_us)).collect();
        verdict.examine("never_oversold", entries.len());
        let greatest = |at_us, _: &[&Span]| terms.stock(index, sale, (at_us, at_us)).into_iter().max();
        if let Some((units, named)) = over(&certain, greatest, &terms.stock_changes(index)) {
            let text = format!("{units} units of {} were out at once, more than its stock", sale.id);
            verdict.find("never_oversold", text, named, vec![]);
        }
        let possible = possible(&entries, open.get(&index).unwrap_or(&none), history.clock_error_us);
        let refused = refused.get(&index).unwrap_or(&none);
        refused_rightly(sale.id, |span| terms.stock(index, sale, span), &possible, refused, verdict);
        limits(index, sale, terms, &entries, &certain, verdict);
    }
    counters(history, &by_sale, terms, verdict);
    listed(history, book, &open, verdict);
}

/// When the claim's units were certainly out.
fn certain(entry: &Entry<'_>, clock_error_us: Micros) -> Span {
    let mut to_us = Micros::MAX;
    for act in entry.acts.iter().filter(|act| act.kind == Kind::Cancel && (act.is_ok() || act.is_unknown())) {
        to_us = to_us.min(act.sent_us);
    }
    if let Some(expires_us) = entry.told.hold_expires_us
        && !entry.was(Kind::Confirm)
    {
        to_us = to_us.min(expires_us - clock_error_us);
    }
    let operation = entry.asked.iter().find(|op| op.is_ok()).map_or(0, |op| op.id);
    Span {
        asked_us: entry.sent_us(),
        from_us: entry.acked_us(),
        to_us,
        units: u64::from(entry.told.quantity),
        operation,
    }
}

/// When units may have been out: of accepted claims, and of those that nobody knows about.
fn possible(entries: &[&Entry<'_>], open: &[&Operation], clock_error_us: Micros) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for entry in entries {
        let cancelled = entry.acts.iter().filter(|act| act.kind == Kind::Cancel && act.is_ok());
        let mut to_us = cancelled.map(|act| act.done_us).min().unwrap_or(Micros::MAX);
        let confirmed =
            entry.acts.iter().any(|act| act.kind == Kind::Confirm && (act.is_ok() || act.is_unknown()));
        if let Some(expires_us) = entry.told.hold_expires_us
            && !confirmed
        {
            to_us = to_us.min(expires_us + clock_error_us + RETURN_MAX_US);
        }
        let units = u64::from(entry.told.quantity);
        let asked_us = entry.sent_us();
        spans.push(Span { asked_us, from_us: asked_us, to_us, units, operation: 0 });
    }
    for op in open {
        let units = u64::from(op.quantity);
        let asked_us = op.sent_us;
        spans.push(Span { asked_us, from_us: asked_us, to_us: Micros::MAX, units, operation: op.id });
    }
    spans
}

/// The first moment at which more units were out than may be: how many, and whose.
///
/// `bound` tells how many may be out at a moment with these out; `None` = any number. It is asked whenever units are taken, and at
/// the moments of `also`.
fn over(
    spans: &[Span],
    bound: impl Fn(Micros, &[&Span]) -> Option<u64>,
    also: &[Micros],
) -> Option<(u64, Vec<u64>)> {
    let spans: Vec<&Span> = spans.iter().filter(|span| span.from_us < span.to_us).collect();
    // At one moment, what returns returns first, and what changes changes last.
    let mut steps: Vec<(Micros, u8, usize)> = also.iter().map(|at_us| (*at_us, 2, 0)).collect();
    for (nth, span) in spans.iter().enumerate() {
        steps.push((span.from_us, 1, nth));
        steps.push((span.to_us, 0, nth));
    }
    steps.sort_unstable();
    let mut there: BTreeMap<usize, &Span> = BTreeMap::new();
    let mut out = 0u64;
    for (at_us, step, nth) in steps {
        match (step, spans.get(nth)) {
            (0, Some(span)) => {
                there.remove(&nth);
                out -= span.units;
                continue;
            }
            (1, Some(span)) => {
                there.insert(nth, span);
                out += span.units;
            }
            _ => {}
        }
        let all = || there.values().copied().collect::<Vec<&Span>>();
        if bound(at_us, &[]).is_some_and(|bound| out > bound)
            && bound(at_us, &all()).is_some_and(|bound| out > bound)
        {
            let mut named = all();
            named.sort_by_key(|span| std::cmp::Reverse(span.from_us));
            return Some((out, named.iter().map(|span| span.operation).collect()));
        }
    }
    None
}

/// "Sold out" and "all held" are said only when that may have been so.
fn refused_rightly(
    sale: Uuid,
    stock: impl Fn((Micros, Micros)) -> Vec<u64>,
    possible: &[Span],
    refused: &[&Operation],
    verdict: &mut Verdict,
) {
    let running = |mut moments: Vec<(Micros, u64)>| {
        moments.sort_unstable();
        let mut sum = 0;
        moments.iter_mut().for_each(|(_, units)| {
            sum += *units;
            *units = sum;
        });
        moments
    };
    let taken = running(possible.iter().map(|span| (span.from_us, span.units)).collect());
    let back = running(possible.iter().map(|span| (span.to_us, span.units)).collect());
    // Units of the moments before `at_us`.
    let before = |moments: &[(Micros, u64)], at_us: Micros| {
        let count = moments.partition_point(|(moment, _)| *moment < at_us);
        count.checked_sub(1).and_then(|last| moments.get(last)).map_or(0, |(_, sum)| *sum)
    };
    for op in refused {
        let Outcome::Refused { code, .. } = &op.outcome else { continue };
        if code != "sold_out" && code != "all_held" {
            continue;
        }
        verdict.examine("refused_rightly", 1);
        let out = before(&taken, op.done_us).saturating_sub(before(&back, op.sent_us));
        let stock = stock((op.sent_us, op.done_us)).into_iter().min().unwrap_or(0);
        if out + u64::from(op.quantity) <= stock {
            let text = format!("{code} was said of {sale} with at most {out} units of {stock} out");
            verdict.find("refused_rightly", text, vec![op.id], vec![]);
        }
    }
}

/// No shopper has more than the limit.
///
/// A limit that is lowered takes nothing back: what counts is what may have been in force when the last of a shopper's claims
/// was decided, and any that was not answered before another was asked for may have been the last.
fn limits(
    index: u32,
    sale: &Sale,
    terms: &Terms<'_>,
    entries: &[&Entry<'_>],
    certain: &[Span],
    verdict: &mut Verdict,
) {
    let mut by_shopper: BTreeMap<u32, Vec<Span>> = BTreeMap::new();
    for (entry, span) in entries.iter().zip(certain) {
        by_shopper.entry(entry.shopper).or_default().push(*span);
    }
    let greatest = |span: &&Span| terms.limit(index, sale, (span.asked_us, span.from_us)).into_iter().max();
    for (shopper, spans) in by_shopper {
        let bound = |_, there: &[&Span]| match there {
            // Whether it is worth a look: no limit that there ever was is smaller.
            [] => terms.limit(index, sale, (Micros::MIN, Micros::MAX)).into_iter().min(),
            _ => {
                let latest_us = there.iter().map(|span| span.asked_us).max();
                there.iter().filter(|span| Some(span.from_us) >= latest_us).map(greatest).max().flatten()
            }
        };
        if bound(0, &[]).is_none_or(|limit| limit == u64::MAX) {
            continue;
        }
        verdict.examine("limit_per_shopper", 1);
        if let Some((units, named)) = over(&spans, bound, &[]) {
            let text = format!("shopper {shopper} had {units} units of {}, beyond the limit", sale.id);
            verdict.find("limit_per_shopper", text, named, vec![]);
        }
    }
}

/// The counters add up, and to what was acknowledged.
fn counters(
    history: &History,
    by_sale: &BTreeMap<u32, Vec<&Entry<'_>>>,
    terms: &Terms<'_>,
    verdict: &mut Verdict,
) {
    for Final { sale: index, stock, remaining, held, sold, .. } in &history.finals {
        let Some(sale) = history.sales.get(*index as usize) else { continue };
        verdict.examine("counters_add_up", 1);
        let sum = u64::from(*remaining) + u64::from(*held) + u64::from(*sold);
        let possible = terms.stock(*index, sale, (Micros::MAX, Micros::MAX));
        if sum != u64::from(*stock) || !possible.contains(&sum) {
            let text = format!(
                "{}: {remaining} + {held} + {sold} are not the stock, {stock} as it says, of {possible:?}",
                sale.id
            );
            verdict.find("counters_add_up", text, vec![], vec![]);
        }
        let entries = by_sale.get(index).map(Vec::as_slice).unwrap_or_default();
        let bought = |entry: &&&Entry<'_>| entry.was(Kind::Confirm) || entry.told.hold_expires_us.is_none();
        let units: u64 = entries.iter().filter(bought).map(|entry| u64::from(entry.told.quantity)).sum();
        if u64::from(*sold) < units {
            let named = entries.iter().filter(bought).flat_map(|entry| entry.operations()).collect();
            let text = format!("{}: {units} units were acknowledged as sold, {sold} are", sale.id);
            verdict.find("nothing_lost", text, named, vec![]);
        }
    }
}

/// Every acknowledged claim is in the merchant's list in a state that fits, and no other claim is.
fn listed(history: &History, book: &Book<'_>, open: &HashMap<u32, Vec<&Operation>>, verdict: &mut Verdict) {
    let whole: HashSet<u32> = history.listed_sales.iter().copied().collect();
    let rows: HashMap<Uuid, _> = history.listed.iter().map(|row| (row.claim, row)).collect();
    for entry in book.entries.values().filter(|entry| whole.contains(&entry.sale)) {
        verdict.examine("nothing_lost", 1);
        let claim = entry.told.claim;
        let Some(row) = rows.get(&claim).filter(|row| row.sale == entry.sale) else {
            verdict.find(
                "nothing_lost",
                format!("claim {claim} was acknowledged and is gone"),
                entry.operations(),
                vec![],
            );
            continue;
        };
        let doubt = entry.acts.iter().any(|act| act.is_unknown());
        let fits = match row.status.as_str() {
            "redeemed" => entry.was(Kind::Redeem) || doubt,
            "confirmed" => {
                !entry.was(Kind::Redeem)
                    && (entry.was(Kind::Confirm) || entry.told.hold_expires_us.is_none() || doubt)
            }
            "cancelled" => entry.was(Kind::Cancel) || doubt,
            "held" | "expired" => {
                ![Kind::Confirm, Kind::Cancel, Kind::Redeem].into_iter().any(|kind| entry.was(kind))
                    && entry.told.hold_expires_us.is_some()
            }
            _ => false,
        };
        if !fits || row.quantity != entry.told.quantity {
            let text = format!(
                "claim {claim} is {} of {} units after what was acknowledged",
                row.status, row.quantity
            );
            verdict.find("nothing_lost", text, entry.operations(), vec![]);
        }
    }
    for &sale in &whole {
        let strangers: Vec<Uuid> = history
            .listed
            .iter()
            .filter(|row| row.sale == sale && !book.entries.contains_key(&row.claim))
            .map(|row| row.claim)
            .collect();
        verdict.examine("nothing_unheard_of", 1);
        let open = open.get(&sale).map(Vec::as_slice).unwrap_or_default();
        if strangers.len() > open.len() {
            let text =
                format!("{} claims that nobody was told of, as {:?}", strangers.len(), strangers.first());
            verdict.find("nothing_unheard_of", text, open.iter().map(|op| op.id).collect(), vec![]);
        }
    }
}
