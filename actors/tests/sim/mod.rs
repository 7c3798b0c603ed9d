//! The simulated outside: a store in memory that fails on purpose, clocks that are set, a feed that checks what it is
//! told.

use flash_actors::feed::{Feed, Pulse, Update};
use flash_actors::ports::accounts::*;
use flash_actors::ports::clock::{Clock, Mint};
use flash_actors::ports::store::*;
use flash_actors::ports::{Answer, Page, PortError};
use flash_domain::claim::{Claim, ClaimStatus};
use flash_domain::geo::Location;
use flash_domain::ids::*;
use flash_domain::money::Money;
use flash_domain::promotion::*;
use flash_domain::segment::{Segment, Segments};
use flash_domain::terms::Terms;
use flash_domain::time::{Now, UnixMillis};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

pub const ON_PURPOSE: &str = "panic on purpose";

/// Splitmix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(0x9e37_79b9_7f4a_7c15))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// What goes wrong, in chances of a thousand.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    pub refused: u64,
    pub unknown: u64,
    pub load_fails: u64,
    pub feed_panics: u64,
    pub clock_steps: bool,
}

impl Faults {
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed.wrapping_mul(31));
        let mut chance = |max| if random.below(2) == 0 { 0 } else { random.below(max) };
        Self {
            refused: chance(200),
            unknown: chance(200),
            load_fails: chance(200),
            feed_panics: chance(60),
            clock_steps: seed.is_multiple_of(3),
        }
    }
}

pub struct SimClock {
    origin: Instant,
    offset_ms: AtomicI64,
    latest_ms: AtomicI64,
}

impl SimClock {
    pub fn new() -> Self {
        let (offset_ms, latest_ms) = (AtomicI64::new(1_800_000_000_000), AtomicI64::new(0));
        Self { origin: Instant::now(), offset_ms, latest_ms }
    }

    /// The latest time that the wall clock ever gave to anybody.
    fn latest(&self) -> UnixMillis {
        UnixMillis(self.latest_ms.load(Ordering::Relaxed))
    }

    pub fn step(&self, ms: i64) {
        self.offset_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Now {
        let mono = self.origin.elapsed().as_millis() as i64;
        let wall = self.offset_ms.load(Ordering::Relaxed) + mono;
        self.latest_ms.fetch_max(wall, Ordering::Relaxed);
        Now::new(wall, mono)
    }
}

pub struct SimMint(AtomicU64);

impl SimMint {
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed << 32))
    }
}

impl Mint for SimMint {
    fn uuid(&self, _: UnixMillis) -> Uuid {
        Uuid::from_u128((7 << 64) | u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }

    fn code(&self, _: UnixMillis) -> String {
        "CODE".to_owned()
    }
}

pub fn promotion(
    n: u64,
    now: Now,
    starts_in_ms: i64,
    lasts_ms: i64,
    stock: u32,
    hold_seconds: u32,
    limit: Option<u32>,
) -> PromotionRecord {
    let money = |amount| Money { amount, currency: "COP".parse().unwrap() };
    let starts_at = now.wall.plus_ms(starts_in_ms);
    PromotionRecord {
        id: PromotionId(Uuid::from_u128(1 + u128::from(n))),
        series_id: None,
        store: StoreCopy {
            id: StoreId(Uuid::from_u128(50)),
            name: "Store".into(),
            location: Location::new(6.2442, -75.5812).unwrap(),
        },
        product: ProductCopy { id: ProductId(Uuid::from_u128(60)), name: "Thing".into(), image_url: None },
        terms: Terms {
            price: money(50),
            original_price: money(100),
            stock,
            per_shopper_limit: limit,
            starts_at,
            ends_at: starts_at.plus_ms(lasts_ms),
            reach_m: 5_000,
            claim_within_m: None,
            hold_seconds,
            segments: Segments::default(),
            category: None,
        },
        counters: Counters { status: Status::Scheduled, v: 1, ..Counters::default() },
        created_at: now.wall,
    }
}

struct Row {
    record: PromotionRecord,
    epoch: i64,
    commit_seq: i64,
}

#[derive(Default)]
struct State {
    promotions: HashMap<PromotionId, Row>,
    claims: HashMap<ClaimId, Claim>,
}

pub struct SimStore {
    state: Arc<Mutex<State>>,
    random: Mutex<Random>,
    faults: Mutex<Faults>,
    clock: Arc<SimClock>,
}

impl SimStore {
    pub fn new(seed: u64, faults: Faults, clock: Arc<SimClock>) -> Self {
        Self {
            state: Arc::default(),
            random: Mutex::new(Random::new(seed ^ 0xabcd)),
            faults: Mutex::new(faults),
            clock,
        }
    }

    pub fn insert(&self, record: PromotionRecord) -> PromotionId {
        let id = record.id;
        self.state.lock().unwrap().promotions.insert(id, Row { record, epoch: 0, commit_seq: 0 });
        id
    }

    pub fn claim(&self, id: ClaimId) -> Option<Claim> {
        self.state.lock().unwrap().claims.get(&id).cloned()
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        let mut faults = self.faults.lock().unwrap();
        *faults = Faults { refused: 0, unknown: 0, load_fails: 0, ..*faults };
    }

    /// The version that may be shown: the stored one, with start and end applied, which stay although the clock goes back.
    pub fn shown_v(&self, id: PromotionId) -> u64 {
        let state = self.state.lock().unwrap();
        let record = &state.promotions[&id].record;
        record.at(self.clock.latest().max(record.counters.decided_at)).counters.v
    }

    pub fn check(&self, id: PromotionId) {
        let state = self.state.lock().unwrap();
        let record = &state.promotions[&id].record;
        let claims: Vec<&Claim> = state.claims.values().filter(|claim| claim.promotion_id == id).collect();
        let sum = |of: &[ClaimStatus]| -> u32 {
            claims.iter().filter(|claim| of.contains(&claim.status)).map(|claim| claim.quantity).sum()
        };
        let (held, sold) = (sum(&[ClaimStatus::Held]), sum(&[ClaimStatus::Confirmed, ClaimStatus::Redeemed]));
        assert_eq!((record.counters.held, record.counters.sold), (held, sold), "I2");
        assert!(held + sold <= record.terms.stock, "I1: oversold");
        let mut per_shopper: HashMap<UserId, u32> = HashMap::new();
        let mut keys = std::collections::HashSet::new();
        for claim in &claims {
            assert!(keys.insert((claim.user_id, claim.idempotency_key.clone())), "I14: one key, two claims");
            if claim.status.occupies() {
                *per_shopper.entry(claim.user_id).or_default() += claim.quantity;
            }
        }
        let limit = record.terms.per_shopper_limit.unwrap_or(u32::MAX);
        assert!(per_shopper.values().all(|units| *units <= limit), "I10");
    }

    fn chance(&self, of: impl Fn(&Faults) -> u64) -> bool {
        let chance = of(&self.faults.lock().unwrap());
        self.random.lock().unwrap().below(1_000) < chance
    }

    fn below(&self, bound: u64) -> u64 {
        self.random.lock().unwrap().below(bound)
    }
}

fn apply(state: &Mutex<State>, batch: Vec<Arc<Commit>>) -> Committed {
    let mut committed = Committed::default();
    let mut state = state.lock().unwrap();
    for commit in batch {
        let row = state.promotions.get_mut(&commit.promotion_id).unwrap();
        if row.epoch != commit.epoch || row.commit_seq != commit.base_seq {
            committed.stale.push(commit.promotion_id);
            continue;
        }
        assert!(commit.counters.v >= row.record.counters.v, "I26: a version went back");
        row.commit_seq = commit.seq;
        row.record.counters = commit.counters;
        if let Some(terms) = &commit.terms {
            row.record.terms = (**terms).clone();
        }
        for claim in commit.claims.clone() {
            if let Some(before) = state.claims.get(&claim.id) {
                let ends_once = before.status == ClaimStatus::Held && claim.status != ClaimStatus::Held;
                assert!(ends_once || before.status == ClaimStatus::Confirmed, "I6: a hold ended twice");
            }
            state.claims.insert(claim.id, claim);
        }
    }
    committed
}

impl Store for SimStore {
    fn commit(&self, batch: Vec<Arc<Commit>>) -> Answer<'_, Result<Committed, PortError>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_micros(self.below(3_000))).await;
            if self.chance(|faults| faults.refused) {
                return Err(PortError::Unavailable("refused on purpose".into()));
            }
            if self.chance(|faults| faults.unknown) {
                let state = self.state.clone();
                match self.below(3) {
                    0 => {}
                    1 => drop(apply(&state, batch)),
                    _ => {
                        // Still in flight when the caller gives up: lands after the reload, or before it.
                        let delay = Duration::from_millis(self.below(40));
                        actix_rt::spawn(async move {
                            tokio::time::sleep(delay).await;
                            apply(&state, batch);
                        });
                    }
                }
                return Err(PortError::OutcomeUnknown("unknown on purpose".into()));
            }
            Ok(apply(&self.state, batch))
        })
    }

    fn load(&self, id: PromotionId) -> Answer<'_, Result<Option<Loaded>, PortError>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_micros(self.below(3_000))).await;
            if self.chance(|faults| faults.load_fails) {
                return Err(PortError::Unavailable("load fails on purpose".into()));
            }
            let mut state = self.state.lock().unwrap();
            let claims = state.claims.values().filter(|claim| claim.promotion_id == id).cloned().collect();
            Ok(state.promotions.get_mut(&id).map(|row| {
                row.epoch += 1;
                Loaded { record: row.record.clone(), claims, epoch: row.epoch, commit_seq: row.commit_seq }
            }))
        })
    }

    fn wakeful(
        &self,
        _: UnixMillis,
        after: Option<PromotionId>,
        _: u32,
    ) -> Answer<'_, Result<Vec<Wakeful>, PortError>> {
        Box::pin(async move {
            let state = self.state.lock().unwrap();
            let mut ids: Vec<PromotionId> = state.promotions.keys().copied().collect();
            ids.sort_unstable();
            let wakeful = |id| Wakeful { id, at: UnixMillis(0) };
            Ok(ids.into_iter().filter(|id| after.is_none_or(|after| *id > after)).map(wakeful).collect())
        })
    }

    fn peek(&self, id: PromotionId) -> Answer<'_, Result<Option<PromotionRecord>, PortError>> {
        Box::pin(
            async move { Ok(self.state.lock().unwrap().promotions.get(&id).map(|row| row.record.clone())) },
        )
    }

    fn locate_claim(&self, id: ClaimId) -> Answer<'_, Result<Option<(PromotionId, UserId)>, PortError>> {
        Box::pin(async move { Ok(self.claim(id).map(|claim| (claim.promotion_id, claim.user_id))) })
    }

    fn outbox_waiting(&self, _: u32) -> Answer<'_, Result<Vec<OutboxEvent>, PortError>> {
        Box::pin(async { Ok(vec![]) })
    }

    fn outbox_done(&self, _: Vec<EventId>, _: UnixMillis) -> Answer<'_, Result<(), PortError>> {
        Box::pin(async { Ok(()) })
    }

    fn audit(&self) -> Answer<'_, Result<AuditReport, PortError>> {
        Box::pin(async { Ok(AuditReport::default()) })
    }

    fn ping(&self) -> Answer<'_, Result<(), PortError>> {
        Box::pin(async { Ok(()) })
    }
}

/// Checks that versions only grow and that nothing is shown that is not durable.
pub struct SimFeed {
    random: Mutex<Random>,
    panics: u64,
    store: Arc<SimStore>,
    last: Mutex<HashMap<PromotionId, u64>>,
    wrong: Mutex<Vec<String>>,
    pulse: Arc<Pulse>,
}

impl SimFeed {
    pub fn new(seed: u64, panics: u64, store: Arc<SimStore>) -> Self {
        let random = Mutex::new(Random::new(seed ^ 0xfeed));
        Self { random, panics, store, last: Mutex::default(), wrong: Mutex::default(), pulse: Arc::default() }
    }

    pub fn last_v(&self, id: PromotionId) -> u64 {
        self.last.lock().unwrap().get(&id).copied().unwrap_or(0)
    }

    /// What it was told and must not have been. Written down: whoever tells it survives a panic.
    pub fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap().clone()
    }

    fn must(&self, right: bool, otherwise: impl FnOnce() -> String) {
        if !right {
            self.wrong.lock().unwrap().push(otherwise());
        }
    }
}

impl Feed for SimFeed {
    fn publish(&self, update: Update) {
        let v = match &update {
            Update::Offer(offer) => offer.record.counters.v,
            Update::Stock { v, .. } | Update::Gone { v, .. } => *v,
            Update::Sales { .. } => return,
        };
        let id = update.promotion_id();
        let last = self.last_v(id);
        self.must(v >= last, || format!("I26: told {v} after {last}"));
        let durable = v <= self.store.shown_v(id);
        self.must(durable, || format!("shown before it was durable: {update:?}"));
        self.last.lock().unwrap().insert(id, v);
        if self.random.lock().unwrap().below(1_000) < self.panics {
            panic!("{ON_PURPOSE}");
        }
    }

    fn claims_changed(&self, claims: &[Claim]) {
        for claim in claims {
            let durable = self.store.claim(claim.id).is_some_and(|durable| claim.v <= durable.v);
            self.must(durable, || format!("shown before it was durable: {claim:?}"));
        }
    }

    fn pulse(&self, _: PromotionId) -> Arc<Pulse> {
        self.pulse.clone()
    }
}

/// Segments only; nothing else is asked for.
pub struct SimAccounts;

type Ask<'a, T> = Answer<'a, Result<T, PortError>>;

fn nobody<T>() -> Result<T, PortError> {
    Err(PortError::Broken("not simulated".into()))
}

impl Accounts for SimAccounts {
    fn register(&self, _: User, _: String) -> Ask<'_, bool> {
        Box::pin(async { nobody() })
    }
    fn register_many(&self, _: Vec<User>, _: String) -> Ask<'_, ()> {
        Box::pin(async { nobody() })
    }
    fn by_email<'a>(&'a self, _: &'a str) -> Ask<'a, Option<(User, String)>> {
        Box::pin(async { nobody() })
    }
    fn user(&self, _: UserId) -> Ask<'_, Option<User>> {
        Box::pin(async { nobody() })
    }
    fn update(&self, _: UserId, _: UserPatch) -> Ask<'_, Option<User>> {
        Box::pin(async { nobody() })
    }
    fn forget(&self, _: UserId, _: UnixMillis) -> Ask<'_, bool> {
        Box::pin(async { nobody() })
    }
    fn set_role(&self, _: UserId, _: Role) -> Ask<'_, bool> {
        Box::pin(async { nobody() })
    }
    fn list(&self, _: Option<UserId>, _: u32) -> Ask<'_, Page<User>> {
        Box::pin(async { nobody() })
    }
    fn segment(&self, _: UserId, _: UnixMillis) -> Ask<'_, Segment> {
        Box::pin(async { Ok(Segment::New) })
    }
    fn begin_family(&self, _: FamilyId, _: UserId, _: [u8; 32], _: UnixMillis, _: UnixMillis) -> Ask<'_, ()> {
        Box::pin(async { nobody() })
    }
    fn rotate(&self, _: FamilyId, _: [u8; 32], _: [u8; 32], _: UnixMillis, _: i64) -> Ask<'_, Rotation> {
        Box::pin(async { nobody() })
    }
    fn revoke_family(&self, _: FamilyId, _: UnixMillis) -> Ask<'_, bool> {
        Box::pin(async { nobody() })
    }
    fn family_is_live(&self, _: FamilyId) -> Ask<'_, bool> {
        Box::pin(async { nobody() })
    }
    fn revoked_since(&self, _: UnixMillis) -> Ask<'_, Vec<FamilyId>> {
        Box::pin(async { nobody() })
    }
    fn purge_families(&self, _: UnixMillis) -> Ask<'_, u64> {
        Box::pin(async { nobody() })
    }
}
