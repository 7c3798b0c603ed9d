//! Claiming: the decision that a flash sale is about.

use super::{Promotion, Status};
use crate::claim::{Claim, ClaimRefusal, ClaimStatus};
use crate::event::Event;
use crate::geo::Location;
use crate::ids::{ClaimId, UserId};
use crate::segment::Segment;
use crate::time::{Now, UnixMillis};
use std::cmp::Reverse;

/// A shopper's request for units. Id and code are made by the caller, who has the randomness.
#[derive(Clone, Debug)]
pub struct ClaimAsk<'a> {
    /// Who asks.
    pub user_id: UserId,
    /// Units, ≥ 1.
    pub quantity: u32,
    /// The request's key, 1 to 255 characters.
    pub idempotency_key: &'a str,
    /// Where the shopper is, as far as known.
    pub location: Option<Location>,
    /// The shopper's segment at this moment. Looked at only where the terms name segments.
    pub segment: Segment,
    /// The id that the claim gets if it is accepted.
    pub claim_id: ClaimId,
    /// The code that the claim gets if it is accepted.
    pub redemption_code: &'a str,
}

impl Promotion {
    /// Decides a claim. An accepted request that is repeated with its key gets its first answer again, whatever
    /// happened since.
    ///
    /// # Errors
    /// The first refusal in the order of [`ClaimRefusal`]'s variants. A refusal changes nothing and uses up no key.
    pub fn claim(&mut self, ask: &ClaimAsk<'_>, now: Now) -> Result<Claim, ClaimRefusal> {
        let now = self.observe(now);
        self.advance(now);
        let earlier = self.claims.find_by_key(ask.user_id, ask.idempotency_key);
        if let Some(first) = earlier.and_then(|place| self.claims.claim(place)) {
            let same = first.quantity == ask.quantity;
            return if same { Ok(first.first_answer()) } else { Err(ClaimRefusal::KeyReused) };
        }
        self.refuse_by_state()?;
        self.refuse_by_person(ask)?;
        self.refuse_by_stock(ask.quantity, now)?;
        Ok(self.accept(ask, now))
    }

    fn refuse_by_state(&self) -> Result<(), ClaimRefusal> {
        match self.record.counters.status {
            Status::Live => Ok(()),
            Status::Draft | Status::Scheduled => {
                Err(ClaimRefusal::NotStarted { starts_at: self.record.terms.starts_at })
            }
            Status::Paused => Err(ClaimRefusal::Paused),
            Status::Ended => Err(ClaimRefusal::Ended),
            Status::Cancelled => Err(ClaimRefusal::Cancelled),
        }
    }

    fn refuse_by_person(&self, ask: &ClaimAsk<'_>) -> Result<(), ClaimRefusal> {
        let terms = &self.record.terms;
        if !terms.segments.admits(ask.segment) {
            return Err(ClaimRefusal::NotEligible);
        }
        if let (Some(reach), Some(claim_within_m)) = (&self.claim_reach, terms.claim_within_m) {
            let location = ask.location.ok_or(ClaimRefusal::LocationRequired)?;
            let point = location.unit_vector();
            if !reach.within(&self.store_point, &point) {
                // Rounded up, and never down to the radius itself: the answer must not contradict the refusal.
                let distance_m = location.distance_m(self.record.store.location).ceil() as u32;
                return Err(ClaimRefusal::TooFar {
                    distance_m: distance_m.max(claim_within_m + 1),
                    claim_within_m,
                });
            }
        }
        if let Some(limit) = terms.per_shopper_limit {
            let units = self.units.get(&ask.user_id).copied().unwrap_or(0);
            if u64::from(units) + u64::from(ask.quantity) > u64::from(limit) {
                return Err(ClaimRefusal::LimitReached { limit });
            }
        }
        Ok(())
    }

    fn refuse_by_stock(&mut self, quantity: u32, now: Now) -> Result<(), ClaimRefusal> {
        let remaining = self.record.remaining();
        if quantity <= remaining {
            return Ok(());
        }
        // Held units may return only if they, with what is left, are enough for this request.
        let may_return = u64::from(remaining) + u64::from(self.record.counters.held) >= u64::from(quantity);
        match self.next_deadline() {
            Some(deadline) if may_return => {
                let retry_after_ms = u64::try_from(deadline - now.mono).unwrap_or(0).max(1);
                Err(ClaimRefusal::AllHeld { remaining, retry_after_ms })
            }
            _ => Err(ClaimRefusal::SoldOut { remaining }),
        }
    }

    fn accept(&mut self, ask: &ClaimAsk<'_>, now: Now) -> Claim {
        let hold_ms = i64::from(self.record.terms.hold_seconds) * 1000;
        let v = self.bump(now.wall);
        let held = hold_ms > 0;
        let claim = Claim {
            id: ask.claim_id,
            promotion_id: self.record.id,
            store_id: self.record.store.id,
            user_id: ask.user_id,
            status: if held { ClaimStatus::Held } else { ClaimStatus::Confirmed },
            quantity: ask.quantity,
            unit_price: self.record.terms.price,
            hold_expires_at: held.then(|| now.wall.plus_ms(hold_ms)),
            redemption_code: ask.redemption_code.into(),
            idempotency_key: ask.idempotency_key.into(),
            first_v: v,
            v,
            created_at: now.wall,
            confirmed_at: (!held).then_some(now.wall),
            closed_at: None,
        };
        let place = self.index(&claim);
        if held {
            self.record.counters.held += ask.quantity;
            self.deadlines.push(Reverse((now.mono + hold_ms, place)));
        } else {
            self.record.counters.sold += ask.quantity;
            self.note_confirmed(&claim, v);
        }
        if self.record.remaining() == 0 {
            self.pending.events.push((v, Event::SoldOut));
        }
        self.pending.claims.push(claim.clone());
        claim
    }

    pub(super) fn note_confirmed(&mut self, claim: &Claim, v: u64) {
        self.pending.events.push((v, Event::ClaimConfirmed { claim_id: claim.id, user_id: claim.user_id }));
    }

    /// Milliseconds until `at` on the owner's wall clock, at least 0.
    pub fn ms_until(&self, at: UnixMillis, now: Now) -> u64 {
        u64::try_from(at - now.wall.max(self.record.counters.decided_at)).unwrap_or(0)
    }
}
