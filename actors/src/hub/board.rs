//! One worker's board: the offers that are live, who watches them, and their frames, made when first needed.
//!
//! Decides nothing about who sees what; that is `shard.rs`.

use super::outbox::{Kind, Lane};
use super::session::Fill;
use super::slab::{Slab, drop_key, has, put};
use super::wire::{Channel, Published, Wire};
use crate::feed::{LiveOffer, Pulse};
use bytes::Bytes;
use flash_domain::geo::{Cover, Reach, UnitVector};
use flash_domain::ids::PromotionId;
use flash_domain::promotion::PromotionRecord;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Where a live offer is shown.
#[derive(Debug)]
pub struct Shown {
    /// Its cover.
    pub cover: Arc<Cover>,
    /// Its store.
    pub point: UnitVector,
    /// Its reach.
    pub reach: Reach,
}

/// A follower of `promotion:{id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follower {
    /// Which session.
    pub slot: u32,
    /// Tells this subscription from an earlier one of the same session.
    pub registration: u32,
    /// Whether they work at the store.
    pub staff: bool,
    /// Whether the subscription was answered; until then nothing is sent.
    pub ready: bool,
    /// The version that they know; nothing older is sent.
    pub v: u64,
}

/// A promotion that is live or followed.
#[derive(Debug)]
pub struct Entry {
    /// Which.
    pub id: PromotionId,
    /// Its latest state, as far as it was told.
    pub record: Option<PromotionRecord>,
    /// Where it is shown, while it is live.
    pub shown: Option<Shown>,
    /// Sessions that are shown it on `nearby`, ascending.
    pub watchers: Vec<u32>,
    /// Sessions that follow its channel.
    pub followers: Vec<Follower>,
    /// The latest end of being shown.
    pub gone: Option<Arc<Published>>,
    pulse: Arc<Pulse>,
    stock: Option<Arc<Published>>,
    offer: Option<Bytes>,
    offer_frames: [Option<Bytes>; 2],
    stock_frame: Option<Bytes>,
}

impl Entry {
    fn new(id: PromotionId, pulse: Arc<Pulse>) -> Self {
        Self {
            id,
            record: None,
            shown: None,
            watchers: Vec::new(),
            followers: Vec::new(),
            gone: None,
            pulse,
            stock: None,
            offer: None,
            offer_frames: [None, None],
            stock_frame: None,
        }
    }

    /// The latest version that was told; 0 if none was.
    pub fn v(&self) -> u64 {
        let record = self.record.as_ref().map_or(0, |record| record.counters.v);
        self.gone.as_ref().map_or(record, |gone| gone.v().max(record))
    }

    /// Takes a whole new state. The frame for `nearby` may be given, since every worker shares it.
    pub fn set(&mut self, record: PromotionRecord, nearby: Option<&Bytes>) {
        self.record = Some(record);
        self.stock = None;
        self.stock_frame = None;
        self.offer = None;
        self.offer_frames = [nearby.cloned(), None];
    }

    /// Takes new counters.
    pub fn count(&mut self, v: u64, remaining: u32, held: u32, published: &Arc<Published>) {
        if let Some(record) = &mut self.record {
            apply_stock(record, v, remaining, held);
        }
        self.offer = None;
        self.offer_frames = [None, None];
        self.stock_frame = None;
        self.stock = Some(published.clone());
    }

    /// Where it is shown, from what its owner said.
    pub fn show(&mut self, offer: &LiveOffer) {
        self.shown = Some(Shown {
            cover: offer.cover.clone(),
            point: offer.point,
            reach: Reach::new(f64::from(offer.record.terms.reach_m)),
        });
    }

    /// Whether it is shown already to exactly those who are to be shown `offer`.
    pub fn is_shown_as(&self, offer: &LiveOffer) -> bool {
        let (Some(shown), Some(record)) = (&self.shown, &self.record) else { return false };
        let (before, after) = (&record.terms, &offer.record.terms);
        shown.point == offer.point && before.reach_m == after.reach_m && before.category == after.category
    }

    /// The offer by itself, as it is now.
    pub fn offer(&mut self, wire: &dyn Wire) -> Option<Bytes> {
        if self.offer.is_none() {
            self.offer = self.record.as_ref().map(|record| wire.offer(record));
        }
        self.offer.clone()
    }

    /// The publication of the offer as it is now.
    pub fn offer_frame(&mut self, lane: Lane, wire: &dyn Wire) -> Option<Bytes> {
        let place = lane as usize;
        if self.offer_frames[place].is_none() {
            let event = wire.offer_event(&self.offer(wire)?);
            self.offer_frames[place] = Some(wire.publication(self.channel(lane), &event));
        }
        self.offer_frames[place].clone()
    }

    /// The publication of the counters as they are now; `None` if nothing but the whole offer was ever told.
    pub fn stock_frame(&mut self, lane: Lane, wire: &dyn Wire) -> Option<Bytes> {
        let stock = self.stock.as_ref()?;
        match lane {
            Lane::Nearby => Some(stock.nearby.clone()),
            Lane::Topic => {
                let channel = Channel::Promotion(self.id);
                Some(self.stock_frame.get_or_insert_with(|| wire.publication(channel, &stock.event)).clone())
            }
        }
    }

    fn channel(&self, lane: Lane) -> Channel {
        match lane {
            Lane::Nearby => Channel::Nearby,
            Lane::Topic => Channel::Promotion(self.id),
        }
    }

    /// Lets a session watch; returns whether it did not.
    pub fn watch(&mut self, slot: u32) -> bool {
        if !put(&mut self.watchers, slot) {
            return false;
        }
        if !self.follows(slot) {
            self.pulse.viewers.fetch_add(1, Ordering::Relaxed);
        }
        true
    }

    /// Ends a session's watching; returns whether it did.
    pub fn unwatch(&mut self, slot: u32) -> bool {
        if !drop_key(&mut self.watchers, slot) {
            return false;
        }
        if !self.follows(slot) {
            self.pulse.viewers.fetch_sub(1, Ordering::Relaxed);
        }
        true
    }

    /// Ends everybody's watching; gives those who did.
    pub fn unwatch_all(&mut self) -> Vec<u32> {
        let watchers = std::mem::take(&mut self.watchers);
        let follow = self.followers.iter().filter(|follower| has(&watchers, follower.slot)).count();
        self.pulse.viewers.fetch_sub((watchers.len() - follow) as u32, Ordering::Relaxed);
        watchers
    }

    /// Lets a session follow the channel.
    pub fn follow(&mut self, follower: Follower) {
        if follower.staff {
            self.pulse.staff.fetch_add(1, Ordering::Relaxed);
        }
        if !has(&self.watchers, follower.slot) {
            self.pulse.viewers.fetch_add(1, Ordering::Relaxed);
        }
        self.followers.push(follower);
    }

    /// Ends a session's following.
    pub fn unfollow(&mut self, slot: u32) {
        let Some(place) = self.followers.iter().position(|follower| follower.slot == slot) else { return };
        let follower = self.followers.swap_remove(place);
        if follower.staff {
            self.pulse.staff.fetch_sub(1, Ordering::Relaxed);
        }
        if !has(&self.watchers, slot) {
            self.pulse.viewers.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Marks a follower's subscription as answered with version `v`, and notes whether they work at the store.
    pub fn ready(&mut self, slot: u32, staff: bool, v: u64) {
        let Some(follower) = self.followers.iter_mut().find(|follower| follower.slot == slot) else { return };
        follower.ready = true;
        follower.v = v;
        if staff && !follower.staff {
            follower.staff = true;
            self.pulse.staff.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes that everybody whose subscription was answered is told version `v`; gives those who know only older ones.
    pub fn followers_behind(&mut self, v: u64) -> Vec<u32> {
        let behind = self.followers.iter_mut().filter(|follower| follower.ready && follower.v < v);
        behind
            .map(|follower| {
                follower.v = v;
                follower.slot
            })
            .collect()
    }

    fn follows(&self, slot: u32) -> bool {
        self.followers.iter().any(|follower| follower.slot == slot)
    }

    /// Sessions that see it now, over all workers.
    pub fn viewers(&self) -> u32 {
        self.pulse.viewers.load(Ordering::Relaxed)
    }
}

/// Brings a record up to the counters that were told since.
pub fn apply_stock(record: &mut PromotionRecord, v: u64, remaining: u32, held: u32) {
    record.counters.v = v;
    record.counters.held = held;
    record.counters.sold = record.terms.stock.saturating_sub(held).saturating_sub(remaining);
}

/// Every promotion that is live or followed.
#[derive(Debug, Default)]
pub struct Board {
    entries: Slab<Entry>,
    keys: HashMap<PromotionId, u32>,
}

impl Board {
    /// The key of a promotion.
    pub fn key(&self, id: PromotionId) -> Option<u32> {
        self.keys.get(&id).copied()
    }

    /// The key of a promotion, which is added if need be.
    pub fn key_or_add(&mut self, id: PromotionId, pulse: impl FnOnce() -> Arc<Pulse>) -> u32 {
        let entries = &mut self.entries;
        *self.keys.entry(id).or_insert_with(|| entries.insert(Entry::new(id, pulse())))
    }

    /// A promotion.
    pub fn get(&self, key: u32) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// A promotion.
    pub fn get_mut(&mut self, key: u32) -> Option<&mut Entry> {
        self.entries.get_mut(key)
    }

    /// Forgets a promotion that is neither live nor watched nor followed.
    pub fn tidy(&mut self, key: u32) {
        let idle = self.entries.get(key).is_some_and(|entry| {
            entry.shown.is_none() && entry.watchers.is_empty() && entry.followers.is_empty()
        });
        if idle && let Some(entry) = self.entries.remove(key) {
            self.keys.remove(&entry.id);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Fills marks in from the board.
pub struct FromBoard<'a> {
    /// The board.
    pub board: &'a mut Board,
    /// The wire format.
    pub wire: &'a dyn Wire,
}

impl Fill for FromBoard<'_> {
    fn frame(&mut self, key: u32, lane: Lane, kind: Kind) -> Option<Bytes> {
        let entry = self.board.get_mut(key)?;
        match kind {
            Kind::Offer => entry.offer_frame(lane, self.wire),
            Kind::Stock => entry.stock_frame(lane, self.wire).or_else(|| entry.offer_frame(lane, self.wire)),
        }
    }
}
