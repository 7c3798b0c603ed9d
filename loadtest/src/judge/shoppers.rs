//! Who may claim: shoppers near enough and of a segment that the sale is for; the others are told so, and nobody else is.
//!
//! A shopper's place is what the claim itself says. A shopper's segment follows from claims confirmed before, of which the history
//! holds all, because the shoppers of a run are new.

use std::collections::{BTreeMap, HashMap};

use super::Verdict;
use super::claims::{Book, Entry};
use super::delivery::distance_m;
use super::terms::Terms;
use crate::history::{History, Kind, Location, Micros, Operation, Outcome, Sale};

/// Metres around the boundary in which the judge decides for the server, whose floating-point steps are others.
const SLACK_M: f64 = 0.01;

/// Confirmed claims from which on a shopper is `frequent`; below, and with any, `regular`; with none, `new`.
const FREQUENT: usize = 5;

/// Looks at accepted claims, and at refusals for want of nearness or segment.
pub fn judge(history: &History, book: &Book<'_>, terms: &Terms<'_>, verdict: &mut Verdict) {
    let bought = Bought::of(history, book);
    for entry in book.entries.values() {
        let Some(sale) = history.sales.get(entry.sale as usize) else { continue };
        near(entry, sale, terms, verdict);
        if !sale.segments.is_empty() {
            verdict.examine("right_segment", 1);
            let possible = bought.segments(entry.shopper, (entry.sent_us(), entry.acked_us()), Some(entry));
            if !possible.iter().any(|segment| sale.segments.iter().any(|name| name == segment)) {
                let text = format!(
                    "claim {} is of a shopper who is {}, and the sale for {}",
                    entry.told.claim,
                    possible.join(" or "),
                    sale.segments.join(", ")
                );
                verdict.find("right_segment", text, entry.operations(), vec![]);
            }
        }
    }
    for op in history.operations.iter().filter(|op| op.kind.is_claim()) {
        let Outcome::Refused { code, .. } = &op.outcome else { continue };
        let Some(sale) = history.sales.get(op.sale as usize) else { continue };
        match code.as_str() {
            "too_far" | "location_required" => far(op, sale, terms, verdict),
            "not_eligible" => {
                verdict.examine("right_segment", 1);
                let possible = bought.segments(op.shopper, (op.sent_us, op.done_us), None);
                let fits = |segment: &&str| {
                    sale.segments.is_empty() || sale.segments.iter().any(|name| name == segment)
                };
                if possible.iter().all(fits) {
                    let text = format!("a shopper who is {} was not eligible", possible.join(" or "));
                    verdict.find("right_segment", text, vec![op.id], vec![]);
                }
            }
            _ => {}
        }
    }
}

/// Accepted means that the shopper was within the radius that was in force.
fn near(entry: &Entry<'_>, sale: &Sale, terms: &Terms<'_>, verdict: &mut Verdict) {
    let radii = terms.claim_within_m(entry.sale, sale, (entry.sent_us(), entry.acked_us()));
    // Where there may have been no radius, everything goes.
    let Some(radii) = radii.into_iter().collect::<Option<Vec<f64>>>() else { return };
    let most_m = radii.into_iter().fold(0.0, f64::max);
    verdict.examine("within_claim_radius", 1);
    // Without a place in the claim a live session's own counts, which is not looked at here.
    if entry.asked.iter().any(|op| op.kind == Kind::LiveClaim && op.location.is_none()) {
        return;
    }
    let away = |location: Location| distance_m(location, sale.location);
    let nearest_m = entry.asked.iter().filter_map(|op| op.location).map(away).reduce(f64::min);
    if nearest_m.is_none_or(|nearest_m| nearest_m > most_m + SLACK_M) {
        let text = match nearest_m {
            Some(away_m) => {
                format!("claim {} was accepted from {away_m:.2} m away, beyond {most_m} m", entry.told.claim)
            }
            None => format!("claim {} was accepted from nowhere, within {most_m} m", entry.told.claim),
        };
        verdict.find("within_claim_radius", text, entry.operations(), vec![]);
    }
}

/// "Too far" is said only from beyond a radius that may have been in force.
fn far(op: &Operation, sale: &Sale, terms: &Terms<'_>, verdict: &mut Verdict) {
    let radii = terms.claim_within_m(op.sale, sale, (op.sent_us, op.done_us));
    verdict.examine("within_claim_radius", 1);
    let least_m = radii.iter().flatten().copied().reduce(f64::min);
    let is_wrong = match (least_m, op.location, &op.outcome) {
        (None, _, _) => true,
        (Some(_), Some(_), Outcome::Refused { code, .. }) if code == "location_required" => true,
        (Some(least_m), Some(place), _) => distance_m(place, sale.location) < least_m - SLACK_M,
        (Some(_), None, _) => false,
    };
    if is_wrong {
        let text = "a claim was refused for its place, which is near enough".to_owned();
        verdict.find("within_claim_radius", text, vec![op.id], vec![]);
    }
}

/// When shoppers' claims were confirmed.
struct Bought {
    /// By shopper: confirmed from here on for sure.
    surely: HashMap<u32, Vec<Micros>>,
    /// By shopper: confirmed from here on at the earliest, if at all.
    maybe: HashMap<u32, Vec<Micros>>,
}

impl Bought {
    fn of(history: &History, book: &Book<'_>) -> Self {
        let (mut surely, mut maybe) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for entry in book.entries.values() {
            let confirms = || entry.acts.iter().filter(|act| act.kind == Kind::Confirm);
            let (done_us, sent_us) = match entry.told.hold_expires_us {
                None => (Some(entry.acked_us()), Some(entry.sent_us())),
                Some(_) => (
                    confirms().filter(|act| act.is_ok()).map(|act| act.done_us).min(),
                    confirms().filter(|act| act.is_ok() || act.is_unknown()).map(|act| act.sent_us).min(),
                ),
            };
            surely.entry(entry.shopper).or_default().extend(done_us);
            maybe.entry(entry.shopper).or_default().extend(sent_us);
        }
        // A claim that nobody knows about may have been confirmed at once.
        for (&(shopper, sale, _), asked) in &book.keys {
            let at_once = history.sales.get(sale as usize).is_some_and(|sale| sale.hold_seconds == 0);
            if at_once && !asked.iter().any(|op| op.is_ok()) {
                let unknown = asked.iter().filter(|op| op.is_unknown()).map(|op| op.sent_us).min();
                maybe.entry(shopper).or_default().extend(unknown);
            }
        }
        Self { surely, maybe }
    }

    /// The segments in which the shopper may have been at some moment between the two.
    ///
    /// `own` is the claim that is looked at, where it was accepted: it is decided before it is confirmed itself.
    fn segments(
        &self,
        shopper: u32,
        (from_us, to_us): (Micros, Micros),
        own: Option<&Entry<'_>>,
    ) -> Vec<&'static str> {
        let count = |of: &HashMap<u32, Vec<Micros>>, until_us: Micros| {
            of.get(&shopper).map_or(0, |times| times.iter().filter(|at_us| **at_us <= until_us).count())
        };
        let own = usize::from(own.is_some_and(|entry| entry.told.hold_expires_us.is_none()));
        let least = count(&self.surely, from_us);
        let most = count(&self.maybe, to_us).saturating_sub(own).max(least);
        let named: BTreeMap<usize, &'static str> = (least..=most.min(least + FREQUENT))
            .map(|count| match count {
                0 => (0, "new"),
                1..FREQUENT => (1, "regular"),
                _ => (2, "frequent"),
            })
            .collect();
        named.into_values().collect()
    }
}
