//! One shopper's claims: one answer per key, windows, prices, limits of time, unknowns, and what follows a claim.
//!
//! It knows nothing of stock and of live sessions.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::Verdict;
use super::terms::Terms;
use crate::history::{History, Kind, Micros, Operation, Outcome, Sale, Told};

/// How much two times of one answer may be off for being told in milliseconds.
const ROUNDED_US: Micros = 1_000;

/// One accepted claim with everything that was done to it.
pub struct Entry<'a> {
    /// What was told first.
    pub told: &'a Told,
    /// Which sale.
    pub sale: u32,
    /// Who.
    pub shopper: u32,
    /// The operations with its key, in the order in which they were sent.
    pub asked: Vec<&'a Operation>,
    /// Confirmations, cancellations and redemptions, in the order in which they were sent.
    pub acts: Vec<&'a Operation>,
}

impl Entry<'_> {
    /// When it was first acknowledged.
    pub fn acked_us(&self) -> Micros {
        let acked = self.asked.iter().filter(|op| op.is_ok()).map(|op| op.done_us);
        acked.min().unwrap_or(Micros::MAX)
    }

    /// When it was first asked for.
    pub fn sent_us(&self) -> Micros {
        self.asked.iter().filter(|op| op.sent_us > 0).map(|op| op.sent_us).min().unwrap_or(0)
    }

    /// Tells whether an act of this kind was acknowledged.
    pub fn was(&self, kind: Kind) -> bool {
        self.acts.iter().any(|act| act.kind == kind && act.is_ok())
    }

    /// The numbers of its operations.
    pub fn operations(&self) -> Vec<u64> {
        self.asked.iter().chain(&self.acts).map(|op| op.id).collect()
    }
}

/// The accepted claims, and the keys.
pub struct Book<'a> {
    /// By claim.
    pub entries: BTreeMap<Uuid, Entry<'a>>,
    /// Claims asked for, by shopper, sale and key.
    pub keys: BTreeMap<(u32, u32, u64), Vec<&'a Operation>>,
}

impl<'a> Book<'a> {
    /// Groups the operations of a history.
    pub fn of(history: &'a History) -> Self {
        let mut keys: BTreeMap<_, Vec<&Operation>> = BTreeMap::new();
        let mut acts: HashMap<Uuid, Vec<&Operation>> = HashMap::new();
        for operation in &history.operations {
            if operation.kind.is_claim() {
                keys.entry((operation.shopper, operation.sale, operation.key)).or_default().push(operation);
            } else if let Some(claim) = operation.claim {
                acts.entry(claim).or_default().push(operation);
            }
        }
        keys.values_mut().chain(acts.values_mut()).for_each(|list| list.sort_by_key(|op| op.sent_us));
        let mut entries = BTreeMap::new();
        for (&(shopper, sale, _), asked) in &keys {
            if let Some(told) =
                asked.iter().filter(|op| op.is_ok()).min_by_key(|op| op.done_us).and_then(|op| op.told())
            {
                let acts = acts.remove(&told.claim).unwrap_or_default();
                let entry = Entry { told, sale, shopper, asked: asked.clone(), acts };
                entries.entry(told.claim).or_insert(entry);
            }
        }
        Self { entries, keys }
    }
}

/// Looks at every key and every accepted claim.
pub fn judge(history: &History, book: &Book<'_>, terms: &Terms<'_>, verdict: &mut Verdict) {
    keys(book, verdict);
    distinct(book, verdict);
    unknowns(book, verdict);
    for entry in book.entries.values() {
        if let Some(sale) = history.sales.get(entry.sale as usize) {
            window(entry, sale, terms, history.clock_error_us, verdict);
            price(entry, sale, terms, verdict);
            hold(entry, sale, terms, verdict);
        }
        acts(entry, history.clock_error_us, verdict);
    }
    untimely(history, terms, verdict);
}

/// One answer per key, and none is taken back.
fn keys(book: &Book<'_>, verdict: &mut Verdict) {
    for asked in book.keys.values() {
        let accepted: Vec<_> = asked.iter().filter_map(|op| op.told().map(|told| (op, told))).collect();
        let Some(&(first, told)) = accepted.iter().min_by_key(|(op, _)| op.done_us) else { continue };
        verdict.examine("one_answer_per_key", asked.len() - 1);
        for (op, other) in accepted.iter().filter(|(_, other)| *other != told) {
            let text = format!("one key, two answers: {told:?} and then {other:?}");
            verdict.find("one_answer_per_key", text, vec![first.id, op.id], vec![]);
        }
        for op in asked.iter().filter(|op| op.sent_us > first.done_us) {
            if let Outcome::Refused { status, code } = &op.outcome
                && !matches!(status, 429 | 503)
                && !matches!(code.as_str(), "rate_limited" | "overloaded" | "unavailable")
            {
                let text =
                    format!("claim {} was acknowledged; its key was refused later: {code}", told.claim);
                verdict.find("one_answer_per_key", text, vec![first.id, op.id], vec![]);
            }
        }
    }
}

/// Two keys never get one claim or one redemption code, and what was asked for is what was told.
fn distinct(book: &Book<'_>, verdict: &mut Verdict) {
    let (mut claims, mut codes) = (HashMap::new(), HashMap::new());
    for (key, asked) in &book.keys {
        for op in asked {
            let Some(told) = op.told() else { continue };
            verdict.examine("distinct_claims", 1);
            if told.quantity != op.quantity {
                let text = format!("{} units were asked for and {} were told", op.quantity, told.quantity);
                verdict.find("distinct_claims", text, vec![op.id], vec![]);
            }
            let (by, other) = *claims.entry(told.claim).or_insert((key, op.id));
            if by != key {
                let text = format!("claim {} answers two keys", told.claim);
                verdict.find("distinct_claims", text, vec![other, op.id], vec![]);
            }
            let (by, other) = *codes.entry(told.code.as_str()).or_insert((key, op.id));
            if by != key && !told.code.is_empty() {
                verdict.find(
                    "distinct_claims",
                    "one redemption code for two claims".to_owned(),
                    vec![other, op.id],
                    vec![],
                );
            }
        }
    }
}

/// Whatever was unknown was made known by asking again with its key.
fn unknowns(book: &Book<'_>, verdict: &mut Verdict) {
    for asked in book.keys.values() {
        let Some(last) = asked.iter().filter(|op| op.is_unknown()).max_by_key(|op| op.sent_us) else {
            continue;
        };
        verdict.examine("unknowns_resolved", 1);
        let settled = |op: &&&Operation| match &op.outcome {
            Outcome::Ok(_) => true,
            Outcome::Refused { status, .. } => op.sent_us >= last.sent_us && !matches!(status, 429 | 503),
            _ => false,
        };
        if !asked.iter().any(|op| settled(&op)) {
            let text = format!("nobody could find out what became of it: {:?}", last.outcome);
            verdict.find("unknowns_resolved", text, asked.iter().map(|op| op.id).collect(), vec![]);
        }
    }
}

/// No acknowledgement outside the window, by the server's clock and by ours.
fn window(entry: &Entry<'_>, sale: &Sale, terms: &Terms<'_>, clock_error_us: Micros, verdict: &mut Verdict) {
    verdict.examine("within_window", 1);
    let decided_us = entry.told.created_us;
    let span = (entry.sent_us(), entry.acked_us());
    let starts = terms.starts_us(entry.sale, sale, span);
    let starts_us = starts.into_iter().min().unwrap_or(Micros::MIN);
    let early = decided_us < starts_us || entry.acked_us() < starts_us.saturating_sub(clock_error_us);
    let ends = terms.ends_us(entry.sale, sale, span);
    let ends_us = ends.into_iter().max().unwrap_or(Micros::MAX);
    let late = decided_us >= ends_us || entry.sent_us() >= ends_us.saturating_add(clock_error_us);
    if early || late {
        let text = format!(
            "claim {} of {} was accepted {}",
            entry.told.claim,
            sale.id,
            if early { "before the sale started" } else { "after the sale had ended" }
        );
        verdict.find("within_window", text, entry.operations(), vec![]);
    } else if decided_us < entry.sent_us() - clock_error_us || decided_us > entry.acked_us() + clock_error_us
    {
        let text = format!("claim {} says that it was decided while nobody was asking", entry.told.claim);
        verdict.find("within_window", text, entry.operations(), vec![]);
    }
}

/// "Not started" is said only before the start, and "ended" only after the end.
fn untimely(history: &History, terms: &Terms<'_>, verdict: &mut Verdict) {
    for op in history.operations.iter().filter(|op| op.kind.is_claim()) {
        let Outcome::Refused { code, .. } = &op.outcome else { continue };
        let Some(sale) = history.sales.get(op.sale as usize) else { continue };
        let span = (op.sent_us, op.done_us);
        let wrong = match code.as_str() {
            "not_started" => {
                let latest_us = terms.starts_us(op.sale, sale, span).into_iter().max();
                latest_us.is_some_and(|starts_us| op.sent_us > starts_us + history.clock_error_us)
            }
            "ended" => {
                let earliest_us = terms.ends_us(op.sale, sale, span).into_iter().min();
                earliest_us.is_some_and(|ends_us| op.done_us < ends_us - history.clock_error_us)
            }
            _ => continue,
        };
        verdict.examine("within_window", 1);
        if wrong {
            let text = format!("a claim of {} was refused within its window: {code}", sale.id);
            verdict.find("within_window", text, vec![op.id], vec![]);
        }
    }
}

/// A claim is held for as long as may have been in force while it was decided; 0 s = it is confirmed at once.
fn hold(entry: &Entry<'_>, sale: &Sale, terms: &Terms<'_>, verdict: &mut Verdict) {
    verdict.examine("hold_in_force", 1);
    let told = entry.told;
    let held_us = told.hold_expires_us.map_or(0, |expires_us| expires_us - told.created_us);
    let possible = terms.hold_seconds(entry.sale, sale, (entry.sent_us(), entry.acked_us()));
    let fits = |seconds: &u32| (held_us - Micros::from(*seconds) * 1_000_000).abs() <= ROUNDED_US;
    if !possible.iter().any(fits) {
        let text = format!(
            "claim {} is held for {:.3} s, which was not the hold time: {possible:?}",
            told.claim,
            held_us as f64 / 1e6
        );
        verdict.find("hold_in_force", text, entry.operations(), vec![]);
    }
}

/// The price of a claim is one that may have been in force while it was decided.
fn price(entry: &Entry<'_>, sale: &Sale, terms: &Terms<'_>, verdict: &mut Verdict) {
    verdict.examine("price_in_force", 1);
    let price = entry.told.unit_price;
    let possible = terms.price(entry.sale, sale, (entry.sent_us(), entry.acked_us()));
    if !possible.contains(&price) {
        let text = format!("claim {} costs {price}, which was not the price", entry.told.claim);
        verdict.find("price_in_force", text, entry.operations(), vec![]);
    }
}

/// A hold ends once, and only the first end counts.
fn acts(entry: &Entry<'_>, clock_error_us: Micros, verdict: &mut Verdict) {
    if entry.acts.is_empty() {
        return;
    }
    verdict.examine("one_end_per_hold", 1);
    let claim = entry.told.claim;
    if entry.was(Kind::Confirm) && entry.was(Kind::Cancel) {
        let text = format!("claim {claim} was both confirmed and cancelled");
        verdict.find("one_end_per_hold", text, entry.operations(), vec![]);
    }
    if entry.acts.iter().filter(|act| act.kind == Kind::Redeem && act.is_ok()).count() > 1 {
        verdict.find(
            "one_end_per_hold",
            format!("claim {claim} was redeemed twice"),
            entry.operations(),
            vec![],
        );
    }
    let Some(expires_us) = entry.told.hold_expires_us else { return };
    for kind in [Kind::Confirm, Kind::Cancel] {
        let first = entry.acts.iter().find(|act| act.kind == kind && (act.is_ok() || act.is_unknown()));
        if let Some(first) = first.filter(|act| act.is_ok() && act.sent_us > expires_us + clock_error_us) {
            let done = if kind == Kind::Confirm { "confirmed" } else { "cancelled" };
            let text = format!("claim {claim} was {done} after its hold had expired");
            verdict.find("one_end_per_hold", text, vec![first.id], vec![]);
        }
    }
    for act in &entry.acts {
        let Outcome::Refused { code, .. } = &act.outcome else { continue };
        if code == "hold_expired" && act.done_us < expires_us - clock_error_us {
            let text = format!("claim {claim} was said to have expired before its time");
            verdict.find("one_end_per_hold", text, vec![act.id], vec![]);
        }
    }
}
