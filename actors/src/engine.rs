//! The engine: what the edges may ask of promotions. Finds the owner, takes the decision in place, waits for
//! durability, and tries once more where it met an owner that was closing.

use crate::directory::{Directory, NoOwner};
use crate::feed::Feed;
use crate::lane::{Outcome, Settlement};
use crate::limits::*;
use crate::owner::{Decision, DirtyOwners, NotServing, OwnerCell};
use crate::persistence::{CommitCounts, Drain, Persistence};
use crate::ports::PortError;
use crate::ports::accounts::Accounts;
use crate::ports::clock::{SharedClock, SharedMint};
use crate::ports::store::Store;
use actix::{Actor, ArbiterHandle};
use flash_domain::claim::{ActRefusal, Claim, ClaimRefusal};
use flash_domain::geo::Location;
use flash_domain::ids::{ClaimId, PromotionId, UserId};
use flash_domain::promotion::{ClaimAsk, LifeRefusal, Promotion, PromotionRecord, TermsPatch};
use flash_domain::segment::Segment;
use flash_domain::time::{Now, UnixMillis};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

/// A shopper's request for units.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// Of which promotion.
    pub promotion_id: PromotionId,
    /// Who asks.
    pub user_id: UserId,
    /// Units, ≥ 1.
    pub quantity: u32,
    /// The request's key, 1 to 255 characters without control characters.
    pub idempotency_key: String,
    /// Where the shopper is, as far as known.
    pub location: Option<Location>,
}

/// Why the engine did not do what was asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EngineError<R> {
    /// The promotion's own decision.
    #[error("refused")]
    Refused(R),
    /// No such promotion or claim (for this person).
    #[error("not found")]
    NotFound,
    /// Too many wait already; nothing happened.
    #[error("overloaded")]
    Overloaded {
        /// When to try again.
        retry_after_ms: u64,
    },
    /// It may or may not have happened: repeat the request with the same key.
    #[error("the outcome is unknown")]
    OutcomeUnknown,
    /// Certainly nothing happened.
    #[error("unavailable")]
    Unavailable {
        /// When to try again.
        retry_after_ms: u64,
    },
}

/// Numbers for metrics and readiness.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineObservation {
    /// Whether every promotion that needs an owner by itself has one.
    pub ready: bool,
    /// Owners that are awake.
    pub owners: u64,
    /// Owners replaced after a panic or a failed commit, since the start.
    pub reloads: u64,
    /// Transactions committed, since the start.
    pub batches: u64,
    /// Promotions' commits in them.
    pub commits: u64,
    /// Claims written.
    pub claims: u64,
    /// Commits that certainly failed.
    pub failed: u64,
    /// Commits of unknown outcome.
    pub unknown: u64,
    /// Commits refused since another owner is in charge.
    pub stale: u64,
}

/// What the engine is made of.
pub struct EngineParts {
    /// The engine's store.
    pub store: Arc<dyn Store>,
    /// Only for segments.
    pub accounts: Arc<dyn Accounts>,
    /// The live edge.
    pub feed: Arc<dyn Feed>,
    /// The clocks.
    pub clock: SharedClock,
    /// Ids and codes.
    pub mint: SharedMint,
    /// Where promotion actors run.
    pub promotions: ArbiterHandle,
    /// Where persistence runs.
    pub persistence: ArbiterHandle,
    /// Whether promotions wake at their own moments. Without timers only [`Engine::wake`] does that; it is how a test proves
    /// that the check job is a safety net.
    pub timers: bool,
}

struct Inner {
    directory: Directory,
    store: Arc<dyn Store>,
    accounts: Arc<dyn Accounts>,
    clock: SharedClock,
    mint: SharedMint,
    dirty: Arc<DirtyOwners>,
    counts: Arc<CommitCounts>,
    drain: Arc<Drain>,
    ready: AtomicBool,
    closed: AtomicBool,
}

/// What a claim met at its promotion's owner.
enum Met {
    Hidden,
    /// The terms name segments, and the shopper's is not known yet.
    SegmentMatters,
    Decided(Result<Claim, ClaimRefusal>),
}

/// The engine. Clones are cheap and are one engine.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

/// How often a request is sent again when it meets an owner that is closing or reloading.
const TRIES: usize = 4;

impl Engine {
    /// Starts persistence and the directory's watch on their arbiters.
    pub fn start(parts: EngineParts) -> Self {
        let dirty = Arc::new(DirtyOwners::default());
        let counts = Arc::new(CommitCounts::default());
        let drain = Arc::new(Drain::default());
        let directory = Directory::new(
            parts.store.clone(),
            parts.feed.clone(),
            parts.clock.clone(),
            dirty.clone(),
            parts.promotions.clone(),
            parts.timers,
        );
        let persistence = Persistence::new(
            parts.store.clone(),
            parts.feed,
            parts.mint.clone(),
            dirty.clone(),
            counts.clone(),
            drain.clone(),
        );
        parts.persistence.spawn_fn(move || {
            persistence.start();
        });
        parts.promotions.spawn(directory.clone().watch());
        Self(Arc::new(Inner {
            directory,
            store: parts.store,
            accounts: parts.accounts,
            clock: parts.clock,
            mint: parts.mint,
            dirty,
            counts,
            drain,
            ready: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }))
    }

    /// Gives an owner to every promotion that needs one by itself, and has those that have one look whether something is due:
    /// whatever happened to a timer, a sale starts and ends with the next call. Says how many got an owner. The engine is
    /// ready after the first time.
    ///
    /// # Errors
    /// The store's.
    pub async fn wake(&self) -> Result<u64, PortError> {
        let horizon = self.now().wall.plus_ms(NEAR_MS);
        let mut after = None;
        let mut woken = 0;
        loop {
            let page = self.0.store.wakeful(horizon, after, SCAN_PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            let mut sleeping = Vec::new();
            for wakeful in &page {
                match self.0.directory.awake(wakeful.id) {
                    Some(owner) => owner.nudge(),
                    None => sleeping.push(wakeful.id),
                }
            }
            woken += sleeping.len() as u64;
            let loads = sleeping.into_iter().map(|id| self.0.directory.owner(id));
            futures_util::future::join_all(loads).await;
        }
        self.0.ready.store(true, Ordering::Release);
        Ok(woken)
    }

    /// Claims units. A repetition of an accepted request gets its first answer.
    ///
    /// # Errors
    /// The refusal, or see [`EngineError`].
    pub async fn claim(&self, request: ClaimRequest) -> Result<Claim, EngineError<ClaimRefusal>> {
        let mut segment = None;
        for _ in 0..TRIES {
            let owner = self.owner(request.promotion_id).await?;
            let now = self.now();
            let code = self.0.mint.code(now.wall);
            let ask = ClaimAsk {
                user_id: request.user_id,
                quantity: request.quantity,
                idempotency_key: &request.idempotency_key,
                location: request.location,
                segment: segment.unwrap_or(Segment::New),
                claim_id: ClaimId(self.0.mint.uuid(now.wall)),
                redemption_code: &code,
            };
            let decision = owner.decide(
                now,
                |promotion| {
                    let record = promotion.record();
                    if record.is_hidden() {
                        Met::Hidden
                    } else if segment.is_none() && !record.terms.segments.is_everybody() {
                        Met::SegmentMatters
                    } else {
                        Met::Decided(promotion.claim(&ask, now))
                    }
                },
                |met| matches!(met, Met::Decided(Ok(_))),
            );
            match decision {
                Ok(Decision { value: Met::Decided(result), settlement }) => {
                    let claim = result.map_err(EngineError::Refused)?;
                    durable(settlement).await?;
                    return Ok(claim);
                }
                // A draft is nobody's business but its store's people's, and they don't claim.
                Ok(Decision { value: Met::Hidden, .. }) => return Err(EngineError::NotFound),
                Ok(Decision { value: Met::SegmentMatters, .. }) => {
                    let known = self.0.accounts.segment(request.user_id, now.wall).await;
                    segment = Some(known.map_err(|_| unavailable())?);
                }
                Err(reason) => self.pause_before_next_try(reason).await?,
            }
        }
        Err(unavailable())
    }

    /// Confirms one's held claim.
    ///
    /// # Errors
    /// The refusal, or see [`EngineError`].
    pub async fn confirm(&self, user: UserId, claim: ClaimId) -> Result<Claim, EngineError<ActRefusal>> {
        let promotion = self.locate(user, claim).await?;
        self.act(promotion, |promotion, now| promotion.confirm(user, claim, now)).await
    }

    /// Gives one's held claim back.
    ///
    /// # Errors
    /// The refusal, or see [`EngineError`].
    pub async fn cancel_claim(&self, user: UserId, claim: ClaimId) -> Result<Claim, EngineError<ActRefusal>> {
        let promotion = self.locate(user, claim).await?;
        self.act(promotion, |promotion, now| promotion.cancel_claim(user, claim, now)).await
    }

    /// Hands out a confirmed claim. The caller has checked who may and has found the claim.
    ///
    /// # Errors
    /// The refusal, or see [`EngineError`].
    pub async fn redeem(
        &self,
        promotion: PromotionId,
        claim: ClaimId,
    ) -> Result<Claim, EngineError<ActRefusal>> {
        self.act(promotion, |promotion, now| promotion.redeem(claim, now)).await
    }

    /// Edits the terms.
    ///
    /// # Errors
    /// The refusal, or see [`EngineError`].
    pub async fn edit(
        &self,
        id: PromotionId,
        patch: TermsPatch,
    ) -> Result<PromotionRecord, EngineError<LifeRefusal>> {
        self.live(id, |promotion, now| promotion.edit(&patch, now)).await
    }

    /// Publishes a draft.
    ///
    /// # Errors
    /// The refusal, or see [`EngineError`].
    pub async fn publish(&self, id: PromotionId) -> Result<PromotionRecord, EngineError<LifeRefusal>> {
        self.live(id, Promotion::publish).await
    }

    /// Stops accepting claims for now.
    ///
    /// # Errors
    /// The refusal, or see [`EngineError`].
    pub async fn pause(&self, id: PromotionId) -> Result<PromotionRecord, EngineError<LifeRefusal>> {
        self.live(id, Promotion::pause).await
    }

    /// Accepts claims again.
    ///
    /// # Errors
    /// The refusal, or see [`EngineError`].
    pub async fn resume(&self, id: PromotionId) -> Result<PromotionRecord, EngineError<LifeRefusal>> {
        self.live(id, Promotion::resume).await
    }

    /// Calls a promotion off.
    ///
    /// # Errors
    /// The refusal, or see [`EngineError`].
    pub async fn cancel(&self, id: PromotionId) -> Result<PromotionRecord, EngineError<LifeRefusal>> {
        self.live(id, Promotion::cancel).await
    }

    /// Gives a promotion that was just created its owner, if it is live or starts soon; otherwise the scan does in time.
    /// When this returns, the live edge has been told of it.
    pub async fn activate(&self, id: PromotionId, starts_at: UnixMillis) {
        if starts_at - self.now().wall < NEAR_MS
            && let Err(error) = self.owner::<()>(id).await
        {
            tracing::warn!(promotion = %id, %error, "a new promotion has no owner yet; the check job tries again");
        }
    }

    /// Forgets the owner of a draft that was deleted.
    pub fn forget(&self, id: PromotionId) {
        if let Some(owner) = self.0.directory.awake(id) {
            owner.close();
            self.0.directory.forget(id, &owner);
        }
    }

    /// The durable record as it is now, from the owner if it is awake, else from the store.
    ///
    /// # Errors
    /// The store's.
    pub async fn promotion(&self, id: PromotionId) -> Result<Option<PromotionRecord>, PortError> {
        let now = self.now();
        if let Some(Ok(view)) = self.0.directory.awake(id).map(|owner| owner.view(now)) {
            return Ok(Some(view));
        }
        Ok(self.0.store.peek(id).await?.map(|record| record.at(now.wall.max(record.counters.decided_at))))
    }

    /// The record as the live edge was told it last: never ahead of what was published. From the store if no owner is
    /// awake.
    ///
    /// # Errors
    /// The store's.
    pub async fn shown(&self, id: PromotionId) -> Result<Option<PromotionRecord>, PortError> {
        match self.0.directory.awake(id).and_then(|owner| owner.told().ok()) {
            Some(told) => Ok(Some(told)),
            None => self.promotion(id).await,
        }
    }

    /// The time on both clocks.
    pub fn now(&self) -> Now {
        self.0.clock.now()
    }

    /// A new id.
    pub fn new_id(&self) -> uuid::Uuid {
        self.0.mint.uuid(self.now().wall)
    }

    /// Numbers for metrics and readiness.
    pub fn observe(&self) -> EngineObservation {
        let counts = &self.0.counts;
        let read = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        EngineObservation {
            ready: self.0.ready.load(Ordering::Acquire),
            owners: self.0.directory.owners().len() as u64,
            reloads: self.0.directory.reloads(),
            batches: read(&counts.batches),
            commits: read(&counts.commits),
            claims: read(&counts.claims),
            failed: read(&counts.failed),
            unknown: read(&counts.unknown),
            stale: read(&counts.stale),
        }
    }

    /// How late promotions started, see [`Directory::start_lateness`].
    pub fn start_lateness(&self) -> crate::histogram::Snapshot {
        self.0.directory.start_lateness().snapshot()
    }

    /// What persistence did, with how long it took.
    pub fn commit_counts(&self) -> &CommitCounts {
        &self.0.counts
    }

    /// Refuses what comes from now on and waits until everything decided is durable or refused.
    pub async fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.drain.wait(&self.0.dirty).await;
    }

    async fn act(
        &self,
        id: PromotionId,
        mut what: impl FnMut(&mut Promotion, Now) -> Result<Claim, ActRefusal>,
    ) -> Result<Claim, EngineError<ActRefusal>> {
        // Also a refusal waits: what it refers to ("redeemed already") must be durable before it is told.
        self.decide(id, &mut what, |_| ()).await.map(|(claim, ())| claim)
    }

    async fn live(
        &self,
        id: PromotionId,
        mut what: impl FnMut(&mut Promotion, Now) -> Result<(), LifeRefusal>,
    ) -> Result<PromotionRecord, EngineError<LifeRefusal>> {
        self.decide(id, &mut what, |promotion| promotion.record().clone()).await.map(|((), record)| record)
    }

    async fn decide<T, R, S>(
        &self,
        id: PromotionId,
        what: &mut impl FnMut(&mut Promotion, Now) -> Result<T, R>,
        then: impl Fn(&Promotion) -> S,
    ) -> Result<(T, S), EngineError<R>> {
        for _ in 0..TRIES {
            let owner = self.owner(id).await?;
            let now = self.now();
            let decision = owner.decide(now, |promotion| (what(promotion, now), then(promotion)), |_| true);
            match decision {
                Ok(Decision { value: (result, seen), settlement }) => {
                    durable(settlement).await?;
                    return result.map(|value| (value, seen)).map_err(EngineError::Refused);
                }
                Err(reason) => self.pause_before_next_try(reason).await?,
            }
        }
        Err(unavailable())
    }

    async fn locate<R>(&self, user: UserId, claim: ClaimId) -> Result<PromotionId, EngineError<R>> {
        match self.0.store.locate_claim(claim).await {
            Ok(Some((promotion, holder))) if holder == user => Ok(promotion),
            Ok(_) => Err(EngineError::NotFound),
            Err(error) => {
                tracing::warn!(%error, "a claim could not be located");
                Err(unavailable())
            }
        }
    }

    async fn owner<R>(&self, id: PromotionId) -> Result<Arc<OwnerCell>, EngineError<R>> {
        if self.0.closed.load(Ordering::Acquire) {
            return Err(unavailable());
        }
        if let Some(owner) = self.0.directory.awake(id) {
            return Ok(owner);
        }
        let wait = Duration::from_millis(ANSWER_DEADLINE_MS as u64 / 2);
        match tokio::time::timeout(wait, self.0.directory.owner(id)).await {
            Ok(Ok(owner)) => Ok(owner),
            Ok(Err(NoOwner::NotFound)) => Err(EngineError::NotFound),
            Ok(Err(NoOwner::Overloaded)) => {
                Err(EngineError::Overloaded { retry_after_ms: OVERLOADED_RETRY_MS })
            }
            Ok(Err(NoOwner::Unavailable)) | Err(_) => Err(unavailable()),
        }
    }

    async fn pause_before_next_try<R>(&self, reason: NotServing) -> Result<(), EngineError<R>> {
        match reason {
            NotServing::Overloaded => Err(EngineError::Overloaded { retry_after_ms: OVERLOADED_RETRY_MS }),
            // The directory replaces it within moments, on another thread.
            NotServing::Closed | NotServing::Stopped => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok(())
            }
        }
    }
}

async fn durable<R>(settlement: Option<Settlement>) -> Result<(), EngineError<R>> {
    match settlement {
        None => Ok(()),
        Some(settlement) => match settlement.await {
            Outcome::Durable => Ok(()),
            Outcome::Failed => Err(unavailable()),
            Outcome::Unknown => Err(EngineError::OutcomeUnknown),
        },
    }
}

fn unavailable<R>() -> EngineError<R> {
    EngineError::Unavailable { retry_after_ms: RELOAD_RETRY_MS }
}

#[cfg(test)]
mod tests;
