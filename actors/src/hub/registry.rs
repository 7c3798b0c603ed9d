//! All hubs of the process: where owners publish and where workers' hubs join. Holds what a hub that joins late must
//! know, and who is connected at all.

use super::board::apply_stock;
use super::inbox::{Inbox, Order};
use super::load::{Load, WorkerLoad};
use super::shard::ticks_of_ms;
use super::wire::{Channel, ClaimNews, Published, Wire};
use crate::feed::{Feed, LiveOffer, Pulse, Update};
use crate::histogram::{self, Histogram};
use actix::{Message, Recipient};
use flash_domain::claim::Claim;
use flash_domain::ids::{ClaimId, FamilyId, PromotionId, StoreId, UserId};
use flash_domain::notice::Notice;
use flash_domain::promotion::Status;
use flash_domain::time::UnixMillis;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;
use uuid::Uuid;

/// Something waits in the hub's inbox. At most one is under way per hub.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Wake;

/// Counters of the live edge, since the start.
#[derive(Debug)]
pub struct HubCounts {
    /// Sessions that connected.
    pub connects: AtomicU64,
    /// Frames written by fan-out.
    pub frames: AtomicU64,
    /// Updates that replaced one that still waited.
    pub conflated: AtomicU64,
    /// Readers cut for being too slow.
    pub evicted: AtomicU64,
    /// Sessions that the server ended.
    pub ended: AtomicU64,
    /// From an owner's publishing to a worker's having written it to its sockets or left it in their outboxes, in
    /// microseconds: one value per update and worker.
    pub delivery_lags: Histogram,
    /// How many updates and claims' changes a hub found in its inbox when it looked.
    pub inbox_depths: Histogram,
}

impl Default for HubCounts {
    fn default() -> Self {
        Self {
            connects: AtomicU64::default(),
            frames: AtomicU64::default(),
            conflated: AtomicU64::default(),
            evicted: AtomicU64::default(),
            ended: AtomicU64::default(),
            delivery_lags: Histogram::new(histogram::MICROSECONDS),
            inbox_depths: Histogram::new(histogram::COUNTS),
        }
    }
}

impl HubCounts {
    /// Adds the result of one fan-out.
    pub fn wrote(&self, frames: u64, conflated: u64) {
        self.frames.fetch_add(frames, Ordering::Relaxed);
        if conflated > 0 {
            self.conflated.fetch_add(conflated, Ordering::Relaxed);
        }
    }
}

struct Seat {
    inbox: Arc<Inbox>,
    load: Arc<Load>,
    hub: Recipient<Wake>,
}

impl Seat {
    fn tell(&self, must: bool) {
        if must && self.hub.try_send(Wake).is_err() {
            tracing::warn!("a hub is gone");
        }
    }
}

#[derive(Default)]
struct Registry {
    seats: Vec<Seat>,
    /// Every live offer with the counters that were told since.
    live: HashMap<PromotionId, Arc<LiveOffer>>,
    counters: HashMap<PromotionId, (u64, u32, u32)>,
}

impl Registry {
    fn note(&mut self, update: &Update) {
        match update {
            Update::Offer(offer) if offer.record.counters.status == Status::Live => {
                self.live.insert(offer.record.id, offer.clone());
                self.counters.remove(&offer.record.id);
            }
            Update::Stock { id, v, remaining, held } if self.live.contains_key(id) => {
                self.counters.insert(*id, (*v, *remaining, *held));
            }
            Update::Gone { id, .. } => {
                self.live.remove(id);
                self.counters.remove(id);
            }
            Update::Offer(_) | Update::Stock { .. } | Update::Sales { .. } => {}
        }
    }

    fn current(&self, offer: &Arc<LiveOffer>) -> Arc<LiveOffer> {
        match self.counters.get(&offer.record.id) {
            None => offer.clone(),
            Some((v, remaining, held)) => {
                let mut current = LiveOffer::clone(offer);
                apply_stock(&mut current.record, *v, *remaining, *held);
                Arc::new(current)
            }
        }
    }
}

/// All hubs of the process.
pub struct Hubs {
    wire: Arc<dyn Wire>,
    registry: Mutex<Registry>,
    connected: RwLock<HashMap<UserId, u32>>,
    pulses: Mutex<HashMap<PromotionId, Weak<Pulse>>>,
    counts: HubCounts,
    sessions: AtomicUsize,
    sessions_max: usize,
    draining: AtomicBool,
}

/// A place among the sessions that the process may have; given back when dropped.
pub struct Place(Arc<Hubs>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Hubs {
    /// Makes a registry without hubs, for at most `sessions_max` sessions.
    pub fn new(wire: Arc<dyn Wire>, sessions_max: usize) -> Arc<Self> {
        Arc::new(Self {
            wire,
            registry: Mutex::default(),
            connected: RwLock::default(),
            pulses: Mutex::default(),
            counts: HubCounts::default(),
            sessions: AtomicUsize::new(0),
            sessions_max,
            draining: AtomicBool::new(false),
        })
    }

    /// Lets a worker's hub join: every live offer is in its inbox already, and no update is missed.
    pub(super) fn join(&self, inbox: Arc<Inbox>, load: Arc<Load>, hub: Recipient<Wake>) {
        let mut registry = self.registry();
        let mut must = false;
        for offer in registry.live.values() {
            let update = Update::Offer(registry.current(offer));
            must |= inbox.publish(&Arc::new(Published::new(update, &*self.wire)));
        }
        let seat = Seat { inbox, load, hub };
        seat.tell(must);
        registry.seats.push(seat);
    }

    /// Takes one of the places for sessions; `None` when all are taken or the server goes down.
    pub fn admit(self: &Arc<Self>) -> Option<Place> {
        if self.draining.load(Ordering::Acquire) {
            return None;
        }
        let place = self.sessions.fetch_add(1, Ordering::AcqRel);
        let place_taken = Place(self.clone());
        (place < self.sessions_max).then_some(place_taken)
    }

    /// Sessions there are now.
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Acquire)
    }

    /// Whether the server goes down.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Counters since the start.
    pub fn counts(&self) -> &HubCounts {
        &self.counts
    }

    /// The wire format.
    pub fn wire(&self) -> Arc<dyn Wire> {
        self.wire.clone()
    }

    /// Ends the sessions of a login that was revoked.
    pub fn disconnect_family(&self, family: FamilyId) {
        self.order(Order::DisconnectFamily(family));
    }

    /// Ends every session of a person.
    pub fn disconnect_user(&self, user: UserId) {
        self.order(Order::DisconnectUser(user));
    }

    /// How many hubs have joined.
    pub fn hubs(&self) -> usize {
        self.registry().seats.len()
    }

    /// How busy each worker's hub is, in the order in which they joined.
    pub fn workers(&self) -> Vec<WorkerLoad> {
        self.registry().seats.iter().map(|seat| seat.load.with_waiting(seat.inbox.len())).collect()
    }

    /// Refuses new sessions and ends those there are, spread over this time.
    pub fn drain(&self, over: Duration) {
        self.draining.store(true, Ordering::Release);
        let ms = i64::try_from(over.as_millis()).unwrap_or(i64::MAX);
        self.order(Order::Drain { over_ticks: ticks_of_ms(ms) });
    }

    /// Notes that a session of a person is there.
    pub fn came(&self, user: UserId) {
        *self.connected.write().unwrap_or_else(PoisonError::into_inner).entry(user).or_default() += 1;
    }

    /// Notes that a session of a person is gone.
    pub fn went(&self, user: UserId) {
        let mut connected = self.connected.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = connected.get_mut(&user) {
            *count -= 1;
            if *count == 0 {
                connected.remove(&user);
            }
        }
    }

    /// The promotion's watchers, see [`Feed::pulse`].
    pub fn pulse_of(&self, id: PromotionId) -> Arc<Pulse> {
        let mut pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pulse) = pulses.get(&id).and_then(Weak::upgrade) {
            return pulse;
        }
        if pulses.len() == pulses.capacity() {
            pulses.retain(|_, pulse| pulse.strong_count() > 0);
        }
        let pulse = Arc::new(Pulse::default());
        pulses.insert(id, Arc::downgrade(&pulse));
        pulse
    }

    fn order(&self, order: Order) {
        for seat in &self.registry().seats {
            seat.tell(seat.inbox.order(order));
        }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed for Hubs {
    fn publish(&self, update: Update) {
        let published = Arc::new(Published::new(update, &*self.wire));
        let mut registry = self.registry();
        registry.note(&published.update);
        for seat in &registry.seats {
            seat.tell(seat.inbox.publish(&published));
        }
    }

    fn claims_changed(&self, claims: &[Claim]) {
        let news: Vec<Arc<ClaimNews>> = {
            let connected = self.connected.read().unwrap_or_else(PoisonError::into_inner);
            if connected.is_empty() {
                return;
            }
            claims
                .iter()
                .filter(|claim| connected.contains_key(&claim.user_id))
                .map(|claim| {
                    let frame = self.wire.publication(Channel::Me, &self.wire.claim_event(claim));
                    Arc::new(ClaimNews { user: claim.user_id, claim: claim.id, v: claim.v, frame })
                })
                .collect()
        };
        if news.is_empty() {
            return;
        }
        for seat in &self.registry().seats {
            seat.tell(seat.inbox.claims(&news));
        }
    }

    fn notified(&self, notice: &Notice, at: UnixMillis, people: &[UserId]) {
        let here: Vec<UserId> = {
            let connected = self.connected.read().unwrap_or_else(PoisonError::into_inner);
            if connected.is_empty() {
                return;
            }
            people.iter().copied().filter(|user| connected.contains_key(user)).collect()
        };
        if here.is_empty() {
            return;
        }
        let frame = self.wire.publication(Channel::Me, &self.wire.notification_event(notice, at));
        let news = |user: UserId| {
            let own = ClaimId(Uuid::from_u128(notice.id.0.as_u128() ^ user.0.as_u128().rotate_left(64)));
            Arc::new(ClaimNews { user, claim: own, v: 1, frame: frame.clone() })
        };
        let news: Vec<_> = here.into_iter().map(news).collect();
        for seat in &self.registry().seats {
            seat.tell(seat.inbox.claims(&news));
        }
    }

    fn pulse(&self, id: PromotionId) -> Arc<Pulse> {
        self.pulse_of(id)
    }

    fn staff_changed(&self, store: StoreId) {
        self.order(Order::StaffChanged(store));
    }
}
