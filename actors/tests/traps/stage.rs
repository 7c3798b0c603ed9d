//! The engine on a stage: a store whose commits can be held or refused, a feed that writes down what it is told.

use crate::sim::{Faults, ON_PURPOSE, SimAccounts, SimClock, SimMint, SimStore, promotion};
use flash_actors::engine::{ClaimRequest, Engine, EngineError, EngineParts};
use flash_actors::feed::{Feed, GoneReason, Pulse, Update};
use flash_actors::ports::clock::Clock;
use flash_actors::ports::store::*;
use flash_actors::ports::{Answer, PortError};
use flash_domain::claim::{Claim, ClaimRefusal, ClaimStatus};
use flash_domain::ids::*;
use flash_domain::promotion::{PromotionRecord, Status};
use flash_domain::time::UnixMillis;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// How the next commit's outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unknown {
    Applied,
    Lost,
}

/// The simulated store behind a gate.
pub struct Gated {
    inner: Arc<SimStore>,
    held: watch::Sender<bool>,
    refuse: AtomicUsize,
    unknown: Mutex<Option<Unknown>>,
    poisoned: Mutex<Option<PromotionId>>,
    /// The promotions of each transaction that was tried.
    batches: Mutex<Vec<Vec<PromotionId>>>,
}

impl Gated {
    /// Commits wait from now on, or go through again.
    pub fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// So many of the next commits certainly fail.
    pub fn refuse(&self, commits: usize) {
        self.refuse.store(commits, Ordering::Relaxed);
    }

    /// The next commit's outcome is unknown.
    pub fn lose_answer(&self, unknown: Unknown) {
        *self.unknown.lock().unwrap() = Some(unknown);
    }

    /// Every transaction with this promotion certainly fails, until another one is named.
    pub fn poison(&self, id: Option<PromotionId>) {
        *self.poisoned.lock().unwrap() = id;
    }

    /// The promotions of each transaction that was tried since the last time.
    pub fn batches(&self) -> Vec<Vec<PromotionId>> {
        std::mem::take(&mut *self.batches.lock().unwrap())
    }

    pub fn insert(&self, record: PromotionRecord) -> PromotionId {
        self.inner.insert(record)
    }

    pub fn claim(&self, id: ClaimId) -> Claim {
        self.inner.claim(id).unwrap()
    }

    pub fn status(&self, id: ClaimId) -> ClaimStatus {
        self.claim(id).status
    }

    pub fn check(&self, id: PromotionId) {
        self.inner.check(id);
    }
}

type Ask<'a, T> = Answer<'a, Result<T, PortError>>;

impl Store for Gated {
    fn commit(&self, batch: Vec<Arc<Commit>>) -> Ask<'_, Committed> {
        Box::pin(async move {
            self.held.subscribe().wait_for(|held| !*held).await.unwrap();
            let ids: Vec<PromotionId> = batch.iter().map(|commit| commit.promotion_id).collect();
            self.batches.lock().unwrap().push(ids.clone());
            let poisoned = *self.poisoned.lock().unwrap();
            if poisoned.is_some_and(|id| ids.contains(&id)) {
                return Err(PortError::Unavailable("poisoned on purpose".into()));
            }
            let unknown = self.unknown.lock().unwrap().take();
            if let Some(unknown) = unknown {
                if unknown == Unknown::Applied {
                    self.inner.commit(batch).await?;
                }
                return Err(PortError::OutcomeUnknown("unknown on purpose".into()));
            }
            let refuse = |left: usize| left.checked_sub(1);
            if self.refuse.fetch_update(Ordering::Relaxed, Ordering::Relaxed, refuse).is_ok() {
                return Err(PortError::Unavailable("refused on purpose".into()));
            }
            self.inner.commit(batch).await
        })
    }
    fn load(&self, id: PromotionId) -> Ask<'_, Option<Loaded>> {
        self.inner.load(id)
    }
    fn wakeful(&self, horizon: UnixMillis, after: Option<PromotionId>, limit: u32) -> Ask<'_, Vec<Wakeful>> {
        self.inner.wakeful(horizon, after, limit)
    }
    fn peek(&self, id: PromotionId) -> Ask<'_, Option<PromotionRecord>> {
        self.inner.peek(id)
    }
    fn locate_claim(&self, id: ClaimId) -> Ask<'_, Option<(PromotionId, UserId)>> {
        self.inner.locate_claim(id)
    }
    fn outbox_waiting(&self, limit: u32) -> Ask<'_, Vec<OutboxEvent>> {
        self.inner.outbox_waiting(limit)
    }
    fn outbox_done(&self, ids: Vec<EventId>, at: UnixMillis) -> Ask<'_, ()> {
        self.inner.outbox_done(ids, at)
    }
    fn audit(&self) -> Ask<'_, AuditReport> {
        self.inner.audit()
    }
    fn ping(&self) -> Ask<'_, ()> {
        self.inner.ping()
    }
}

/// What was told of promotions, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Offer(Status, u64),
    Stock(u64),
    Gone(GoneReason, u64),
}

/// Writes down what it is told. Versions must never fall, whoever tells them.
#[derive(Default)]
pub struct Script {
    told: Mutex<Vec<(PromotionId, Told)>>,
    /// What must not have been told. Written down: whoever tells it survives a panic.
    wrong: Mutex<Vec<String>>,
    panics: AtomicBool,
    pulse: Arc<Pulse>,
}

impl Script {
    /// Whoever tells it the next thing panics.
    pub fn panic_once(&self) {
        self.panics.store(true, Ordering::Relaxed);
    }

    pub fn of(&self, id: PromotionId) -> Vec<Told> {
        self.told.lock().unwrap().iter().filter(|(of, _)| *of == id).map(|(_, told)| told.clone()).collect()
    }

    pub fn last_v(&self, id: PromotionId) -> u64 {
        self.of(id).last().map_or(0, version)
    }
}

fn version(told: &Told) -> u64 {
    match told {
        Told::Offer(_, v) | Told::Stock(v) | Told::Gone(_, v) => *v,
    }
}

impl Feed for Script {
    fn publish(&self, update: Update) {
        let id = update.promotion_id();
        let told = match update {
            Update::Offer(offer) => Told::Offer(offer.record.counters.status, offer.record.counters.v),
            Update::Stock { v, .. } => Told::Stock(v),
            Update::Gone { v, reason, .. } => Told::Gone(reason, v),
            Update::Sales { .. } => return,
        };
        let last = self.last_v(id);
        if version(&told) < last {
            self.wrong.lock().unwrap().push(format!("I26: {told:?} after version {last}"));
        }
        self.told.lock().unwrap().push((id, told));
        assert!(!self.panics.swap(false, Ordering::Relaxed), "{ON_PURPOSE}");
    }
    fn claims_changed(&self, _: &[Claim]) {}
    fn pulse(&self, _: PromotionId) -> Arc<Pulse> {
        self.pulse.clone()
    }
}

pub struct Stage {
    pub engine: Engine,
    pub store: Arc<Gated>,
    pub feed: Arc<Script>,
    pub clock: Arc<SimClock>,
    pub mint: Arc<SimMint>,
}

impl Stage {
    fn on(store: Arc<Gated>, feed: Arc<Script>, clock: Arc<SimClock>, mint: Arc<SimMint>) -> Self {
        let engine = Engine::start(EngineParts {
            store: store.clone(),
            accounts: Arc::new(SimAccounts),
            feed: feed.clone(),
            clock: clock.clone(),
            mint: mint.clone(),
            promotions: actix_rt::Arbiter::current(),
            persistence: actix_rt::Arbiter::current(),
            timers: true,
        });
        Self { engine, store, feed, clock, mint }
    }

    /// A promotion that starts so many milliseconds from now, for an hour, with 5 units and holds of `hold_s` seconds.
    pub fn promotion(&self, n: u64, starts_in_ms: i64, hold_s: u32) -> PromotionId {
        self.store.insert(promotion(n, self.clock.now(), starts_in_ms, 3_600_000, 5, hold_s, None))
    }

    pub async fn claim(&self, id: PromotionId, user: u128) -> Result<Claim, EngineError<ClaimRefusal>> {
        self.engine.claim(request(id, user)).await
    }

    pub async fn record(&self, id: PromotionId) -> PromotionRecord {
        self.engine.promotion(id).await.unwrap().unwrap()
    }

    pub fn awake(&self) -> u64 {
        self.engine.observe().owners
    }
}

/// One unit for a shopper, always by the same key.
pub fn request(id: PromotionId, user: u128) -> ClaimRequest {
    ClaimRequest {
        promotion_id: id,
        user_id: shopper(user),
        quantity: 1,
        idempotency_key: "key".into(),
        location: None,
    }
}

pub fn shopper(n: u128) -> UserId {
    UserId(Uuid::from_u128(100 + n))
}

/// Lets virtual time pass.
pub async fn pass(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// Plays a scene in virtual time on one thread.
pub fn play<F: Future<Output = ()>>(scene: impl FnOnce(Stage) -> F) {
    play_twice(scene, async |_| {});
}

/// Plays a scene, and another one in a new process: nothing is left but the store, and who watches. The wall clock goes
/// on where it was.
pub fn play_twice<F: Future<Output = ()>, G: Future<Output = ()>>(
    scene: impl FnOnce(Stage) -> F,
    after_restart: impl FnOnce(Stage) -> G,
) {
    let kept = actix_rt::System::new().block_on(async {
        tokio::time::pause();
        let clock = Arc::new(SimClock::new());
        let faults = Faults { refused: 0, unknown: 0, load_fails: 0, feed_panics: 0, clock_steps: false };
        let inner = Arc::new(SimStore::new(1, faults, clock.clone()));
        let (refuse, unknown, poisoned, batches) = Default::default();
        let held = watch::Sender::new(false);
        let store = Arc::new(Gated { inner, held, refuse, unknown, poisoned, batches });
        let stage = Stage::on(store.clone(), Arc::default(), clock.clone(), Arc::new(SimMint::new(1)));
        let (feed, mint) = (stage.feed.clone(), stage.mint.clone());
        scene(stage).await;
        let wall = clock.now().wall;
        (store, feed, clock, mint, wall)
    });
    let (store, feed, clock, mint, wall) = kept;
    actix_rt::System::new().block_on(async {
        tokio::time::pause();
        clock.step(wall - clock.now().wall);
        after_restart(Stage::on(store, feed.clone(), clock, mint)).await;
        assert_eq!(*feed.wrong.lock().unwrap(), Vec::<String>::new());
    });
}
