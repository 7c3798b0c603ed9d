//! The directory: promotion id → owner. Loads owners from the store when they are needed, puts idle ones to sleep, and
//! replaces those that stopped: supervision here is "reload from the store and respawn".
//!
//! Knows nothing of what owners decide.

use crate::feed::Feed;
use crate::histogram::{self, Histogram};
use crate::limits::*;
use crate::owner::{DirtyOwners, OwnerCell};
use crate::ports::PortError;
use crate::ports::clock::SharedClock;
use crate::ports::store::Store;
use crate::promotion::{PromotionActor, Second};
use actix::{Actor, Addr, ArbiterHandle};
use flash_domain::ids::PromotionId;
use futures_util::FutureExt;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior};

/// Why the directory has no owner to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoOwner {
    /// There is no such promotion.
    NotFound,
    /// The store does not answer, or the promotion is being reloaded after a failure.
    Unavailable,
    /// Too many loads wait already.
    Overloaded,
}

type Loading = watch::Receiver<Option<Result<Arc<OwnerCell>, NoOwner>>>;

enum Entry {
    Ready(Arc<OwnerCell>, Addr<PromotionActor>),
    Loading(Loading),
}

const SHARDS: usize = 16;

struct Inner {
    shards: [RwLock<HashMap<PromotionId, Entry>>; SHARDS],
    store: Arc<dyn Store>,
    feed: Arc<dyn Feed>,
    clock: SharedClock,
    dirty: Arc<DirtyOwners>,
    /// Where promotion actors and loads run.
    arbiter: ArbiterHandle,
    timers: bool,
    loads: Semaphore,
    loads_waiting: AtomicU64,
    reloads: AtomicU64,
    start_lateness: Histogram,
}

/// Cheap to clone; all clones are one directory.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

impl Directory {
    /// Makes an empty directory whose actors run on `arbiter`, with timers of their own or without.
    pub fn new(
        store: Arc<dyn Store>,
        feed: Arc<dyn Feed>,
        clock: SharedClock,
        dirty: Arc<DirtyOwners>,
        arbiter: ArbiterHandle,
        timers: bool,
    ) -> Self {
        Self(Arc::new(Inner {
            shards: std::array::from_fn(|_| RwLock::default()),
            store,
            feed,
            clock,
            dirty,
            arbiter,
            timers,
            loads: Semaphore::new(LOADS_MAX),
            loads_waiting: AtomicU64::new(0),
            reloads: AtomicU64::new(0),
            start_lateness: Histogram::new(histogram::LATENESS),
        }))
    }

    /// Whether promotions wake at their own moments.
    pub(crate) fn has_timers(&self) -> bool {
        self.0.timers
    }

    /// How late scheduled promotions were found started by their owners, in microseconds; the clock has whole
    /// milliseconds.
    pub fn start_lateness(&self) -> &Histogram {
        &self.0.start_lateness
    }

    fn shard(&self, id: PromotionId) -> &RwLock<HashMap<PromotionId, Entry>> {
        let bytes = id.0.as_bytes();
        &self.0.shards[bytes[15] as usize % SHARDS]
    }

    /// The owner, if it is awake.
    pub fn awake(&self, id: PromotionId) -> Option<Arc<OwnerCell>> {
        match self.shard(id).read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            Some(Entry::Ready(owner, _)) => Some(owner.clone()),
            _ => None,
        }
    }

    /// The owner, loaded if it sleeps.
    ///
    /// # Errors
    /// See [`NoOwner`].
    pub async fn owner(&self, id: PromotionId) -> Result<Arc<OwnerCell>, NoOwner> {
        if let Some(owner) = self.awake(id) {
            return Ok(owner);
        }
        let mut loading = match self.begin_load(id, None)? {
            Entry::Ready(owner, _) => return Ok(owner),
            Entry::Loading(loading) => loading,
        };
        match loading.wait_for(Option::is_some).await {
            Ok(result) => match &*result {
                Some(result) => result.clone(),
                None => Err(NoOwner::Unavailable),
            },
            Err(_) => Err(NoOwner::Unavailable),
        }
    }

    /// Replaces an owner that stopped, unless that happened already. Tries until it succeeds: a promotion's timers must
    /// not wait for somebody's message.
    pub fn reload(&self, id: PromotionId, stopped: &Arc<OwnerCell>) {
        {
            let shard = self.shard(id).read().unwrap_or_else(PoisonError::into_inner);
            if !matches!(shard.get(&id), Some(Entry::Ready(owner, _)) if Arc::ptr_eq(owner, stopped)) {
                return;
            }
        }
        self.0.reloads.fetch_add(1, Ordering::Relaxed);
        let _either_way = self.begin_load(id, Some(stopped));
    }

    /// Forgets an owner that went to sleep.
    pub fn forget(&self, id: PromotionId, owner: &Arc<OwnerCell>) {
        let mut shard = self.shard(id).write().unwrap_or_else(PoisonError::into_inner);
        if matches!(shard.get(&id), Some(Entry::Ready(known, _)) if Arc::ptr_eq(known, owner)) {
            shard.remove(&id);
        }
    }

    /// Owners that are awake.
    pub fn owners(&self) -> Vec<Arc<OwnerCell>> {
        self.each(|owner, _| owner.clone())
    }

    /// Reloads since the start.
    pub fn reloads(&self) -> u64 {
        self.0.reloads.load(Ordering::Relaxed)
    }

    fn each<T>(&self, mut what: impl FnMut(&Arc<OwnerCell>, &Addr<PromotionActor>) -> T) -> Vec<T> {
        let mut found = Vec::new();
        for shard in &self.0.shards {
            for entry in shard.read().unwrap_or_else(PoisonError::into_inner).values() {
                if let Entry::Ready(owner, actor) = entry {
                    found.push(what(owner, actor));
                }
            }
        }
        found
    }

    /// For ever: tells every actor once a second that a second passed, and has every timer set again when the wall clock
    /// was moved against the monotonic one. The actors' turns are spread over the second: ten thousand at once would
    /// hold up whatever starts in the same moment.
    pub async fn watch(self) {
        let now = self.0.clock.now();
        let mut offset = now.wall.0 - now.mono.0;
        let turn = WATCH_PERIOD / WATCH_TURNS;
        let mut turns = tokio::time::interval_at(Instant::now() + turn, turn);
        turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let actors = self.each(|_, actor| actor.clone());
            let mut told = 0;
            for turn in 1..=WATCH_TURNS as usize {
                turns.tick().await;
                let due = actors.len() * turn / WATCH_TURNS as usize;
                for actor in &actors[told..due] {
                    let _skipped_if_busy = actor.try_send(Second);
                }
                told = due;
            }
            let now = self.0.clock.now();
            let drift = (now.wall.0 - now.mono.0) - offset;
            if drift.abs() >= CLOCK_DRIFT_MS {
                offset += drift;
                for owner in self.owners() {
                    owner.nudge();
                }
            }
        }
    }

    /// Puts a loading entry in place (of `instead_of`, or of nothing) and starts the load; gives what is there otherwise.
    fn begin_load(&self, id: PromotionId, instead_of: Option<&Arc<OwnerCell>>) -> Result<Entry, NoOwner> {
        let mut shard = self.shard(id).write().unwrap_or_else(PoisonError::into_inner);
        match (shard.get(&id), instead_of) {
            (Some(Entry::Ready(owner, _)), Some(stopped)) if Arc::ptr_eq(owner, stopped) => {}
            (Some(Entry::Ready(owner, actor)), _) => return Ok(Entry::Ready(owner.clone(), actor.clone())),
            (Some(Entry::Loading(loading)), _) => return Ok(Entry::Loading(loading.clone())),
            (None, _) => {
                if self.0.loads_waiting.load(Ordering::Relaxed) >= LOADS_WAITING_MAX as u64 {
                    return Err(NoOwner::Overloaded);
                }
            }
        }
        let (sender, receiver) = watch::channel(None);
        shard.insert(id, Entry::Loading(receiver.clone()));
        drop(shard);
        let directory = self.clone();
        let persistent = instead_of.is_some();
        let mut before = instead_of.cloned();
        self.0.loads_waiting.fetch_add(1, Ordering::Relaxed);
        let spawned = self.0.arbiter.spawn(async move {
            let mut pause = RELOAD_BACKOFF_MIN;
            let result = loop {
                let attempt =
                    AssertUnwindSafe(directory.load(id, persistent, &mut before)).catch_unwind().await;
                match attempt {
                    Ok(result) => break result,
                    // Somebody whom a new owner tells of itself panicked: nobody must wait for ever because of that.
                    Err(_) => {
                        tracing::error!(promotion = %id, "taking over a promotion panicked; trying again");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(RELOAD_BACKOFF_MAX);
                    }
                }
            };
            directory.0.loads_waiting.fetch_sub(1, Ordering::Relaxed);
            let _nobody_may_wait = sender.send(Some(result));
        });
        if !spawned {
            return Err(NoOwner::Unavailable);
        }
        Ok(Entry::Loading(receiver))
    }

    /// Loads an owner; `before` is the one that it follows in this process.
    async fn load(
        &self,
        id: PromotionId,
        persistent: bool,
        before: &mut Option<Arc<OwnerCell>>,
    ) -> Result<Arc<OwnerCell>, NoOwner> {
        let mut pause = RELOAD_BACKOFF_MIN;
        loop {
            let loaded = {
                let _place = self.0.loads.acquire().await.map_err(|_| NoOwner::Unavailable)?;
                self.0.store.load(id).await
            };
            let failure = match loaded {
                Ok(Some(mut loaded)) => {
                    if let Some(before) = before {
                        let decided_at = &mut loaded.record.counters.decided_at;
                        *decided_at = (*decided_at).max(before.decided_at());
                    }
                    let owner = OwnerCell::new(loaded, self.0.dirty.clone(), self.0.clock.now());
                    *before = Some(owner.clone());
                    let actor = PromotionActor::new(
                        owner.clone(),
                        self.0.feed.clone(),
                        self.0.clock.clone(),
                        self.clone(),
                    );
                    let address = actor.start();
                    owner.set_actor(address.clone());
                    let entry = Entry::Ready(owner.clone(), address);
                    self.shard(id).write().unwrap_or_else(PoisonError::into_inner).insert(id, entry);
                    return Ok(owner);
                }
                Ok(None) => NoOwner::NotFound,
                Err(error) => {
                    tracing::warn!(promotion = %id, %error, "a promotion could not be loaded");
                    if persistent && !matches!(error, PortError::Broken(_)) {
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(RELOAD_BACKOFF_MAX);
                        continue;
                    }
                    NoOwner::Unavailable
                }
            };
            self.shard(id).write().unwrap_or_else(PoisonError::into_inner).remove(&id);
            return Err(failure);
        }
    }
}
