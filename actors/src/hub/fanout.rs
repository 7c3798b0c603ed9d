//! Applying a promotion's updates: who watches it is told, who has come into its reach enters, who is out of it leaves.

use super::board::Entry;
use super::outbox::{Kind, Lane};
use super::round::{News, What};
use super::session::{Seat, Sink};
use super::shard::Shard;
use super::slab::{drop_key, has, put};
use super::wire::{Channel, Published, Sales};
use crate::feed::{GoneReason, LiveOffer, Update};
use bytes::Bytes;
use flash_domain::ids::PromotionId;
use flash_domain::promotion::Status;
use std::sync::Arc;

/// Whether a seat is in reach of an offer, given whether it was until now.
pub(super) fn in_reach(entry: &Entry, seat: &Seat, until_now: bool) -> bool {
    let (Some(shown), Some(record), Some(place)) = (&entry.shown, &entry.record, &seat.place) else {
        return false;
    };
    seat.wants(record) && shown.reach.narrower(seat.radius).shows(until_now, &shown.point, &place.point)
}

impl<S: Sink> Shard<S> {
    /// Applies an update and tells everybody whom it concerns.
    pub fn apply(&mut self, published: &Arc<Published>) {
        match &published.update {
            Update::Offer(offer) => self.apply_offer(offer, published),
            Update::Stock { id, v, remaining, held } => {
                self.apply_stock(*id, (*v, *remaining, *held), published);
            }
            Update::Gone { id, v, reason } => self.apply_gone(*id, *v, *reason, published),
            Update::Sales { id, claims, per_second, held, sold } => {
                let sales =
                    Sales { claims: *claims, per_second: *per_second, viewers: 0, held: *held, sold: *sold };
                self.tell_sales(*id, sales);
            }
        }
    }

    fn apply_offer(&mut self, offer: &LiveOffer, published: &Arc<Published>) {
        let (id, v) = (offer.record.id, offer.record.counters.v);
        let live = offer.record.counters.status == Status::Live;
        let hubs = self.hubs.clone();
        let key = match self.board.key(id) {
            Some(key) => key,
            None if live => self.board.key_or_add(id, || hubs.pulse_of(id)),
            None => return,
        };
        let Some(entry) = self.board.get_mut(key) else { return };
        let known = entry.v();
        // The same state comes again when its owner is loaded anew.
        let old = v < known || (v == known && (entry.shown.is_some() || !live || entry.gone.is_some()));
        if old {
            return;
        }
        let stays = live && entry.is_shown_as(offer);
        let before = if stays { None } else { entry.shown.take() };
        entry.gone = None;
        entry.set(offer.record.clone(), Some(&published.nearby));
        if let Some(before) = before {
            self.cells.hide(key, &before.cover);
        }
        if stays {
            self.tell_watchers(key, Kind::Offer, &published.nearby);
        } else if live {
            entry.show(offer);
            self.cells.show(key, &offer.cover);
            self.reseat(key, offer, published);
        }
        if v > known {
            self.tell_followers(key, Kind::Offer, v);
        }
    }

    /// Tells watchers of a changed offer, lets go those who are out of its reach now, lets in those who are in it.
    fn reseat(&mut self, key: u32, offer: &LiveOffer, published: &Published) {
        let candidates = self.cells.sessions_for(&offer.cover);
        let Some(entry) = self.board.get_mut(key) else { return };
        let (mut stay, mut leave, mut enter) = (Vec::new(), Vec::new(), Vec::new());
        for &slot in &entry.watchers {
            let Some(session) = self.sessions.get_mut(slot) else { continue };
            if session.seat.as_ref().is_some_and(|seat| in_reach(entry, seat, true)) {
                stay.push(slot);
            } else {
                drop_key(&mut session.shown, key);
                leave.push(slot);
            }
        }
        for &slot in &candidates {
            let Some(session) = self.sessions.get_mut(slot) else { continue };
            let seat = session.seat.as_ref();
            if !has(&entry.watchers, slot) && seat.is_some_and(|seat| in_reach(entry, seat, false)) {
                put(&mut session.shown, key);
                enter.push(slot);
            }
        }
        for &slot in &leave {
            entry.unwatch(slot);
        }
        for &slot in &enter {
            entry.watch(slot);
        }
        let (id, v) = (entry.id, entry.v());
        let state = |unseen| News {
            what: What::State { key, lane: Lane::Nearby, kind: Kind::Offer, unseen },
            frame: published.nearby.clone(),
        };
        self.tell(&stay, state(false));
        if !leave.is_empty() {
            let event = self.wire.gone_event(id, v, GoneReason::Left);
            let frame = self.wire.publication(Channel::Nearby, &event);
            self.tell(&leave, News { what: What::Gone { key, lane: Lane::Nearby }, frame });
        }
        self.tell(&enter, state(true));
    }

    fn apply_stock(&mut self, id: PromotionId, counters: (u64, u32, u32), published: &Arc<Published>) {
        let (v, remaining, held) = counters;
        let Some(key) = self.board.key(id) else { return };
        let Some(entry) = self.board.get_mut(key) else { return };
        if v <= entry.v() {
            return;
        }
        entry.count(v, remaining, held, published);
        self.tell_watchers(key, Kind::Stock, &published.nearby);
        self.tell_followers(key, Kind::Stock, v);
    }

    /// Tells everybody who is shown it; who that is has not changed.
    fn tell_watchers(&mut self, key: u32, kind: Kind, frame: &Bytes) {
        let now = self.timers.now();
        let Some(entry) = self.board.get(key) else { return };
        let what = What::State { key, lane: Lane::Nearby, kind, unseen: false };
        let news = News { what, frame: frame.clone() };
        let told = self.round.tell(&entry.watchers, news, (&mut self.sessions, &self.inbox), now);
        self.wrote(told);
    }

    fn apply_gone(&mut self, id: PromotionId, v: u64, reason: GoneReason, published: &Arc<Published>) {
        let Some(key) = self.board.key(id) else { return };
        let Some(entry) = self.board.get_mut(key) else { return };
        if v <= entry.v() {
            return;
        }
        if let Some(before) = entry.shown.take() {
            self.cells.hide(key, &before.cover);
        }
        if let Some(record) = &mut entry.record {
            record.counters.v = v;
            record.counters.status = match reason {
                GoneReason::Paused | GoneReason::Left => Status::Paused,
                GoneReason::Ended => Status::Ended,
                GoneReason::Cancelled => Status::Cancelled,
            };
        }
        entry.gone = Some(published.clone());
        let watchers = entry.unwatch_all();
        for &slot in &watchers {
            if let Some(session) = self.sessions.get_mut(slot) {
                drop_key(&mut session.shown, key);
            }
        }
        let what = What::Gone { key, lane: Lane::Nearby };
        self.tell(&watchers, News { what, frame: published.nearby.clone() });
        self.tell_followers_gone(key, published, reason != GoneReason::Paused);
        self.board.tidy(key);
    }

    fn tell_followers(&mut self, key: u32, kind: Kind, v: u64) {
        let Some(entry) = self.board.get_mut(key) else { return };
        let slots = entry.followers_behind(v);
        if slots.is_empty() {
            return;
        }
        let frame = match kind {
            Kind::Offer => entry.offer_frame(Lane::Topic, &*self.wire),
            Kind::Stock => entry.stock_frame(Lane::Topic, &*self.wire),
        };
        if let Some(frame) = frame {
            let what = What::State { key, lane: Lane::Topic, kind, unseen: false };
            self.tell(&slots, News { what, frame });
        }
    }

    fn tell_followers_gone(&mut self, key: u32, published: &Published, last: bool) {
        let Some(entry) = self.board.get_mut(key) else { return };
        let slots = entry.followers_behind(published.v());
        self.tell_gone(&slots, key, published, last);
    }

    /// Tells followers that a promotion is not to be seen any more, and ends their subscriptions if that was the `last`.
    pub(super) fn tell_gone(&mut self, slots: &[u32], key: u32, published: &Published, last: bool) {
        let Some(id) = self.board.get(key).map(|entry| entry.id).filter(|_| !slots.is_empty()) else {
            return;
        };
        let frame = self.wire.publication(Channel::Promotion(id), &published.event);
        self.tell(slots, News { what: What::Gone { key, lane: Lane::Topic }, frame });
        if last {
            self.end_following(slots, key, false);
        }
    }

    fn tell_sales(&mut self, id: PromotionId, mut sales: Sales) {
        let now = self.timers.now();
        let Some(entry) = self.board.key(id).and_then(|key| self.board.get(key)) else { return };
        if !entry.followers.iter().any(|follower| follower.staff && follower.ready) {
            return;
        }
        sales.viewers = entry.viewers();
        let frame = self.wire.publication(Channel::Promotion(id), &self.wire.sales_event(&sales));
        for follower in entry.followers.iter().filter(|follower| follower.staff && follower.ready) {
            // The next one comes in a second: a busy socket does without this one.
            if let Some(session) = self.sessions.get_mut(follower.slot)
                && session.outbox.is_none()
            {
                session.write(&frame, now);
            }
        }
    }
}
