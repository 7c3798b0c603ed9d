//! A round: what several updates tell a session is gathered and leaves in one write.
//!
//! One update alone is written to each session at once. If more arrive while that goes on, the sessions that are left are
//! told of all of them together. Decides nothing about who is told what; that is `fanout.rs`.

use super::board::FromBoard;
use super::inbox::Inbox;
use super::limits::WRITE_BYTES_MAX;
use super::outbox::{Kind, Lane};
use super::session::{Fill, Session, Sink, Wrote};
use super::shard::{Shard, deliver};
use super::slab::Slab;
use bytes::Bytes;

/// Sessions that are written to between two looks at the inbox: a fraction of a millisecond.
const LOOK_EVERY: usize = 32;
/// News of one session that are put together by looking through them; more are marked, which takes a table.
const TOGETHER_MAX: usize = 16;
/// News that gather at most (2 MiB) before they are handed out.
const GATHERED_MAX: usize = 1 << 18;

/// What sessions are told.
#[derive(Clone, Debug)]
pub(super) struct News {
    /// Of what kind it is.
    pub what: What,
    /// Its frame; a state's as it is now, the latest is filled in if it waits.
    pub frame: Bytes,
}

/// Kinds of news.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// A promotion's state; `unseen` if the client does not know of the promotion yet.
    State { key: u32, lane: Lane, kind: Kind, unseen: bool },
    /// The end of being shown, in a fixed version. What waits of the promotion's state is pointless then.
    Gone { key: u32, lane: Lane },
    /// Anything else.
    Plain,
}

impl News {
    /// Writes it to a session, or lets it wait there. Returns (written, conflated).
    fn tell<S: Sink>(&self, session: &mut Session<S>, now: u64) -> (u64, u64) {
        match self.what {
            What::State { key, lane, kind, unseen } => {
                deliver(session, &self.frame, (key, lane, kind), unseen, now)
            }
            What::Gone { key, lane } => {
                if session.unmark(key, lane) {
                    return (0, 0);
                }
                session.send_about(key, &self.frame, now);
                (1, 0)
            }
            What::Plain => {
                session.send_shared(&self.frame, now);
                (1, 0)
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    /// Each session is told at once, whatever arrives.
    #[default]
    Off,
    /// Each session is told at once, as long as nothing arrives.
    Looking,
    /// News gather.
    Gathering,
}

/// What has gathered.
#[derive(Debug, Default)]
pub(super) struct Round {
    mode: Mode,
    news: Vec<News>,
    /// Slot and place in `news`, in one number, so that sorting brings together what a session is told, in order.
    pairs: Vec<u64>,
    together: Together,
}

/// The bytes of the states that the last session was told, since the next one is often told the same.
#[derive(Debug, Default)]
struct Together {
    places: Vec<u32>,
    bytes: Vec<u8>,
    frames: u64,
    conflated: u64,
}

fn pair(slot: u32, place: usize) -> u64 {
    u64::from(slot) << 32 | place as u64
}

fn slot_of(pair: u64) -> u32 {
    (pair >> 32) as u32
}

fn place_of(pair: u64) -> usize {
    pair as u32 as usize
}

impl Round {
    /// Begins: with `several` updates at once, or with one that others may join.
    pub(super) fn begin(&mut self, several: bool) {
        if self.mode != Mode::Gathering {
            self.mode = if several { Mode::Gathering } else { Mode::Looking };
        }
    }

    /// Tells sessions, at once or with what else gathers. Returns (written, conflated).
    pub(super) fn tell<S: Sink>(
        &mut self,
        slots: &[u32],
        news: News,
        (sessions, inbox): (&mut Slab<Session<S>>, &Inbox),
        now: u64,
    ) -> (u64, u64) {
        let (mut written, mut conflated) = (0, 0);
        let mut rest = slots;
        while !rest.is_empty() && self.mode != Mode::Gathering {
            if self.mode == Mode::Looking && inbox.has_updates() {
                self.mode = Mode::Gathering;
                break;
            }
            let (row, later) = rest.split_at(rest.len().min(LOOK_EVERY));
            rest = later;
            for &slot in row {
                if let Some(session) = sessions.get_mut(slot) {
                    let (w, c) = news.tell(session, now);
                    (written, conflated) = (written + w, conflated + c);
                }
            }
        }
        if !rest.is_empty() {
            let place = self.news.len();
            self.news.push(news);
            self.pairs.extend(rest.iter().map(|slot| pair(*slot, place)));
        }
        (written, conflated)
    }

    /// Whether so much has gathered that it is to be handed out before more is taken in.
    pub(super) fn is_full(&self) -> bool {
        self.pairs.len() > GATHERED_MAX
    }

    /// Whether nothing waits to be handed out.
    pub(super) fn is_over(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Ends: everything was handed out.
    pub(super) fn end(&mut self) {
        self.mode = Mode::Off;
        self.news.clear();
        if self.pairs.capacity() > 2 * GATHERED_MAX {
            self.pairs = Vec::new();
        }
    }
}

impl Together {
    fn is_of(&self, group: &[u64]) -> bool {
        self.places.len() == group.len()
            && self.places.iter().zip(group).all(|(place, pair)| *place as usize == place_of(*pair))
    }

    /// Puts the latest frames of several states together. Gives `false` if there is something else among them, or too
    /// much of it.
    fn make(&mut self, group: &[u64], news: &[News], fill: &mut impl Fill) -> bool {
        self.clear();
        if group.len() > TOGETHER_MAX {
            return false;
        }
        let mut states: Vec<(u32, Lane, Kind)> = Vec::with_capacity(group.len());
        for pair in group {
            let Some(What::State { key, lane, kind, .. }) = news.get(place_of(*pair)).map(|news| news.what)
            else {
                return false;
            };
            match states.iter_mut().find(|known| (known.0, known.1) == (key, lane)) {
                Some(known) => {
                    known.2 = known.2.max(kind);
                    self.conflated += 1;
                }
                None => states.push((key, lane, kind)),
            }
        }
        for frame in states.into_iter().filter_map(|(key, lane, kind)| fill.frame(key, lane, kind)) {
            self.bytes.extend_from_slice(&frame);
            self.frames += 1;
        }
        let fits = self.bytes.len() <= WRITE_BYTES_MAX;
        if fits {
            self.places.extend(group.iter().map(|pair| place_of(*pair) as u32));
        }
        fits
    }

    fn clear(&mut self) {
        self.places.clear();
        self.bytes.clear();
        (self.frames, self.conflated) = (0, 0);
    }
}

impl<S: Sink> Shard<S> {
    /// Tells sessions, at once or with what else gathers.
    pub(super) fn tell(&mut self, slots: &[u32], news: News) {
        let now = self.timers.now();
        let told = self.round.tell(slots, news, (&mut self.sessions, &self.inbox), now);
        self.wrote(told);
    }

    /// Hands out what has gathered; stops when more arrives meanwhile, if `looks`.
    pub(super) fn hand_out(&mut self, looks: bool) {
        let now = self.timers.now();
        let mut pairs = std::mem::take(&mut self.round.pairs);
        // It consists of ascending runs, one per news.
        pairs.sort();
        let (mut done, mut written, mut conflated) = (0, 0, 0);
        for nth in 0.. {
            let Some(&first) = pairs.get(done) else { break };
            if looks && nth % LOOK_EVERY == 0 && self.inbox.has_updates() {
                break;
            }
            let slot = slot_of(first);
            let count = pairs[done..].iter().take_while(|pair| slot_of(**pair) == slot).count();
            let (w, c) = self.tell_together(slot, &pairs[done..done + count], now);
            (written, conflated) = (written + w, conflated + c);
            done += count;
        }
        pairs.drain(..done);
        self.round.pairs = pairs;
        // What arrives next may change the frames.
        self.round.together.clear();
        self.wrote((written, conflated));
    }

    /// Tells one session everything that has gathered for it. Returns (written, conflated).
    fn tell_together(&mut self, slot: u32, group: &[u64], now: u64) -> (u64, u64) {
        let Round { news, together, .. } = &mut self.round;
        let Some(session) = self.sessions.get_mut(slot) else { return (0, 0) };
        let mut fill = FromBoard { board: &mut self.board, wire: &*self.wire };
        let told = group.iter().filter_map(|pair| news.get(place_of(*pair)));
        let mut tried = None;
        if session.outbox.is_none() && (together.is_of(group) || together.make(group, news, &mut fill)) {
            tried = Some(session.write_copied(&together.bytes, now));
            if tried == Some(Wrote::Yes) {
                return (together.frames, together.conflated);
            }
        }
        let corked = session.cork(now);
        let counts = told.map(|news| news.tell(session, now)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        if corked && tried.is_none() {
            session.flush(&mut fill, &mut self.scratch, now);
        }
        if corked && session.outbox.is_some() {
            session.sink.wake();
        }
        counts
    }
}
