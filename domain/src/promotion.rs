//! The promotion state machine: one serial owner's decisions about stock, holds, limits and life cycle.
//!
//! A [`Promotion`] is told what is asked and what time it is; it answers at once and keeps what must be made
//! durable until [`Promotion::take_change`] collects it. It knows no clock, no store and no actor: whoever owns
//! it promises that decisions come one at a time, and that answers leave after their change is durable.

mod acts;
mod ask;
mod ledger;
mod life;
mod record;

pub use ask::ClaimAsk;
pub use life::{LifeRefusal, TermsPatch};
pub use record::{Change, Counters, ProductCopy, PromotionRecord, Status, StoreCopy};

use crate::claim::{Claim, ClaimStatus};
use crate::event::Event;
use crate::geo::{Reach, UnitVector};
use crate::ids::UserId;
use crate::time::{MonoMillis, Now, UnixMillis};
use ledger::{Kept, Ledger, Place};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// One flash sale, as its owner holds it: the record, every claim of it, and what is not yet collected.
pub struct Promotion {
    record: PromotionRecord,
    /// Where the store is, for the distance decision.
    store_point: UnitVector,
    /// The claim radius as a precomputed decision; `None` = anywhere.
    claim_reach: Option<Reach>,
    claims: Ledger,
    /// Units held, confirmed or redeemed per shopper; shoppers with none are absent.
    units: HashMap<UserId, u32>,
    /// Deadlines of holds; entries of holds that ended otherwise are dropped when they surface.
    deadlines: BinaryHeap<Reverse<(MonoMillis, Place)>>,
    /// Decisions' results that nobody has collected yet.
    pending: Change,
}

impl Promotion {
    /// Takes over a promotion from its stored form. Holds run on from `now`: what the wall clock leaves of them
    /// becomes monotonic time.
    pub fn load(record: PromotionRecord, claims: Vec<Claim>, now: Now) -> Self {
        let now = Now { wall: now.wall.max(record.counters.decided_at), ..now };
        let mut promotion = Self {
            store_point: record.store.location.unit_vector(),
            claim_reach: record.terms.claim_within_m.map(|m| Reach::new(f64::from(m))),
            claims: Ledger::new(record.id, record.store.id, claims.len()),
            units: HashMap::with_capacity(claims.len()),
            deadlines: BinaryHeap::new(),
            pending: Change::default(),
            record,
        };
        for claim in &claims {
            let place = promotion.index(claim);
            if claim.status == ClaimStatus::Held {
                let left_ms = claim.hold_expires_at.map_or(0, |at| at - now.wall).max(0);
                promotion.deadlines.push(Reverse((now.mono + left_ms, place)));
            }
        }
        promotion
    }

    /// The record as decided (which may be ahead of what is durable).
    pub fn record(&self) -> &PromotionRecord {
        &self.record
    }

    /// Whether decisions wait to be collected.
    pub fn has_change(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Claims ever made, whatever became of them.
    pub fn claims_made(&self) -> u64 {
        self.claims.len() as u64
    }

    /// Whether it is live or paused: within its window.
    pub fn is_running(&self) -> bool {
        matches!(self.record.counters.status, Status::Live | Status::Paused)
    }

    /// Whether any claim is held right now.
    pub fn has_open_holds(&self) -> bool {
        self.record.counters.held > 0
    }

    /// Collects what the decisions since the last call have changed; `None` if nothing did.
    pub fn take_change(&mut self) -> Option<Change> {
        if self.pending.is_empty() {
            return None;
        }
        let mut change = std::mem::take(&mut self.pending);
        change.counters = self.record.counters;
        if change.terms_changed {
            change.terms = Some(Box::new(self.record.terms.clone()));
        }
        Some(change)
    }

    /// Milliseconds until something happens by itself (start, end, the next expiry); 0 if it is due, `None` if
    /// nothing will.
    pub fn wake_in_ms(&mut self, now: Now) -> Option<u64> {
        let wall = now.wall.max(self.record.counters.decided_at);
        let edge = match self.record.counters.status {
            Status::Scheduled => Some(self.record.terms.starts_at - wall),
            Status::Live | Status::Paused => Some(self.record.terms.ends_at - wall),
            Status::Draft | Status::Ended | Status::Cancelled => None,
        };
        let hold = self.next_deadline().map(|deadline| deadline - now.mono);
        let wait = match (edge, hold) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        wait.map(|ms| u64::try_from(ms).unwrap_or(0))
    }

    /// Lets everything happen that is due: start, end, expiries. Every decision begins with it, so timers only
    /// have to be roughly right.
    pub fn advance(&mut self, now: Now) {
        let now = self.observe(now);
        self.cross_edges(now.wall);
        self.expire_due(now);
    }

    /// Owner time never goes back: the wall clock, or the last decision's if that is later.
    fn observe(&mut self, now: Now) -> Now {
        Now { wall: now.wall.max(self.record.counters.decided_at), ..now }
    }

    /// Starts and ends. Both take the next version as a function of stored state and time, so that every owner,
    /// also the next one after a crash, gives the same version to the same start.
    fn cross_edges(&mut self, wall: UnixMillis) {
        if self.record.counters.status == Status::Scheduled && wall >= self.record.terms.starts_at {
            self.enter(Status::Live, Event::Started, self.record.terms.starts_at);
        }
        if matches!(self.record.counters.status, Status::Live | Status::Paused)
            && wall >= self.record.terms.ends_at
        {
            self.enter(Status::Ended, Event::Ended, self.record.terms.ends_at);
        }
    }

    fn enter(&mut self, status: Status, event: Event, at: UnixMillis) {
        self.record.counters.status = status;
        self.bump(at);
        self.pending.events.push((self.record.counters.v, event));
    }

    /// Takes the next version and notes when the owner decided.
    fn bump(&mut self, at: UnixMillis) -> u64 {
        let counters = &mut self.record.counters;
        counters.v += 1;
        counters.decided_at = counters.decided_at.max(at);
        self.pending.touched = true;
        counters.v
    }

    fn next_deadline(&mut self) -> Option<MonoMillis> {
        while let Some(&Reverse((deadline, place))) = self.deadlines.peek() {
            if self.claims.kept(place).is_some_and(|kept| kept.status() == ClaimStatus::Held) {
                return Some(deadline);
            }
            self.deadlines.pop();
        }
        None
    }

    fn expire_due(&mut self, now: Now) {
        while let Some(deadline) = self.next_deadline() {
            if deadline > now.mono {
                break;
            }
            let Some(Reverse((_, place))) = self.deadlines.pop() else { break };
            self.release(place, ClaimStatus::Expired, now.wall);
        }
    }

    /// Ends a hold and returns its units, once.
    fn release(&mut self, place: Place, status: ClaimStatus, wall: UnixMillis) -> Option<Claim> {
        let was_empty = self.record.remaining() == 0;
        let v = self.bump(wall);
        debug_assert_eq!(self.claims.kept(place).map(Kept::status), Some(ClaimStatus::Held));
        let claim = self.claims.move_on(place, status, v, wall)?;
        self.record.counters.held -= claim.quantity;
        if let Some(units) = self.units.get_mut(&claim.user_id) {
            *units -= claim.quantity;
            if *units == 0 {
                self.units.remove(&claim.user_id);
            }
        }
        self.pending.claims.push(claim.clone());
        if was_empty && self.record.counters.status == Status::Live {
            self.pending.events.push((v, Event::BackInStock));
        }
        Some(claim)
    }

    fn index(&mut self, claim: &Claim) -> Place {
        if claim.status.occupies() {
            *self.units.entry(claim.user_id).or_default() += claim.quantity;
        }
        self.claims.add(claim)
    }
}
