//! What waits for one hub: a bounded, conflating queue that other threads fill and the hub empties.
//!
//! A stuck worker costs at most a few updates per promotion, however long it is stuck. Knows no session.

use super::limits::{INBOX_CLAIMS_MAX, INBOX_ORDERS_MAX};
use super::wire::{ClaimNews, Published};
use crate::feed::Update;
use flash_domain::ids::{ClaimId, FamilyId, PromotionId, StoreId, UserId};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Something that concerns sessions rather than promotions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// End the sessions of a login that was revoked.
    DisconnectFamily(FamilyId),
    /// End every session of a person.
    DisconnectUser(UserId),
    /// Check again who works at a store.
    StaffChanged(StoreId),
    /// End every session, spread over so many ticks.
    Drain {
        /// Ticks.
        over_ticks: u64,
    },
}

/// What waits of one promotion, to be applied in the order of the fields.
#[derive(Debug, Default)]
struct Pending {
    gone: Option<Arc<Published>>,
    offer: Option<Arc<Published>>,
    stock: Option<Arc<Published>>,
    sales: Option<Arc<Published>>,
}

impl Pending {
    /// The later update replaces what it makes pointless.
    fn add(&mut self, published: Arc<Published>) {
        match &published.update {
            Update::Offer(_) => {
                self.stock = None;
                self.offer = Some(published);
            }
            Update::Stock { .. } => self.stock = Some(published),
            Update::Gone { .. } => *self = Self { gone: Some(published), ..Self::default() },
            Update::Sales { .. } => self.sales = Some(published),
        }
    }

    fn into_order(self) -> impl Iterator<Item = Arc<Published>> {
        [self.gone, self.offer, self.stock, self.sales].into_iter().flatten()
    }
}

#[derive(Debug, Default)]
struct State {
    order: Vec<PromotionId>,
    pending: HashMap<PromotionId, Pending>,
    claim_order: Vec<ClaimId>,
    claims: HashMap<ClaimId, Arc<ClaimNews>>,
    orders: Vec<Order>,
    lost_claims: bool,
    lost_orders: bool,
    /// Whether the hub was told already and has not looked yet.
    told: bool,
}

/// Everything that waited.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Updates: in order per promotion, promotions in the order of their first.
    pub updates: Vec<Arc<Published>>,
    /// Claims' changes.
    pub claims: Vec<Arc<ClaimNews>>,
    /// Orders.
    pub orders: Vec<Order>,
    /// Claims' changes were dropped: nobody's claims can be trusted.
    pub lost_claims: bool,
    /// Orders were dropped: no session can be trusted.
    pub lost_orders: bool,
}

impl Delivery {
    /// Adds what came later.
    pub fn join(&mut self, later: Self) {
        self.updates.extend(later.updates);
        self.claims.extend(later.claims);
        self.orders.extend(later.orders);
        self.lost_claims |= later.lost_claims;
        self.lost_orders |= later.lost_orders;
    }
}

/// The queue of one hub.
#[derive(Debug, Default)]
pub struct Inbox {
    state: Mutex<State>,
    /// Whether updates wait; may be looked at between any two sessions.
    updates: AtomicBool,
}

impl Inbox {
    /// Puts an update in; returns whether the hub has to be told.
    pub fn publish(&self, published: &Arc<Published>) -> bool {
        self.with(|state| {
            self.updates.store(true, Ordering::Relaxed);
            let id = published.update.promotion_id();
            match state.pending.entry(id) {
                Entry::Occupied(mut pending) => pending.get_mut().add(published.clone()),
                Entry::Vacant(place) => {
                    state.order.push(id);
                    place.insert(Pending::default()).add(published.clone());
                }
            }
        })
    }

    /// Puts claims' changes in; returns whether the hub has to be told.
    pub fn claims(&self, news: &[Arc<ClaimNews>]) -> bool {
        self.with(|state| {
            for one in news {
                let full = state.claims.len() >= INBOX_CLAIMS_MAX;
                match state.claims.entry(one.claim) {
                    Entry::Occupied(mut known) if known.get().v <= one.v => {
                        known.insert(one.clone());
                    }
                    Entry::Occupied(_) => {}
                    Entry::Vacant(_) if full => state.lost_claims = true,
                    Entry::Vacant(place) => {
                        state.claim_order.push(one.claim);
                        place.insert(one.clone());
                    }
                }
            }
        })
    }

    /// Puts an order in; returns whether the hub has to be told.
    pub fn order(&self, order: Order) -> bool {
        self.with(|state| {
            if state.orders.len() >= INBOX_ORDERS_MAX {
                state.lost_orders = true;
            } else {
                state.orders.push(order);
            }
        })
    }

    /// How much waits now.
    pub fn len(&self) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.order.len() + state.claim_order.len() + state.orders.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether updates wait. One that is published right now may be missed.
    pub fn has_updates(&self) -> bool {
        self.updates.load(Ordering::Relaxed)
    }

    /// Takes everything out.
    pub fn take(&self) -> Delivery {
        let mut state = {
            let mut waiting = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            self.updates.store(false, Ordering::Relaxed);
            std::mem::take(&mut *waiting)
        };
        let mut delivery = Delivery {
            orders: state.orders,
            lost_claims: state.lost_claims,
            lost_orders: state.lost_orders,
            ..Delivery::default()
        };
        for id in &state.order {
            delivery.updates.extend(state.pending.remove(id).into_iter().flat_map(Pending::into_order));
        }
        delivery.claims = state.claim_order.iter().filter_map(|id| state.claims.remove(id)).collect();
        delivery
    }

    fn with(&self, change: impl FnOnce(&mut State)) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        !std::mem::replace(&mut state.told, true)
    }
}
