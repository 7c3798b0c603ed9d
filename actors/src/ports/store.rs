//! The engine's store: what promotion owners need to be durable.
//!
//! Guarantees that an adapter gives (the conformance suite checks each):
//! * A commit is one transaction. Per promotion it applies if and only if the stored epoch and `commit_seq` are the ones
//!   it names (checked by the UPDATE that also writes); otherwise nothing of that promotion is applied and it is
//!   reported stale, while the rest of the batch applies.
//! * `load` raises the epoch first, under the same row lock as commits, commits that, then reads: after it returns, a
//!   commit of an earlier epoch changes nothing, also one that is still in flight.
//! * An error says whether certainly nothing was applied (`Unavailable`, `Broken`) or nobody knows (`OutcomeUnknown`:
//!   any I/O error of COMMIT). After an unknown outcome the connection is opened afresh.

use super::{Answer, PortError};
use flash_domain::claim::Claim;
use flash_domain::event::Event;
use flash_domain::ids::{ClaimId, EventId, PromotionId, UserId};
use flash_domain::promotion::{Counters, PromotionRecord};
use flash_domain::terms::Terms;
use flash_domain::time::UnixMillis;
use std::sync::Arc;

/// One promotion's part of a batch: everything its owner decided since its last commit.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Which promotion.
    pub promotion_id: PromotionId,
    /// The owner's incarnation.
    pub epoch: i64,
    /// The `commit_seq` that this builds on.
    pub base_seq: i64,
    /// The `commit_seq` after it, > `base_seq`.
    pub seq: i64,
    /// The counters after it.
    pub counters: Counters,
    /// The terms after it, if they were edited.
    pub terms: Option<Box<Terms>>,
    /// Claims that were made or changed, at most one per id. One that [`Claim::is_new`] is new to the store; any other is
    /// most likely there already.
    pub claims: Vec<Claim>,
    /// Events for the outbox, in order.
    pub events: Vec<OutboxEvent>,
}

/// An event on its way out.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxEvent {
    /// Its id; consumers deduplicate by it.
    pub id: EventId,
    /// The promotion it is about; events of one promotion go out in order of `v`, then of insertion.
    pub promotion_id: PromotionId,
    /// The version it belongs to.
    pub v: u64,
    /// What happened.
    pub event: Event,
    /// When.
    pub created_at: UnixMillis,
}

/// A batch that was committed.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    /// Promotions whose part was not applied since another owner is in charge.
    pub stale: Vec<PromotionId>,
}

/// A promotion with everything its owner needs.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The record.
    pub record: PromotionRecord,
    /// All claims of it, in any order.
    pub claims: Vec<Claim>,
    /// The epoch that this load raised to.
    pub epoch: i64,
    /// The last applied `commit_seq`.
    pub commit_seq: i64,
}

/// A promotion that needs an owner by itself: live, paused, near its start or end, or with open holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wakeful {
    /// Which.
    pub id: PromotionId,
    /// When it next needs its owner (start, end, or now).
    pub at: UnixMillis,
}

/// What `audit` found.
#[derive(Clone, Debug, Default)]
pub struct AuditReport {
    /// Promotions examined.
    pub promotions: u64,
    /// Claims examined.
    pub claims: u64,
    /// The first disagreement, as a sentence with ids and both numbers.
    pub disagreement: Option<String>,
}

/// The engine's store. See the module for the guarantees.
pub trait Store: Send + Sync + 'static {
    /// Commits a batch, at most one [`Commit`] per promotion. Shared, since the caller settles by it afterwards.
    fn commit(&self, batch: Vec<Arc<Commit>>) -> Answer<'_, Result<Committed, PortError>>;
    /// Raises the epoch and loads; `None` if there is no such promotion.
    fn load(&self, id: PromotionId) -> Answer<'_, Result<Option<Loaded>, PortError>>;
    /// Promotions that are live or paused, have held claims, or (scheduled) start before `horizon`; by id after `after`, at most `limit`.
    fn wakeful(
        &self,
        horizon: UnixMillis,
        after: Option<PromotionId>,
        limit: u32,
    ) -> Answer<'_, Result<Vec<Wakeful>, PortError>>;
    /// The durable record of a promotion, without taking it over.
    fn peek(&self, id: PromotionId) -> Answer<'_, Result<Option<PromotionRecord>, PortError>>;
    /// Whose claim of which promotion this is; both never change.
    fn locate_claim(&self, id: ClaimId) -> Answer<'_, Result<Option<(PromotionId, UserId)>, PortError>>;
    /// The oldest events that wait in the outbox, in order.
    fn outbox_waiting(&self, limit: u32) -> Answer<'_, Result<Vec<OutboxEvent>, PortError>>;
    /// Marks events as handed over.
    fn outbox_done(&self, ids: Vec<EventId>, at: UnixMillis) -> Answer<'_, Result<(), PortError>>;
    /// Re-derives every promotion's counters from its claims in one read snapshot.
    fn audit(&self) -> Answer<'_, Result<AuditReport, PortError>>;
    /// Answers if the store can be written to right now.
    fn ping(&self) -> Answer<'_, Result<(), PortError>>;
}
