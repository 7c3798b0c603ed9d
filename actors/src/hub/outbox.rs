//! What waits for one socket that cannot be written to: the rest of a write, replies in order, and marks of promotions
//! whose latest state is to be sent, filled in when the socket is writable again.
//!
//! Exists only while something waits. Knows no board: the caller fills the marks in.

use super::limits::WAITING_BYTES_MAX;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

/// Which of a promotion's channels a mark is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// `nearby`.
    Nearby,
    /// `promotion:{id}`.
    Topic,
}

/// What is to be sent of a promotion; the greater includes the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Its counters.
    Stock,
    /// All of it.
    Offer,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    kind: Kind,
    /// Which queue item fills it in; older items of the same promotion are passed over.
    ticket: u32,
    /// Whether the client does not know of it at all yet, so that it need not be told that it is gone.
    unseen: bool,
}

#[derive(Debug)]
enum Item {
    Counted(Bytes),
    Shared(Bytes),
    Mark(u32, Lane, u32),
}

/// What is next to be written.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// These bytes.
    Frame(Bytes),
    /// The latest state of the promotion with this key.
    Fill(u32, Lane, Kind),
}

/// Hashes the board's keys, which nobody outside chooses: small and dense, one multiplication spreads them.
#[derive(Debug, Default)]
struct KeyHasher(u64);

impl KeyHasher {
    fn mix(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.mix(u64::from(*byte)));
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }

    fn write_isize(&mut self, value: isize) {
        self.mix(value as u64);
    }
}

/// Marks that a gathering has room for from the beginning: most have no more.
const GATHERED: usize = 8;

/// Everything that waits for one socket.
#[derive(Debug)]
pub struct Outbox {
    /// What is left of the frames that were written in part. Goes first, always.
    rest: Bytes,
    queue: VecDeque<Item>,
    marks: HashMap<(u32, Lane), Mark, BuildHasherDefault<KeyHasher>>,
    /// Bytes of counted frames in the queue.
    waiting_bytes: usize,
    tickets: u32,
    /// The tick of the last progress.
    pub progress_at: u64,
}

impl Outbox {
    /// Starts to wait, with what is left of a write.
    pub fn new(rest: Bytes, now: u64) -> Self {
        Self {
            rest,
            queue: VecDeque::new(),
            marks: HashMap::default(),
            waiting_bytes: 0,
            tickets: 0,
            progress_at: now,
        }
    }

    /// Starts to gather: several marks are to come.
    pub fn gathering(now: u64) -> Self {
        let mut outbox = Self::new(Bytes::new(), now);
        outbox.queue.reserve(GATHERED);
        outbox.marks.reserve(GATHERED);
        outbox
    }

    /// Adds a frame that counts against the bound; returns whether there was room.
    #[must_use]
    pub fn counted(&mut self, frame: Bytes) -> bool {
        if self.waiting_bytes > WAITING_BYTES_MAX {
            return false;
        }
        self.waiting_bytes += frame.len();
        self.queue.push_back(Item::Counted(frame));
        true
    }

    /// Adds a shared frame that is bounded otherwise (one `gone` per time an offer was shown, one ping).
    pub fn shared(&mut self, frame: Bytes) {
        self.queue.push_back(Item::Shared(frame));
    }

    /// Adds a shared frame that tells a fixed version of a promotion. What is marked of the promotion goes behind it,
    /// whatever the channel: a mark is filled in later, with a version that is at least as new.
    pub fn about(&mut self, key: u32, frame: Bytes) {
        self.shared(frame);
        self.put_behind(key);
    }

    /// Puts what is marked of a promotion behind everything that waits. The items that it stood at are passed over.
    pub fn put_behind(&mut self, key: u32) {
        for lane in [Lane::Nearby, Lane::Topic] {
            if let Some(mark) = self.marks.get_mut(&(key, lane)) {
                self.tickets = self.tickets.wrapping_add(1);
                mark.ticket = self.tickets;
                self.queue.push_back(Item::Mark(key, lane, self.tickets));
            }
        }
    }

    /// Puts every mark behind everything else that waits, in the order that they have; nothing is passed over after this.
    pub fn put_all_behind(&mut self) {
        let mut behind = Vec::with_capacity(self.marks.len());
        let marks = &self.marks;
        self.queue.retain(|item| match item {
            Item::Mark(key, lane, ticket) => {
                if marks.get(&(*key, *lane)).is_some_and(|mark| mark.ticket == *ticket) {
                    behind.push((*key, *lane, *ticket));
                }
                false
            }
            Item::Counted(_) | Item::Shared(_) => true,
        });
        self.queue.extend(behind.into_iter().map(|(key, lane, ticket)| Item::Mark(key, lane, ticket)));
    }

    /// Marks a promotion; returns whether a mark was there already (it is conflated).
    pub fn mark(&mut self, key: u32, lane: Lane, kind: Kind, unseen: bool) -> bool {
        if let Some(mark) = self.marks.get_mut(&(key, lane)) {
            mark.kind = mark.kind.max(kind);
            return true;
        }
        self.tickets = self.tickets.wrapping_add(1);
        self.marks.insert((key, lane), Mark { kind, ticket: self.tickets, unseen });
        self.queue.push_back(Item::Mark(key, lane, self.tickets));
        false
    }

    /// Drops a promotion's mark; returns whether the client has not heard of the promotion at all.
    pub fn unmark(&mut self, key: u32, lane: Lane) -> bool {
        self.marks.remove(&(key, lane)).is_some_and(|mark| mark.unseen)
    }

    /// What was written in part; empty if nothing.
    pub fn rest(&self) -> &Bytes {
        &self.rest
    }

    /// Notes what is left of the last write, and that there was progress.
    pub fn wrote(&mut self, rest: Bytes, now: u64) {
        self.rest = rest;
        self.progress_at = now;
    }

    /// Takes what is next in the queue.
    pub fn pop(&mut self) -> Option<Next> {
        loop {
            match self.queue.pop_front()? {
                Item::Shared(frame) => return Some(Next::Frame(frame)),
                Item::Counted(frame) => {
                    self.waiting_bytes = self.waiting_bytes.saturating_sub(frame.len());
                    return Some(Next::Frame(frame));
                }
                Item::Mark(key, lane, ticket) => {
                    if self.marks.get(&(key, lane)).is_some_and(|mark| mark.ticket == ticket)
                        && let Some(mark) = self.marks.remove(&(key, lane))
                    {
                        return Some(Next::Fill(key, lane, mark.kind));
                    }
                }
            }
        }
    }

    /// Whether nothing waits any more.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.queue.is_empty()
    }

    /// Items that wait, for tests of the bound.
    pub fn len(&self) -> usize {
        self.queue.len()
    }
}
