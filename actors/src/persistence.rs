//! The persistence actor: group commit. Everything that piled up while the last transaction was in flight goes into the
//! next one; answers leave after it.
//!
//! What a failed or unknown commit means (DESIGN 3.3) is decided here. Knows owners and the store's port, no SQL.

use crate::feed::Feed;
use crate::lane::{Outcome, Replies};
use crate::limits::{BATCH_CLAIMS_MAX, BATCH_PROMOTIONS_MAX, COMMIT_SPACING};
use crate::owner::{Collected, DirtyOwners};
use crate::ports::PortError;
use crate::ports::clock::SharedMint;
use crate::ports::store::Store;
use actix::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Counts of what persistence did, for metrics. All since the start.
#[derive(Debug, Default)]
pub struct CommitCounts {
    /// Transactions that committed.
    pub batches: AtomicU64,
    /// Promotions' commits in them.
    pub commits: AtomicU64,
    /// Claims written.
    pub claims: AtomicU64,
    /// Microseconds spent in transactions.
    pub micros: AtomicU64,
    /// Promotions' commits that certainly failed.
    pub failed: AtomicU64,
    /// Promotions' commits of unknown outcome.
    pub unknown: AtomicU64,
    /// Promotions' commits refused since another owner is in charge.
    pub stale: AtomicU64,
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
                    tokio::time::sleep_until(earliest).await;
                }
            }
            self.drain.busy.store(true, Ordering::Release);
            let batch = self.collect();
            if batch.is_empty() {
                continue;
            }
            last_start = Some(Instant::now());
            self.commit(batch).await;
        }
    }

    /// Collects one transaction's worth; owners beyond the bounds stay dirty.
    fn collect(&self) -> Vec<Collected> {
        let mut batch = Vec::new();
        let mut claims = 0;
        while claims < BATCH_CLAIMS_MAX && batch.len() < BATCH_PROMOTIONS_MAX {
            // A few at a time, so that what lies beyond the bounds need not be put back.
            let owners = self.dirty.take(16.min(BATCH_PROMOTIONS_MAX - batch.len()));
            if owners.is_empty() {
                break;
            }
            for owner in owners {
                if let Some(collected) = owner.collect(&*self.mint) {
                    claims += collected.commit.claims.len();
                    batch.push(collected);
                }
            }
        }
        batch
    }

    async fn commit(&self, batch: Vec<Collected>) {
        let begun = Instant::now();
        let result = self.store.commit(batch.iter().map(|part| part.commit.clone()).collect()).await;
        self.counts.micros.fetch_add(begun.elapsed().as_micros() as u64, Ordering::Relaxed);
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
