//! The persistence actor: group commit. Everything that piled up while the last transaction was in flight goes into the
//! next one; answers leave after it.
//!
//! What a failed or unknown commit means (DESIGN 3.3) is decided here. Knows owners and the store's port, no SQL.

use crate::feed::Feed;
use crate::histogram::{self, Histogram};
use crate::lane::{Outcome, Replies};
use crate::limits::{BATCH_CLAIMS_MAX, BATCH_PROMOTIONS_MAX, COMMIT_SPACING};
use crate::owner::{Collected, DirtyOwners};
use crate::ports::PortError;
use crate::ports::clock::{Mint, SharedMint};
use crate::ports::store::Store;
use actix::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::Instrument;

/// Counts of what persistence did, for metrics. All since the start.
#[derive(Debug)]
pub struct CommitCounts {
    /// Transactions that committed.
    pub batches: AtomicU64,
    /// Promotions' commits in them.
    pub commits: AtomicU64,
    /// Claims written.
    pub claims: AtomicU64,
    /// How long transactions took, in microseconds, whatever came of them.
    pub durations: Histogram,
    /// How many claims went into a transaction.
    pub batch_claims: Histogram,
    /// Promotions' commits that certainly failed.
    pub failed: AtomicU64,
    /// Promotions' commits of unknown outcome.
    pub unknown: AtomicU64,
    /// Promotions' commits refused since another owner is in charge.
    pub stale: AtomicU64,
}

impl Default for CommitCounts {
    fn default() -> Self {
        Self {
            batches: AtomicU64::default(),
            commits: AtomicU64::default(),
            claims: AtomicU64::default(),
            durations: Histogram::new(histogram::MICROSECONDS),
            batch_claims: Histogram::new(histogram::COUNTS),
            failed: AtomicU64::default(),
            unknown: AtomicU64::default(),
            stale: AtomicU64::default(),
        }
    }
}

/// Group commit's actor. Its work is one task that it spawns; its mailbox serves observation only.
pub struct Persistence {
    work: Option<Work>,
    counts: Arc<CommitCounts>,
}

struct Work {
    store: Arc<dyn Store>,
    feed: Arc<dyn Feed>,
    mint: SharedMint,
    dirty: Arc<DirtyOwners>,
    counts: Arc<CommitCounts>,
    drain: Arc<Drain>,
}

/// How a shutdown waits until everything decided is durable or refused.
#[derive(Default)]
pub struct Drain {
    busy: AtomicBool,
    idle: Notify,
}

impl Drain {
    /// Waits until nothing is dirty and no commit is in flight.
    pub async fn wait(&self, dirty: &DirtyOwners) {
        loop {
            let idle = self.idle.notified();
            if dirty.is_empty() && !self.busy.load(Ordering::Acquire) {
                return;
            }
            idle.await;
        }
    }
}

impl Persistence {
    /// Makes the actor; start it on an arbiter of its own.
    pub fn new(
        store: Arc<dyn Store>,
        feed: Arc<dyn Feed>,
        mint: SharedMint,
        dirty: Arc<DirtyOwners>,
        counts: Arc<CommitCounts>,
        drain: Arc<Drain>,
    ) -> Self {
        let work = Work { store, feed, mint, dirty, counts: counts.clone(), drain };
        Self { work: Some(work), counts }
    }
}

impl Actor for Persistence {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        if let Some(work) = self.work.take() {
            context.spawn(work.run().into_actor(self));
        }
    }
}

/// Asks what persistence did so far.
#[derive(Message)]
#[rtype(result = "Arc<CommitCounts>")]
pub struct Observe;

impl Handler<Observe> for Persistence {
    type Result = Arc<CommitCounts>;

    fn handle(&mut self, _: Observe, _: &mut Self::Context) -> Self::Result {
        self.counts.clone()
    }
}

impl Work {
    async fn run(self) {
        let mut last_start: Option<Instant> = None;
        loop {
            self.drain.busy.store(false, Ordering::Release);
            self.drain.idle.notify_waiters();
            self.dirty.wait().await;
            if let Some(last) = last_start {
                let earliest = last + COMMIT_SPACING;
                if Instant::now() < earliest {
                    tokio::select! {
                        () = tokio::time::sleep_until(earliest) => {}
                        () = self.dirty.wait_for_many() => {}
                    }
                }
            }
            self.drain.busy.store(true, Ordering::Release);
            let batch = collect_batch(&self.dirty, &*self.mint);
            if batch.is_empty() {
                continue;
            }
            last_start = Some(Instant::now());
            let claims: usize = batch.iter().map(|part| part.commit.claims.len()).sum();
            self.counts.batch_claims.add(claims as u64);
            let span = tracing::debug_span!("commit", promotions = batch.len(), claims);
            self.commit(batch).instrument(span).await;
        }
    }

    async fn commit(&self, batch: Vec<Collected>) {
        let begun = Instant::now();
        let result = self.store.commit(batch.iter().map(|part| part.commit.clone()).collect()).await;
        self.counts.durations.add_time(begun.elapsed());
        let outcome = self.settle(&batch, result);
        if outcome == Outcome::Failed {
            // Certainly nothing was applied. One poisoned row must not sink the others: each promotion alone, once.
            for part in batch {
                let result = self.store.commit(vec![part.commit.clone()]).await;
                let alone = [part];
                if self.settle(&alone, result) == Outcome::Failed {
                    self.finish(&alone, Outcome::Failed, &HashSet::new());
                }
            }
        }
    }

    /// Settles what is certain. `Failed` is left to the caller, who may try again.
    fn settle(
        &self,
        batch: &[Collected],
        result: Result<crate::ports::store::Committed, PortError>,
    ) -> Outcome {
        match result {
            Ok(committed) => {
                self.finish(batch, Outcome::Durable, &committed.stale.into_iter().collect());
                Outcome::Durable
            }
            Err(PortError::OutcomeUnknown(error)) => {
                tracing::error!(%error, promotions = batch.len(), "the outcome of a commit is unknown");
                self.finish(batch, Outcome::Unknown, &HashSet::new());
                Outcome::Unknown
            }
            Err(error) => {
                tracing::warn!(%error, promotions = batch.len(), "a commit failed");
                Outcome::Failed
            }
        }
    }

    fn finish(&self, batch: &[Collected], outcome: Outcome, stale: &HashSet<flash_domain::ids::PromotionId>) {
        let mut replies = Replies::default();
        let counts = &self.counts;
        if outcome == Outcome::Durable {
            counts.batches.fetch_add(1, Ordering::Relaxed);
        }
        for part in batch {
            let outcome = if stale.contains(&part.commit.promotion_id) { Outcome::Failed } else { outcome };
            let count = match outcome {
                Outcome::Durable => &counts.commits,
                Outcome::Failed if stale.is_empty() => &counts.failed,
                Outcome::Failed => &counts.stale,
                Outcome::Unknown => &counts.unknown,
            };
            count.fetch_add(1, Ordering::Relaxed);
            part.settle(outcome, &mut replies);
            if outcome == Outcome::Durable && !part.commit.claims.is_empty() {
                counts.claims.fetch_add(part.commit.claims.len() as u64, Ordering::Relaxed);
                self.feed.claims_changed(&part.commit.claims);
            }
        }
        replies.post();
    }
}

/// Collects one transaction's worth; owners beyond the bounds stay dirty. The list is taken once: an owner that
/// decides meanwhile is listed again and has to wait for the next transaction, since one batch holds at most one
/// commit of a promotion and an owner has at most one commit in flight.
fn collect_batch(dirty: &DirtyOwners, mint: &dyn Mint) -> Vec<Collected> {
    let mut owners = dirty.take(BATCH_PROMOTIONS_MAX).into_iter();
    let mut batch = Vec::new();
    let mut claims = 0;
    for owner in owners.by_ref() {
        if let Some(collected) = owner.collect(mint) {
            claims += collected.commit.claims.len();
            batch.push(collected);
        }
        if claims >= BATCH_CLAIMS_MAX {
            break;
        }
    }
    dirty.put_back(owners.collect());
    batch
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::owner::OwnerCell;
    use crate::ports::store::Loaded;
    use flash_domain::claim::ClaimStatus;
    use flash_domain::geo::Location;
    use flash_domain::ids::*;
    use flash_domain::money::Money;
    use flash_domain::promotion::*;
    use flash_domain::segment::{Segment, Segments};
    use flash_domain::terms::Terms;
    use flash_domain::time::{Now, UnixMillis};
    use std::sync::Mutex;
    use uuid::Uuid;

    const NOW: Now = Now { wall: UnixMillis(1_000), mono: flash_domain::time::MonoMillis(0) };

    fn owner(n: u128, dirty: &Arc<DirtyOwners>) -> Arc<OwnerCell> {
        let price = Money { amount: 1, currency: "COP".parse().unwrap() };
        let record = PromotionRecord {
            id: PromotionId(Uuid::from_u128(n)),
            series_id: None,
            store: StoreCopy {
                id: StoreId(Uuid::nil()),
                name: "S".into(),
                location: Location::new(0.0, 0.0).unwrap(),
            },
            product: ProductCopy { id: ProductId(Uuid::nil()), name: "P".into(), image_url: None },
            terms: Terms {
                price,
                original_price: price,
                stock: 10,
                per_shopper_limit: None,
                starts_at: UnixMillis(0),
                ends_at: UnixMillis(100_000),
                reach_m: 50,
                claim_within_m: None,
                hold_seconds: 0,
                segments: Segments::default(),
                category: None,
            },
            counters: Counters { status: Status::Live, v: 1, ..Counters::default() },
            created_at: UnixMillis(0),
        };
        OwnerCell::new(Loaded { record, claims: vec![], epoch: 1, commit_seq: 0 }, dirty.clone(), NOW)
    }

    fn claim(owner: &Arc<OwnerCell>, n: u128) {
        let ask = ClaimAsk {
            user_id: UserId(Uuid::from_u128(n)),
            quantity: 1,
            idempotency_key: "k",
            location: None,
            segment: Segment::New,
            claim_id: ClaimId(Uuid::from_u128(n)),
            redemption_code: "C",
        };
        let decided = owner.decide(NOW, |promotion| promotion.claim(&ask, NOW), |_| false);
        assert_eq!(decided.ok().unwrap().value.unwrap().status, ClaimStatus::Confirmed);
    }

    /// Decides on another owner whenever it is asked for an id: what a worker thread does while a batch is collected.
    struct Meddler(Mutex<Option<Arc<OwnerCell>>>);

    impl Mint for Meddler {
        fn uuid(&self, _: UnixMillis) -> Uuid {
            if let Some(owner) = self.0.lock().unwrap().take() {
                claim(&owner, 77);
            }
            Uuid::nil()
        }

        fn code(&self, _: UnixMillis) -> String {
            String::new()
        }
    }

    #[test]
    fn i2_a_batch_holds_at_most_one_commit_of_a_promotion() {
        let dirty = Arc::new(DirtyOwners::default());
        let (first, second) = (owner(1, &dirty), owner(2, &dirty));
        claim(&first, 1);
        claim(&second, 2);
        let mint = Arc::new(Meddler(Mutex::default()));
        // The first owner's own event is minted under its lock, so the meddling begins with the second's.
        let batch: Vec<Collected> = dirty.take(1).iter().filter_map(|owner| owner.collect(&*mint)).collect();
        assert_eq!(batch.len(), 1);
        *mint.0.lock().unwrap() = Some(first.clone());
        let rest = collect_batch(&dirty, &*mint);
        assert_eq!(rest.len(), 1, "the first owner, listed again meanwhile, waits for the next batch");
        assert!(!dirty.is_empty());
    }
}
