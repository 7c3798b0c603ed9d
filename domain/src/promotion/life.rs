//! The merchant's decisions: edit, publish, pause, resume, cancel.

use super::{Promotion, Status};
use crate::claim::ClaimStatus;
use crate::event::Event;
use crate::geo::Reach;
use crate::money::Money;
use crate::segment::Segments;
use crate::terms::{Terms, Violation};
use crate::time::{Now, UnixMillis};

/// Why a merchant's decision is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LifeRefusal {
    /// The promotion is in a state from which this can't be done.
    #[error("a {} promotion can't do this", status.as_str())]
    WrongState {
        /// The state it is in.
        status: Status,
    },
    /// The new stock is below what is held and sold.
    #[error("stock can't be lowered below the {committed} units held and sold")]
    StockBelowCommitted {
        /// Units held and sold.
        committed: u32,
    },
    /// A field of a running promotion that can't change any more.
    #[error("{field} can't change once the promotion has started")]
    Fixed {
        /// JSON pointer of the field.
        field: &'static str,
    },
    /// The end lies in the past.
    #[error("the end lies in the past")]
    EndsInThePast,
    /// Bounds broken by the terms that would result.
    #[error("the terms break bounds")]
    Invalid(Vec<Violation>),
}

/// An edit: what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TermsPatch {
    /// New price; claims made before keep theirs.
    pub price: Option<Money>,
    /// New stock, up or down.
    pub stock: Option<u32>,
    /// New limit (`Some(None)` = no limit).
    pub per_shopper_limit: Option<Option<u32>>,
    /// New start; only before the start.
    pub starts_at: Option<UnixMillis>,
    /// New end.
    pub ends_at: Option<UnixMillis>,
    /// New reach.
    pub reach_m: Option<u32>,
    /// New claim radius (`Some(None)` = anywhere).
    pub claim_within_m: Option<Option<u32>>,
    /// New hold, for claims from now on.
    pub hold_seconds: Option<u32>,
    /// New segments.
    pub segments: Option<Segments>,
    /// New category.
    pub category: Option<Option<String>>,
}

impl TermsPatch {
    /// The terms that result.
    pub fn apply(&self, terms: &Terms) -> Terms {
        Terms {
            price: self.price.unwrap_or(terms.price),
            original_price: terms.original_price,
            stock: self.stock.unwrap_or(terms.stock),
            per_shopper_limit: self.per_shopper_limit.unwrap_or(terms.per_shopper_limit),
            starts_at: self.starts_at.unwrap_or(terms.starts_at),
            ends_at: self.ends_at.unwrap_or(terms.ends_at),
            reach_m: self.reach_m.unwrap_or(terms.reach_m),
            claim_within_m: self.claim_within_m.unwrap_or(terms.claim_within_m),
            hold_seconds: self.hold_seconds.unwrap_or(terms.hold_seconds),
            segments: self.segments.unwrap_or(terms.segments),
            category: self.category.clone().unwrap_or_else(|| terms.category.clone()),
        }
    }
}

impl Promotion {
    /// Changes the terms. A patch that changes nothing is accepted and makes no new version.
    ///
    /// # Errors
    /// `WrongState` when ended or cancelled; `Fixed`, `EndsInThePast`, `StockBelowCommitted`, `Invalid`. Nothing
    /// changes then.
    pub fn edit(&mut self, patch: &TermsPatch, now: Now) -> Result<(), LifeRefusal> {
        let now = self.observe(now);
        self.advance(now);
        let status = self.record.counters.status;
        if matches!(status, Status::Ended | Status::Cancelled) {
            return Err(LifeRefusal::WrongState { status });
        }
        let old = &self.record.terms;
        let new = patch.apply(old);
        let started = matches!(status, Status::Live | Status::Paused);
        if started && new.starts_at != old.starts_at {
            return Err(LifeRefusal::Fixed { field: "/starts_at" });
        }
        if status != Status::Draft && new.ends_at != old.ends_at && new.ends_at <= now.wall {
            return Err(LifeRefusal::EndsInThePast);
        }
        let violations = new.violations();
        if !violations.is_empty() {
            return Err(LifeRefusal::Invalid(violations));
        }
        let committed = self.record.counters.held + self.record.counters.sold;
        if new.stock < committed {
            return Err(LifeRefusal::StockBelowCommitted { committed });
        }
        if new != *old {
            self.replace_terms(new, now.wall);
            self.cross_edges(now.wall);
        }
        Ok(())
    }

    fn replace_terms(&mut self, terms: Terms, wall: UnixMillis) {
        let remaining_before = self.record.remaining();
        self.claim_reach = terms.claim_within_m.map(|m| Reach::new(f64::from(m)));
        self.record.terms = terms;
        let v = self.bump(wall);
        self.pending.terms_changed = true;
        self.pending.events.push((v, Event::Edited));
        let live = self.record.counters.status == Status::Live;
        match (remaining_before, self.record.remaining()) {
            (0, 1..) if live => self.pending.events.push((v, Event::BackInStock)),
            (1.., 0) if live => self.pending.events.push((v, Event::SoldOut)),
            _ => {}
        }
    }

    /// Publishes a draft: it is scheduled, or live if its start has passed.
    ///
    /// # Errors
    /// `WrongState` unless it is a draft; `EndsInThePast`.
    pub fn publish(&mut self, now: Now) -> Result<(), LifeRefusal> {
        let now = self.observe(now);
        self.require(&[Status::Draft])?;
        if self.record.terms.ends_at <= now.wall {
            return Err(LifeRefusal::EndsInThePast);
        }
        self.enter(Status::Scheduled, Event::Launched, now.wall);
        self.cross_edges(now.wall);
        Ok(())
    }

    /// Stops accepting claims for now.
    ///
    /// # Errors
    /// `WrongState` unless it is live.
    pub fn pause(&mut self, now: Now) -> Result<(), LifeRefusal> {
        let now = self.observe(now);
        self.advance(now);
        self.require(&[Status::Live])?;
        self.enter(Status::Paused, Event::Paused, now.wall);
        Ok(())
    }

    /// Accepts claims again.
    ///
    /// # Errors
    /// `WrongState` unless it is paused.
    pub fn resume(&mut self, now: Now) -> Result<(), LifeRefusal> {
        let now = self.observe(now);
        self.advance(now);
        self.require(&[Status::Paused])?;
        self.enter(Status::Live, Event::Resumed, now.wall);
        Ok(())
    }

    /// Calls the promotion off: held claims are cancelled, confirmed ones stay.
    ///
    /// # Errors
    /// `WrongState` when it has ended or was cancelled.
    pub fn cancel(&mut self, now: Now) -> Result<(), LifeRefusal> {
        let now = self.observe(now);
        self.advance(now);
        self.require(&[Status::Draft, Status::Scheduled, Status::Live, Status::Paused])?;
        if self.record.counters.status == Status::Draft {
            self.record.counters.withdrawn = true;
            // Stores write what hides a promotion with its terms, so that commits of claims need not carry it.
            self.pending.terms_changed = true;
        }
        self.enter(Status::Cancelled, Event::Cancelled, now.wall);
        for place in self.claims.held() {
            self.release(place, ClaimStatus::Cancelled, now.wall);
        }
        Ok(())
    }

    fn require(&self, allowed: &[Status]) -> Result<(), LifeRefusal> {
        let status = self.record.counters.status;
        if allowed.contains(&status) { Ok(()) } else { Err(LifeRefusal::WrongState { status }) }
    }
}
