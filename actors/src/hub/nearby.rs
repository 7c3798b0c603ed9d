//! Subscribing to `nearby`, moving, leaving: the difference between what a shopper knows and what is in reach.

use super::fanout::in_reach;
use super::limits::SNAPSHOT_BYTES_MAX;
use super::outbox::{Kind, Lane};
use super::session::{Place, Seat, Sink};
use super::shard::{Shard, deliver};
use super::slab::{drop_key, has, put};
use super::wire::Channel;
use crate::feed::GoneReason;
use bytes::Bytes;
use flash_domain::geo::Reach;
use flash_domain::ids::PromotionId;
use std::collections::HashMap;

/// What a client says it knows: versions by promotion.
pub type Known = HashMap<PromotionId, u64>;

/// What a fresh subscription is answered with.
#[derive(Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Offers in reach, each as [`super::wire::Wire::offer`] made it, but for those known in this version.
    pub offers: Vec<Bytes>,
    /// What is known and not in reach (any more).
    pub gone: Vec<PromotionId>,
    /// What is in reach and did not fit: give it to [`Shard::subscribed`].
    pub rest: Rest,
}

/// Offers that did not fit into a snapshot: their keys, and whether the client has not heard of them at all.
#[derive(Debug, Default, PartialEq)]
pub struct Rest(Vec<(u32, bool)>);

impl Rest {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether everything fitted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A move; what is `None` stays as it was.
#[derive(Clone, Debug)]
pub struct Move {
    /// Where the shopper is now.
    pub place: Place,
    /// How far they look now.
    pub radius: Option<Reach>,
    /// Which categories they want now.
    pub categories: Option<Vec<String>>,
    /// What they know besides what this session was shown.
    pub known: Option<Known>,
}

/// What a move brought.
#[derive(Debug, Default, PartialEq)]
pub struct Moved {
    /// What came into reach.
    pub entered: Vec<PromotionId>,
    /// What went out of it.
    pub left: Vec<PromotionId>,
}

impl<S: Sink> Shard<S> {
    /// Whether a session is subscribed to `nearby`.
    pub fn is_subscribed(&self, slot: u32) -> bool {
        self.sessions.get(slot).is_some_and(|session| session.seat.is_some())
    }

    /// Subscribes a session: registration and snapshot in one stretch, so that nothing falls between. The caller sends
    /// the answer and calls [`Shard::subscribed`] in the same stretch.
    pub fn subscribe(&mut self, slot: u32, seat: Seat, known: &Known) -> Snapshot {
        // What was published before this is in the snapshot, not behind it.
        self.take_in();
        self.unsubscribe(slot);
        let mut snapshot = Snapshot::default();
        let Some(session) = self.sessions.get_mut(slot) else { return snapshot };
        let cells = seat.place.map(|place| place.cells);
        self.cells.seat(slot, None, cells.as_ref());
        let mut bytes = 0;
        for key in cells.map(|cells| self.cells.offers_for(&cells)).unwrap_or_default() {
            let Some(entry) = self.board.get_mut(key) else { continue };
            if !in_reach(entry, &seat, false) {
                continue;
            }
            entry.watch(slot);
            put(&mut session.shown, key);
            let known = known.get(&entry.id);
            if known == Some(&entry.v()) {
                continue;
            }
            let Some(offer) = entry.offer(&*self.wire) else { continue };
            if bytes + offer.len() > SNAPSHOT_BYTES_MAX && !snapshot.offers.is_empty() {
                snapshot.rest.0.push((key, known.is_none()));
            } else {
                bytes += offer.len();
                snapshot.offers.push(offer);
            }
        }
        session.seat = Some(Box::new(seat));
        let shown = &session.shown;
        let is_shown = |id: &PromotionId| self.board.key(*id).is_some_and(|key| has(shown, key));
        snapshot.gone = known.keys().filter(|id| !is_shown(id)).copied().collect();
        snapshot
    }

    /// The snapshot was sent: what did not fit into it follows as publications, as the socket takes them. What waited
    /// before comes behind the snapshot, since it may be newer.
    pub fn subscribed(&mut self, slot: u32, rest: &Rest) {
        let now = self.timers.now();
        let Some(session) = self.sessions.get_mut(slot).filter(|session| session.ending.is_none()) else {
            return;
        };
        if let Some(outbox) = &mut session.outbox {
            outbox.put_all_behind();
        }
        for (key, unseen) in &rest.0 {
            session.mark(*key, Lane::Nearby, Kind::Offer, *unseen, now);
        }
    }

    /// Ends a session's subscription; says whether there was one.
    pub fn unsubscribe(&mut self, slot: u32) -> bool {
        let Some(session) = self.sessions.get_mut(slot) else { return false };
        let Some(seat) = session.seat.take() else { return false };
        self.cells.seat(slot, seat.place.as_ref().map(|place| &place.cells), None);
        for key in std::mem::take(&mut session.shown) {
            session.unmark(key, Lane::Nearby);
            if let Some(entry) = self.board.get_mut(key) {
                entry.unwatch(slot);
            }
        }
        true
    }

    /// Moves a session. What entered, changed or left is on its way before this returns; `None` if it is not
    /// subscribed.
    pub fn relocate(&mut self, slot: u32, to: Move) -> Option<Moved> {
        self.take_in();
        let session = self.sessions.get_mut(slot)?;
        let seat = session.seat.as_mut()?;
        let before = seat.place.map(|place| place.cells);
        self.cells.seat(slot, before.as_ref(), Some(&to.place.cells));
        seat.place = Some(to.place);
        if let Some(radius) = to.radius {
            seat.radius = radius;
        }
        if to.categories.is_some() {
            seat.categories = to.categories;
        }
        let known = to.known.unwrap_or_default();
        let mut moved = Moved::default();
        self.leave_behind(slot, &mut moved);
        self.let_in(slot, &known, &mut moved);
        self.take_back(slot, &known, &mut moved);
        Some(moved)
    }

    /// Takes away what is out of reach now.
    fn leave_behind(&mut self, slot: u32, moved: &mut Moved) {
        let now = self.timers.now();
        let Some(session) = self.sessions.get_mut(slot) else { return };
        for key in session.shown.clone() {
            let Some(entry) = self.board.get_mut(key) else { continue };
            if session.seat.as_ref().is_some_and(|seat| in_reach(entry, seat, true)) {
                continue;
            }
            entry.unwatch(slot);
            drop_key(&mut session.shown, key);
            // An earlier reply may have named it, though its offer never got through to the client.
            moved.left.push(entry.id);
            if !session.unmark(key, Lane::Nearby) {
                let event = self.wire.gone_event(entry.id, entry.v(), GoneReason::Left);
                session.send_about(key, &self.wire.publication(Channel::Nearby, &event), now);
            }
        }
    }

    /// Shows what is in reach and was not, and what the client knows in another version.
    fn let_in(&mut self, slot: u32, known: &Known, moved: &mut Moved) {
        let now = self.timers.now();
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let Some(cells) = session.seat.as_ref().and_then(|seat| seat.place).map(|place| place.cells) else {
            return;
        };
        let (mut written, mut conflated) = (0, 0);
        for key in self.cells.offers_for(&cells) {
            let Some(entry) = self.board.get_mut(key) else { continue };
            let until_now = has(&session.shown, key);
            if !session.seat.as_ref().is_some_and(|seat| in_reach(entry, seat, until_now)) {
                continue;
            }
            if !until_now {
                entry.watch(slot);
                put(&mut session.shown, key);
            }
            let told = match known.get(&entry.id) {
                Some(v) => *v == entry.v(),
                None => until_now,
            };
            if told {
                continue;
            }
            let fresh = !until_now && !known.contains_key(&entry.id);
            if fresh {
                moved.entered.push(entry.id);
            }
            if let Some(frame) = entry.offer_frame(Lane::Nearby, &*self.wire) {
                let what = (key, Lane::Nearby, Kind::Offer);
                let (w, c) = deliver(session, &frame, what, fresh, now);
                (written, conflated) = (written + w, conflated + c);
            }
        }
        self.wrote((written, conflated));
    }

    /// Takes back what the client knows from an earlier session and is not in reach (any more).
    fn take_back(&mut self, slot: u32, known: &Known, moved: &mut Moved) {
        let now = self.timers.now();
        let Some(session) = self.sessions.get_mut(slot) else { return };
        for (id, v) in known {
            let key = self.board.key(*id);
            if key.is_some_and(|key| has(&session.shown, key)) || moved.left.contains(id) {
                continue;
            }
            let v = key.and_then(|key| self.board.get(key)).map_or(*v, |entry| entry.v().max(*v));
            moved.left.push(*id);
            let event = self.wire.gone_event(*id, v, GoneReason::Left);
            let frame = self.wire.publication(Channel::Nearby, &event);
            match key {
                Some(key) => session.send_about(key, &frame, now),
                None => session.send_shared(&frame, now),
            }
        }
    }
}
