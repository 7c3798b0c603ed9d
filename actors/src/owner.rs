//! The owner of a promotion: one serial state machine behind one lock, shared by the promotion's actor (timers,
//! publishing, life cycle), the worker threads (which take decisions in place) and persistence (which collects and
//! settles).
//!
//! A decision never crosses an await. What a decision changed is collected by persistence; callers of acceptances wait
//! until a commit that covers their decision is durable. Knows no store and no session.

use crate::lane::{self, Outcome, Replies, Settlement, Ticket};
use crate::limits::{COMMIT_AT_ONCE, WAITING_PER_PROMOTION_MAX};
use crate::ports::clock::Mint;
use crate::ports::store::{Commit, Loaded, OutboxEvent};
use crate::promotion::{Nudge, PromotionActor};
use actix::Addr;
use flash_domain::claim::Claim;
use flash_domain::ids::{EventId, PromotionId};
use flash_domain::promotion::{Promotion, PromotionRecord};
use flash_domain::time::{MonoMillis, Now, UnixMillis};
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use tokio::sync::Notify;

/// Owners with decisions that are not collected yet, in the order of their first one.
#[derive(Default)]
pub struct DirtyOwners {
    list: Mutex<Vec<Arc<OwnerCell>>>,
    wake: Notify,
    /// Decisions since the last time that owners were taken.
    decisions: AtomicUsize,
    many: Notify,
}

impl DirtyOwners {
    fn push(&self, owner: Arc<OwnerCell>) {
        let mut list = self.list.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        list.push(owner);
        if list.len() == 1 {
            self.wake.notify_one();
        }
    }

    fn count(&self) {
        if self.decisions.fetch_add(1, Ordering::Relaxed) + 1 == COMMIT_AT_ONCE {
            self.many.notify_one();
        }
    }

    /// Waits until so much waits that nothing is gained by waiting for more.
    pub async fn wait_for_many(&self) {
        while self.decisions.load(Ordering::Relaxed) < COMMIT_AT_ONCE {
            self.many.notified().await;
        }
    }

    /// Takes the owners that wait, at most `max`; the rest stays.
    pub fn take(&self, max: usize) -> Vec<Arc<OwnerCell>> {
        self.decisions.store(0, Ordering::Relaxed);
        let mut list = self.list.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if list.len() <= max { std::mem::take(&mut *list) } else { list.drain(..max).collect() }
    }

    /// Puts owners back, before whoever came meanwhile.
    pub fn put_back(&self, mut owners: Vec<Arc<OwnerCell>>) {
        if !owners.is_empty() {
            let mut list = self.list.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            owners.append(&mut list);
            *list = owners;
        }
    }

    /// Whether anything waits.
    pub fn is_empty(&self) -> bool {
        self.list.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_empty()
    }

    /// Waits until something does.
    pub async fn wait(&self) {
        while self.is_empty() {
            self.wake.notified().await;
        }
    }
}

/// Why an owner took no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotServing {
    /// It went to sleep or was replaced: ask the directory again.
    Closed,
    /// It just stopped on a panic or a failed commit and is being reloaded. Nothing happened.
    Stopped,
    /// Too many callers wait for its commits already.
    Overloaded,
}

/// A decision and, where the answer must wait for durability, its settlement.
pub struct Decision<T> {
    /// What was decided.
    pub value: T,
    /// `None`: the answer may leave now.
    pub settlement: Option<Settlement>,
}

/// The shared owner of one promotion.
pub struct OwnerCell {
    id: PromotionId,
    owner: Mutex<Owner>,
    dirty: Arc<DirtyOwners>,
    actor: OnceLock<Addr<PromotionActor>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Serving,
    Closed,
    Stopped,
}

struct Owner {
    promotion: Promotion,
    /// The durable record: what may be shown.
    settled: PromotionRecord,
    /// What the live edge was told last; at most as new as `settled` with start and end applied.
    told: PromotionRecord,
    epoch: i64,
    commit_seq: i64,
    stage: Stage,
    /// Decisions that changed something, counted.
    decided: u64,
    /// How many of them persistence has collected.
    collected: u64,
    /// How many of them are durable.
    durable: u64,
    /// Callers by the decision that they wait for, ascending.
    waiters: VecDeque<(u64, Ticket)>,
    /// Whether it stands in the dirty list.
    listed: bool,
    /// Whether a nudge is on its way to the actor.
    nudged: bool,
    /// When the actor's timer fires.
    armed_for: Option<MonoMillis>,
    /// Claims that are durable, ever made.
    claims_durable: u64,
    last_decision: MonoMillis,
}

/// What persistence collected from an owner: a commit, and what is needed to settle it.
pub struct Collected {
    /// Whose.
    pub owner: Arc<OwnerCell>,
    /// For the store.
    pub commit: Arc<Commit>,
    /// The decisions that it covers.
    covers: u64,
    /// New claims among the commit's.
    claims_made: u64,
}

/// What the actor needs to publish and to set its timer.
pub struct Glance {
    /// The durable record as it is now.
    pub view: PromotionRecord,
    /// Milliseconds until something is due; `None` = nothing will be.
    pub wake_in_ms: Option<u64>,
    /// Durable claims ever made.
    pub claims: u64,
}

impl OwnerCell {
    /// Takes over what the store loaded.
    pub fn new(loaded: Loaded, dirty: Arc<DirtyOwners>, now: Now) -> Arc<Self> {
        let settled = loaded.record.clone();
        let claims_durable = loaded.claims.len() as u64;
        Arc::new(Self {
            id: settled.id,
            owner: Mutex::new(Owner {
                promotion: Promotion::load(loaded.record, loaded.claims, now),
                told: settled.clone(),
                settled,
                epoch: loaded.epoch,
                commit_seq: loaded.commit_seq,
                stage: Stage::Serving,
                decided: 0,
                collected: 0,
                durable: 0,
                waiters: VecDeque::new(),
                listed: false,
                nudged: false,
                armed_for: None,
                claims_durable,
                last_decision: now.mono,
            }),
            dirty,
            actor: OnceLock::new(),
        })
    }

    /// Which promotion.
    pub fn id(&self) -> PromotionId {
        self.id
    }

    /// Its own time, also after it stopped: the owner that follows it must not be behind, since a start that was shown need
    /// not be durable.
    pub(crate) fn decided_at(&self) -> UnixMillis {
        let owner = self.owner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        owner.promotion.record().counters.decided_at
    }

    /// Lets the owner reach its actor.
    pub fn set_actor(&self, actor: Addr<PromotionActor>) {
        let _already_set = self.actor.set(actor);
    }

    /// Takes a decision. `wait` says whether its answer must wait until everything decided so far is durable.
    ///
    /// # Errors
    /// See [`NotServing`]. A panic inside the decision stops the owner; nothing of it is kept.
    pub fn decide<T>(
        self: &Arc<Self>,
        now: Now,
        decide: impl FnOnce(&mut Promotion) -> T,
        wait: impl FnOnce(&T) -> bool,
    ) -> Result<Decision<T>, NotServing> {
        let mut owner = self.lock()?;
        if owner.waiters.len() >= WAITING_PER_PROMOTION_MAX {
            return Err(NotServing::Overloaded);
        }
        let Ok(value) = catch_unwind(AssertUnwindSafe(|| decide(&mut owner.promotion))) else {
            tracing::error!(promotion = %self.id, "a decision panicked; the promotion is reloaded");
            self.stop_locked(&mut owner);
            return Err(NotServing::Stopped);
        };
        if owner.promotion.has_change() {
            owner.decided += 1;
            owner.last_decision = now.mono;
            self.dirty.count();
            if !owner.listed {
                owner.listed = true;
                self.dirty.push(self.clone());
            }
            self.rearm_if_earlier(&mut owner, now);
        }
        let settlement = if wait(&value) && owner.durable < owner.decided {
            let (ticket, settlement) = lane::wait();
            let decided = owner.decided;
            owner.waiters.push_back((decided, ticket));
            Some(settlement)
        } else {
            None
        };
        Ok(Decision { value, settlement })
    }

    fn rearm_if_earlier(&self, owner: &mut Owner, now: Now) {
        let Some(wake_in_ms) = owner.promotion.wake_in_ms(now) else { return };
        let due = now.mono + wake_in_ms as i64;
        if owner.armed_for.is_none_or(|armed| due < armed) {
            self.nudge_locked(owner);
        }
    }

    /// The durable record as it is now; while something is in flight, as it was last shown or settled.
    ///
    /// # Errors
    /// [`NotServing`] when it is closed or stopped.
    pub fn view(&self, now: Now) -> Result<PromotionRecord, NotServing> {
        self.lock().map(|owner| owner.shown_now(owner.is_quiet(), now))
    }

    /// What the live edge was told last.
    ///
    /// # Errors
    /// [`NotServing`] when it is closed or stopped.
    pub fn told(&self) -> Result<PromotionRecord, NotServing> {
        self.lock().map(|owner| owner.told.clone())
    }

    /// Notes what the live edge was told, after it was.
    pub(crate) fn note_told(&self, told: &PromotionRecord) {
        if let Ok(mut owner) = self.lock() {
            owner.told.clone_from(told);
        }
    }

    /// What the actor acts on when it is nudged or its timer fires. Lets due things happen, and shows what may be shown:
    /// if everything decided was durable, also the start or end that follows from durable state and time, which need
    /// not wait for their own commit.
    pub(crate) fn glance(self: &Arc<Self>, now: Now) -> Result<Glance, NotServing> {
        let quiet = self.lock().map(|owner| owner.is_quiet())?;
        self.decide(now, |promotion| promotion.advance(now), |()| false)?;
        let mut owner = self.lock()?;
        owner.nudged = false;
        let wake_in_ms = owner.promotion.wake_in_ms(now);
        owner.armed_for = wake_in_ms.map(|ms| now.mono + ms as i64);
        let view = owner.shown_now(quiet, now);
        Ok(Glance { view, wake_in_ms, claims: owner.claims_durable })
    }

    /// Asks the actor to look again; several requests before it does are one.
    pub fn nudge(&self) {
        if let Ok(mut owner) = self.lock() {
            self.nudge_locked(&mut owner);
        }
    }

    fn nudge_locked(&self, owner: &mut Owner) {
        if !owner.nudged
            && let Some(actor) = self.actor.get()
        {
            owner.nudged = actor.try_send(Nudge).is_ok();
        }
    }

    /// Closes the owner if nothing keeps it awake: no open hold, nothing decided that is not durable, no timer near.
    pub(crate) fn close_if_idle(&self, now: Now, near_ms: u64, idle_ms: i64) -> bool {
        let Ok(mut owner) = self.lock() else { return false };
        let awake = owner.promotion.has_open_holds()
            || owner.durable < owner.decided
            || now.mono - owner.last_decision < idle_ms
            || owner.promotion.wake_in_ms(now).is_some_and(|ms| ms < near_ms)
            || owner.promotion.is_running();
        if !awake {
            owner.stage = Stage::Closed;
        }
        !awake
    }

    /// Closes the owner whatever its state; what was not collected is refused. For drafts that are deleted.
    pub(crate) fn close(&self) {
        if let Ok(mut owner) = self.lock() {
            self.stop_locked(&mut owner);
            owner.stage = Stage::Closed;
        }
    }

    /// Stops the owner: what is not collected certainly does not happen, and its callers are told so. What was collected
    /// is settled by its own commit.
    pub(crate) fn stop(&self) {
        let mut owner = self.owner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.stop_locked(&mut owner);
    }

    fn stop_locked(&self, owner: &mut Owner) {
        if owner.stage == Stage::Stopped {
            return;
        }
        owner.stage = Stage::Stopped;
        let mut replies = Replies::default();
        let collected = owner.collected;
        while owner.waiters.back().is_some_and(|(decision, _)| *decision > collected) {
            if let Some((_, ticket)) = owner.waiters.pop_back() {
                replies.push(ticket, Outcome::Failed);
            }
        }
        replies.post();
        if let Some(actor) = self.actor.get() {
            // The actor hears of it through its mailbox, which has room for this beside one nudge.
            let _told = actor.try_send(crate::promotion::Reload);
        }
    }

    fn lock(&self) -> Result<MutexGuard<'_, Owner>, NotServing> {
        let owner = self.owner.lock().map_err(|_| NotServing::Stopped)?;
        match owner.stage {
            Stage::Serving => Ok(owner),
            Stage::Closed => Err(NotServing::Closed),
            Stage::Stopped => Err(NotServing::Stopped),
        }
    }

    /// Collects what was decided since the last time, for one commit; `None` if nothing, or if the owner stopped.
    pub fn collect(self: &Arc<Self>, mint: &dyn Mint) -> Option<Collected> {
        let mut owner = self.lock().ok()?;
        owner.listed = false;
        let change = owner.promotion.take_change()?;
        let base_seq = owner.commit_seq;
        owner.commit_seq += 1;
        owner.collected = owner.decided;
        let at = change.counters.decided_at;
        let events = change
            .events
            .into_iter()
            .map(|(v, event)| OutboxEvent {
                id: EventId(mint.uuid(at)),
                promotion_id: self.id,
                v,
                event,
                created_at: at,
            })
            .collect();
        let claims = last_of_each(change.claims);
        // One commit of an owner is in flight at a time, so what is durable is what was collected before.
        let claims_made = owner.promotion.claims_made() - owner.claims_durable;
        Some(Collected {
            owner: self.clone(),
            commit: Arc::new(Commit {
                promotion_id: self.id,
                epoch: owner.epoch,
                base_seq,
                seq: owner.commit_seq,
                counters: change.counters,
                terms: change.terms,
                claims,
                events,
            }),
            covers: owner.decided,
            claims_made,
        })
    }
}

impl Owner {
    /// Whether everything decided is durable.
    fn is_quiet(&self) -> bool {
        self.durable == self.decided
    }

    /// What may be shown. A start or an end follows from durable state and time, but only if nothing was in flight when it
    /// came: that may be what prevents it, and has its version.
    fn shown_now(&self, quiet: bool, now: Now) -> PromotionRecord {
        if quiet {
            self.settled.at(now.wall.max(self.settled.counters.decided_at))
        } else if self.told.counters.v > self.settled.counters.v {
            self.told.clone()
        } else {
            self.settled.clone()
        }
    }
}

impl Collected {
    /// Tells the owner and its callers what became of the commit. Anything but durable stops the owner.
    pub fn settle(&self, outcome: Outcome, replies: &mut Replies) {
        let mut owner = self.owner.owner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if outcome == Outcome::Durable {
            owner.durable = self.covers;
            owner.claims_durable += self.claims_made;
            owner.settled.counters = self.commit.counters;
            if let Some(terms) = &self.commit.terms {
                owner.settled.terms = (**terms).clone();
            }
        }
        while owner.waiters.front().is_some_and(|(decision, _)| *decision <= self.covers) {
            if let Some((_, ticket)) = owner.waiters.pop_front() {
                replies.push(ticket, outcome);
            }
        }
        if outcome == Outcome::Durable {
            self.owner.nudge_locked(&mut owner);
        } else {
            self.owner.stop_locked(&mut owner);
        }
    }
}

/// Keeps the last state of each claim; order does not matter within one transaction.
fn last_of_each(claims: Vec<Claim>) -> Vec<Claim> {
    // A claim that has not changed since it was made is there once.
    if claims.iter().all(Claim::is_new) {
        return claims;
    }
    let mut place = HashMap::with_capacity(claims.len());
    let mut kept: Vec<Claim> = Vec::with_capacity(claims.len());
    for claim in claims {
        match place.entry(claim.id) {
            std::collections::hash_map::Entry::Occupied(at) => {
                let at: &usize = at.get();
                kept[*at] = claim;
            }
            std::collections::hash_map::Entry::Vacant(slot) => {
                slot.insert(kept.len());
                kept.push(claim);
            }
        }
    }
    kept
}
