//! One worker's sessions, cells and board: the plain state behind a hub actor. Applies updates, writes to sockets,
//! keeps the deadlines. Everything happens in synchronous stretches on one thread.
//!
//! Knows sockets only as [`Sink`]s and the wire format only as [`Wire`].

use super::board::{Board, FromBoard};
use super::inbox::{Delivery, Inbox, Order};
use super::limits::*;
use super::load::Load;
use super::outbox::{Kind, Lane};
use super::registry::Hubs;
use super::round::Round;
use super::session::{Ending, Own, Person, Session, Sink, Wrote};
use super::slab::Slab;
use super::timers::{Due, Timers, Whom};
use super::wire::{ClaimNews, Closing, Wire};
use crate::cell::Cells;
use bytes::Bytes;
use flash_domain::ids::{ClaimId, FamilyId, UserId};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What a session's task has to see to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attention {
    /// Something waits for the socket to be writable.
    pub waiting: bool,
    /// It ends.
    pub ending: Option<Ending>,
}

/// One worker's sessions, cells and board.
pub struct Shard<S> {
    pub(super) wire: Arc<dyn Wire>,
    pub(super) hubs: Arc<Hubs>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) load: Arc<Load>,
    pub(super) sessions: Slab<Session<S>>,
    pub(super) board: Board,
    pub(super) cells: Cells,
    pub(super) timers: Timers,
    people: HashMap<UserId, Vec<u32>>,
    generations: u32,
    pub(super) registrations: u32,
    ping: Bytes,
    pub(super) scratch: Vec<u8>,
    pub(super) round: Round,
}

impl<S: Sink> Shard<S> {
    /// Makes an empty shard that reads from `inbox`.
    pub fn new(hubs: Arc<Hubs>, inbox: Arc<Inbox>) -> Self {
        let wire = hubs.wire();
        Self {
            ping: wire.ping(),
            wire,
            hubs,
            inbox,
            load: Arc::default(),
            sessions: Slab::default(),
            board: Board::default(),
            cells: Cells::default(),
            timers: Timers::default(),
            people: HashMap::new(),
            generations: 0,
            registrations: 0,
            scratch: Vec::new(),
            round: Round::default(),
        }
    }

    /// Takes a socket in; it must connect within its time.
    pub fn open(&mut self, sink: S) -> u32 {
        self.generations = self.generations.wrapping_add(1);
        let generation = self.generations;
        let slot = self.sessions.insert(Session {
            sink,
            generation,
            person: None,
            seat: None,
            shown: Vec::new(),
            topics: Vec::new(),
            outbox: None,
            ending: None,
            pinged: false,
            pong_due: false,
        });
        self.load.has(self.sessions.len());
        self.timers.after(CONNECT_TICKS, (slot, generation), Due::Connect);
        slot
    }

    /// Forgets a session: its task is over.
    pub fn remove(&mut self, slot: u32) {
        self.unsubscribe(slot);
        for id in self.sessions.get(slot).map(|session| session.topics.clone()).unwrap_or_default() {
            self.unfollow(slot, id);
        }
        self.logout(slot);
        self.sessions.remove(slot);
        self.load.has(self.sessions.len());
    }

    /// Counts the result of one fan-out.
    pub(super) fn wrote(&self, (frames, conflated): (u64, u64)) {
        self.load.wrote(frames);
        self.hubs.counts().wrote(frames, conflated);
    }

    /// Starts the pings: the session is connected.
    pub fn connected(&mut self, slot: u32) {
        if let Some(session) = self.sessions.get_mut(slot)
            && !session.pinged
        {
            session.pinged = true;
            self.timers.ping((slot, session.generation));
            self.hubs.counts().connects.fetch_add(1, Relaxed);
        }
    }

    /// Notes who is logged in, and until when. Changes of their claims are held back from here on.
    pub fn login(&mut self, slot: u32, user: UserId, family: FamilyId, expires_in_ms: i64) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let own = Own::HeldBack(Vec::new());
        session.person = Some(Box::new(Person { user, family, own, expires_at: 0, expiry_armed: false }));
        self.people.entry(user).or_default().push(slot);
        self.hubs.came(user);
        self.renew(slot, family, expires_in_ms);
    }

    /// Prolongs a login, maybe by another sign-in of the same person.
    pub fn renew(&mut self, slot: u32, family: FamilyId, expires_in_ms: i64) {
        let now = self.timers.now();
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let whom = (slot, session.generation);
        let Some(person) = &mut session.person else { return };
        // Rounded up, and one more since the current tick has begun already: a session never ends before its token.
        let ticks = ticks_of_ms(expires_in_ms).saturating_add(1);
        person.family = family;
        person.expires_at = now.saturating_add(ticks);
        if !std::mem::replace(&mut person.expiry_armed, true) {
            self.timers.after(ticks, whom, Due::Expiry);
        }
    }

    /// Sends the changes of one's claims that the connect's answer does not show, and those to come.
    pub fn own_ready(&mut self, slot: u32, shown: &[(ClaimId, u64)]) {
        let now = self.timers.now();
        if let Some(session) = self.sessions.get_mut(slot) {
            session.open_own(shown, now);
        }
    }

    /// Writes a reply, after everything that waits.
    pub fn send(&mut self, slot: u32, frame: Bytes) {
        let now = self.timers.now();
        if let Some(session) = self.sessions.get_mut(slot)
            && !session.send(frame, now)
        {
            self.hubs.counts().evicted.fetch_add(1, Relaxed);
        }
    }

    /// Ends a session with a close frame of the edge's own.
    pub fn close(&mut self, slot: u32, frame: &Bytes) {
        let now = self.timers.now();
        if let Some(session) = self.sessions.get_mut(slot)
            && session.ending.is_none()
        {
            session.close(frame, now);
            self.timers.after(CLOSE_TICKS, (slot, session.generation), Due::Cut);
        }
    }

    /// Notes that the last ping was answered.
    pub fn pong(&mut self, slot: u32) {
        if let Some(session) = self.sessions.get_mut(slot) {
            session.pong_due = false;
        }
    }

    /// Writes what waits for a socket that is writable again.
    pub fn flush(&mut self, slot: u32) {
        let now = self.timers.now();
        if let Some(session) = self.sessions.get_mut(slot) {
            let mut fill = FromBoard { board: &mut self.board, wire: &*self.wire };
            session.flush(&mut fill, &mut self.scratch, now);
        }
    }

    /// What the session's task has to see to.
    pub fn attention(&self, slot: u32) -> Attention {
        match self.sessions.get(slot) {
            Some(session) => Attention { waiting: session.outbox.is_some(), ending: session.ending },
            None => Attention { waiting: false, ending: Some(Ending::Cut) },
        }
    }

    /// Who is logged in.
    pub fn user(&self, slot: u32) -> Option<UserId> {
        self.sessions.get(slot)?.person.as_ref().map(|person| person.user)
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Numbers of the cells and of the board.
    pub fn sizes(&self) -> (usize, usize) {
        (self.cells.occupied(), self.board.len())
    }

    /// Applies everything that other threads left in the inbox, and what they add meanwhile. A session gets what several
    /// updates and claims tell it in one write.
    pub fn take_in(&mut self) {
        let hubs = self.hubs.clone();
        let mut all = Delivery::default();
        for looks in (0..ROUNDS_MAX).rev() {
            let delivery = self.inbox.take();
            hubs.counts().inbox_depths.add((delivery.updates.len() + delivery.claims.len()) as u64);
            self.round.begin(delivery.updates.len() > 1);
            for published in &delivery.updates {
                self.apply(published);
                if self.round.is_full() {
                    self.hand_out(false);
                }
            }
            all.join(delivery);
            let gathered = !self.round.is_over();
            self.hand_out(looks > 0);
            if !gathered || (self.round.is_over() && !self.inbox.has_updates()) {
                break;
            }
        }
        self.round.end();
        for published in &all.updates {
            hubs.counts().delivery_lags.add_time(published.at.elapsed());
        }
        self.tell_claims(&all.claims);
        for order in all.orders {
            self.obey(order);
        }
        if all.lost_orders {
            self.close_where(Closing::Behind, |_| true);
        } else if all.lost_claims {
            self.close_where(Closing::Behind, |session| session.person.is_some());
        }
    }

    /// Goes on by one tick of [`TICK`].
    pub fn tick(&mut self) {
        let sessions = &self.sessions;
        let tick = self.timers.tick(|whom| alive(sessions, whom));
        let now = self.timers.now();
        for whom in tick.pong {
            let unanswered = |session: &&mut Session<S>| session.pong_due && session.generation == whom.1;
            if self.sessions.get_mut(whom.0).filter(unanswered).is_some() {
                self.end(whom.0, Closing::NoPong);
            }
        }
        for whom in tick.ping {
            if let Some(session) = self.sessions.get_mut(whom.0) {
                session.pong_due = true;
                session.send_shared(&self.ping, now);
            }
        }
        for (whom, due) in tick.due {
            if alive(&self.sessions, whom) {
                self.come_due(whom, due);
            }
        }
        self.cut_stalled(now);
    }

    fn come_due(&mut self, whom: Whom, due: Due) {
        let now = self.timers.now();
        let Some(session) = self.sessions.get_mut(whom.0) else { return };
        match due {
            Due::Connect if !session.pinged => self.end(whom.0, Closing::Stale),
            Due::Connect => {}
            Due::Expiry => {
                let Some(person) = &mut session.person else { return };
                if person.expires_at > now {
                    let ticks = person.expires_at - now;
                    self.timers.after(ticks, whom, Due::Expiry);
                } else {
                    person.expiry_armed = false;
                    self.end(whom.0, Closing::Expired);
                }
            }
            Due::Drain => self.end(whom.0, Closing::Shutdown),
            Due::Cut => session.cut(),
        }
    }

    /// Each session is looked at once a second.
    fn cut_stalled(&mut self, now: u64) {
        let turn = (now % TICKS_PER_SECOND) as u32;
        let mut evicted = 0;
        for slot in self.sessions.keys() {
            if slot % TICKS_PER_SECOND as u32 != turn {
                continue;
            }
            if let Some(session) = self.sessions.get_mut(slot)
                && let Some(outbox) = &session.outbox
                && now.saturating_sub(outbox.progress_at) > STALL_TICKS
            {
                session.cut();
                evicted += 1;
            }
        }
        self.hubs.counts().evicted.fetch_add(evicted, Relaxed);
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::DisconnectFamily(family) => self.close_where(Closing::Expired, |session| {
                session.person.as_ref().is_some_and(|person| person.family == family)
            }),
            Order::DisconnectUser(user) => self.close_where(Closing::Expired, |session| {
                session.person.as_ref().is_some_and(|person| person.user == user)
            }),
            Order::StaffChanged(store) => self.recheck_staff(store),
            Order::Drain { over_ticks } => {
                let slots = self.sessions.keys();
                let count = slots.len() as u64;
                for (nth, slot) in (0u64..).zip(slots) {
                    let Some(session) = self.sessions.get(slot) else { continue };
                    // Evenly spread, and shaken by up to a tick more or less so that workers don't beat together.
                    let shake = u64::from(session.generation.wrapping_mul(2_654_435_761) >> 31);
                    let ticks = (nth * over_ticks) / count.max(1) + shake;
                    self.timers.after(ticks, (slot, session.generation), Due::Drain);
                }
            }
        }
    }

    fn close_where(&mut self, closing: Closing, which: impl Fn(&Session<S>) -> bool) {
        for slot in self.sessions.keys() {
            if self.sessions.get(slot).is_some_and(&which) {
                self.end(slot, closing);
            }
        }
    }

    fn end(&mut self, slot: u32, closing: Closing) {
        let frame = self.wire.close(closing);
        self.hubs.counts().ended.fetch_add(1, Relaxed);
        self.close(slot, &frame);
    }

    /// Tells each person of all their claims' changes at once, in the order that those have.
    fn tell_claims(&mut self, claims: &[Arc<ClaimNews>]) {
        let mut places: HashMap<UserId, usize> = HashMap::new();
        let mut by_person: Vec<Vec<&Arc<ClaimNews>>> = Vec::new();
        for news in claims.iter().filter(|news| self.people.contains_key(&news.user)) {
            let place = *places.entry(news.user).or_insert(by_person.len());
            match by_person.get_mut(place) {
                Some(theirs) => theirs.push(news),
                None => by_person.push(vec![news]),
            }
        }
        for theirs in by_person {
            self.tell_claims_of(&theirs);
        }
    }

    /// Tells one person of changes of their claims; all are theirs.
    fn tell_claims_of(&mut self, news: &[&Arc<ClaimNews>]) {
        let now = self.timers.now();
        let Some(slots) = news.first().and_then(|first| self.people.get(&first.user)) else { return };
        let frames = match news {
            [one] => one.frame.clone(),
            several => {
                let frames: Vec<&[u8]> = several.iter().map(|news| &*news.frame).collect();
                frames.concat().into()
            }
        };
        for slot in slots {
            let Some(session) = self.sessions.get_mut(*slot) else { continue };
            match session.person.as_mut().map(|person| &mut person.own) {
                Some(Own::HeldBack(held)) if held.len() + news.len() <= HELD_BACK_MAX => {
                    held.extend(news.iter().map(|news| Arc::clone(news)));
                }
                Some(Own::HeldBack(_)) => session.cut(),
                Some(Own::On) => {
                    if !session.send(frames.clone(), now) {
                        self.hubs.counts().evicted.fetch_add(1, Relaxed);
                    }
                }
                Some(Own::Off) | None => {}
            }
        }
    }

    fn logout(&mut self, slot: u32) {
        let Some(person) = self.sessions.get_mut(slot).and_then(|session| session.person.take()) else {
            return;
        };
        if let Some(slots) = self.people.get_mut(&person.user) {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.people.remove(&person.user);
            }
        }
        self.hubs.went(person.user);
    }
}

/// Hands a shared frame to one session, or marks the promotion where the socket is busy. Returns (written, conflated).
pub(super) fn deliver<S: Sink>(
    session: &mut Session<S>,
    frame: &Bytes,
    (key, lane, kind): (u32, Lane, Kind),
    unseen: bool,
    now: u64,
) -> (u64, u64) {
    match session.write(frame, now) {
        Wrote::Yes => (1, 0),
        Wrote::Blocked => (0, u64::from(session.mark(key, lane, kind, unseen, now))),
        Wrote::Ended => (0, 0),
    }
}

fn alive<S>(sessions: &Slab<Session<S>>, (slot, generation): Whom) -> bool {
    sessions.get(slot).is_some_and(|session| session.generation == generation)
}

/// Milliseconds as ticks, rounded up.
pub(super) fn ticks_of_ms(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0).div_ceil(TICK.as_millis() as u64)
}
