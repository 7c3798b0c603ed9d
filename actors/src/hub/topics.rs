//! Following one promotion: `promotion:{id}`. Registered first, answered later; nothing falls in the gap.

use super::board::Follower;
use super::limits::TOPICS_MAX;
use super::outbox::{Kind, Lane};
use super::round::{News, What};
use super::session::Sink;
use super::shard::{Shard, deliver};
use crate::feed::{GoneReason, Update};
use flash_domain::ids::{PromotionId, StoreId};
use flash_domain::promotion::{PromotionRecord, Status};

/// Why a promotion can't be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// The session follows it already.
    #[error("followed already")]
    Twice,
    /// The session follows too many.
    #[error("too many promotions followed")]
    TooMany,
}

impl<S: Sink> Shard<S> {
    /// Registers a follower; gives the number of the registration. Nothing is sent until [`Shard::followed`].
    ///
    /// # Errors
    /// See [`FollowError`].
    pub fn follow(&mut self, slot: u32, id: PromotionId) -> Result<u32, FollowError> {
        let Some(session) = self.sessions.get_mut(slot) else { return Ok(0) };
        if session.topics.contains(&id) {
            return Err(FollowError::Twice);
        }
        if session.topics.len() >= TOPICS_MAX {
            return Err(FollowError::TooMany);
        }
        session.topics.push(id);
        self.registrations = self.registrations.wrapping_add(1);
        let registration = self.registrations;
        let hubs = self.hubs.clone();
        let key = self.board.key_or_add(id, || hubs.pulse_of(id));
        if let Some(entry) = self.board.get_mut(key) {
            entry.follow(Follower { slot, registration, staff: false, ready: false, v: 0 });
        }
        Ok(registration)
    }

    /// Whether a session still follows a promotion under this registration, answered or not.
    pub fn follows(&self, slot: u32, id: PromotionId, registration: u32) -> bool {
        let entry = self.board.key(id).and_then(|key| self.board.get(key));
        let same = |follower: &Follower| follower.slot == slot && follower.registration == registration;
        entry.is_some_and(|entry| entry.followers.iter().any(same))
    }

    /// What a follower is to be answered with, given what was read of the promotion: the board's own state where it shows
    /// the promotion or was told something newer, so that no channel of the session tells an older version than another.
    pub fn newest(&mut self, read: PromotionRecord) -> PromotionRecord {
        // What was published before the read is on the board now.
        self.take_in();
        let entry = self.board.key(read.id).and_then(|key| self.board.get(key));
        match entry {
            Some(entry) if entry.shown.is_some() || entry.v() > read.counters.v => {
                entry.record.clone().unwrap_or(read)
            }
            _ => read,
        }
    }

    /// The follower was answered with this record (see [`Shard::newest`]), in this stretch: sends what came since, and everything from now on.
    pub fn followed(&mut self, slot: u32, snapshot: &PromotionRecord, staff: bool) {
        let (id, v, now) = (snapshot.id, snapshot.counters.v, self.timers.now());
        let Some(key) = self.board.key(id) else { return };
        let Some(entry) = self.board.get_mut(key) else { return };
        if !entry.followers.iter().any(|follower| follower.slot == slot) {
            return;
        }
        entry.ready(slot, staff, v);
        if let Some(outbox) = self.sessions.get_mut(slot).and_then(|session| session.outbox.as_mut()) {
            outbox.put_behind(key);
        }
        if entry.shown.is_none() && entry.v() < v {
            entry.set(snapshot.clone(), None);
            entry.gone = None;
        }
        let over = matches!(snapshot.counters.status, Status::Ended | Status::Cancelled);
        if let Some(gone) = entry.gone.clone().filter(|gone| gone.v() > v) {
            let last = !matches!(gone.update, Update::Gone { reason: GoneReason::Paused, .. });
            self.tell_gone(&[slot], key, &gone, last);
        } else if over {
            self.end_following(&[slot], key, false);
        } else if entry.v() > v
            && let Some(frame) = entry.offer_frame(Lane::Topic, &*self.wire)
            && let Some(session) = self.sessions.get_mut(slot)
        {
            let newest = entry.v();
            entry.ready(slot, staff, newest);
            deliver(session, &frame, (key, Lane::Topic, Kind::Offer), false, now);
        }
    }

    /// Ends a follower's subscription; says whether there was one.
    pub fn unfollow(&mut self, slot: u32, id: PromotionId) -> bool {
        let Some(session) = self.sessions.get_mut(slot) else { return false };
        let before = session.topics.len();
        session.topics.retain(|topic| *topic != id);
        let was = session.topics.len() < before;
        if was && let Some(key) = self.board.key(id) {
            session.unmark(key, Lane::Topic);
            if let Some(entry) = self.board.get_mut(key) {
                entry.unfollow(slot);
            }
            self.board.tidy(key);
        }
        was
    }

    /// Ends followers' subscriptions from this side; `again` asks the clients to subscribe anew.
    pub(super) fn end_following(&mut self, slots: &[u32], key: u32, again: bool) {
        let Some(id) = self.board.get(key).map(|entry| entry.id) else { return };
        for &slot in slots {
            self.unfollow(slot, id);
        }
        self.tell(slots, News { what: What::Plain, frame: self.wire.unsubscribed(id, again) });
    }

    /// Makes everybody who follows as a member of a store's staff subscribe anew, which checks who they are.
    pub(super) fn recheck_staff(&mut self, store: StoreId) {
        for slot in self.sessions.keys() {
            let topics = self.sessions.get(slot).map(|session| session.topics.clone()).unwrap_or_default();
            for id in topics {
                let Some(key) = self.board.key(id) else { continue };
                let concerned = self.board.get(key).is_some_and(|entry| {
                    entry.record.as_ref().is_some_and(|record| record.store.id == store)
                        && entry.followers.iter().any(|follower| follower.slot == slot && follower.staff)
                });
                if concerned {
                    self.end_following(&[slot], key, true);
                }
            }
        }
    }
}
