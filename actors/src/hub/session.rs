//! One session as its hub sees it: a socket to write to, where the shopper is, what they are shown, what waits for them.
//!
//! Knows no protocol: commands, tokens and replies are the edge's.

use super::limits::{WRITE_BYTES_MAX, WRITES_IN_A_ROW_MAX};
use super::outbox::{Kind, Lane, Next, Outbox};
use super::wire::ClaimNews;
use bytes::Bytes;
use flash_domain::geo::{Location, Reach, SessionCells, UnitVector};
use flash_domain::ids::{ClaimId, FamilyId, PromotionId, UserId};
use flash_domain::promotion::PromotionRecord;
use std::io;
use std::sync::Arc;

/// A socket that can be written to without waiting.
pub trait Sink: 'static {
    /// Writes what the socket takes now.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing now; anything else: it is broken.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Asks the session's task to look at its state: something waits to be written, or the session ends.
    fn wake(&self);
}

/// Where a shopper is, worked out once.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// As a vector.
    pub point: UnitVector,
    /// Its cells.
    pub cells: SessionCells,
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self { point: location.unit_vector(), cells: SessionCells::of(location) }
    }
}

/// A subscription to `nearby`.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Where the shopper is; nothing is in reach until that is known.
    pub place: Option<Place>,
    /// How far they look.
    pub radius: Reach,
    /// Which categories they want; `None` = all.
    pub categories: Option<Vec<String>>,
}

impl Seat {
    /// Whether offers of this category are wanted.
    pub fn wants(&self, record: &PromotionRecord) -> bool {
        match &self.categories {
            None => true,
            Some(wanted) => record.terms.category.as_ref().is_some_and(|category| wanted.contains(category)),
        }
    }
}

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A close frame is on its way; the other side ends the connection.
    Closing,
    /// At once: the socket is broken or its reader is too slow.
    Cut,
}

/// The channel of one's own claims.
#[derive(Debug, Default)]
pub enum Own {
    /// Nobody is logged in.
    #[default]
    Off,
    /// The connect is being answered: changes are held back.
    HeldBack(Vec<Arc<ClaimNews>>),
    /// Changes are sent.
    On,
}

/// Who is logged in.
#[derive(Debug)]
pub struct Person {
    /// The person.
    pub user: UserId,
    /// Their login.
    pub family: FamilyId,
    /// Their claims' channel.
    pub own: Own,
    /// The tick at which the token runs out.
    pub expires_at: u64,
    /// Whether a deadline is set that will look at `expires_at`.
    pub expiry_armed: bool,
}

/// Fills a mark in with the latest frame.
pub trait Fill {
    /// The frame; `None` if there is nothing to tell any more.
    fn frame(&mut self, key: u32, lane: Lane, kind: Kind) -> Option<Bytes>;
}

/// One session.
#[derive(Debug)]
pub struct Session<S> {
    /// Its socket.
    pub sink: S,
    /// Tells this session from others that had the slot before.
    pub generation: u32,
    /// Who is logged in.
    pub person: Option<Box<Person>>,
    /// The subscription to `nearby`.
    pub seat: Option<Box<Seat>>,
    /// Keys of the offers it is shown on `nearby`, ascending.
    pub shown: Vec<u32>,
    /// Promotions whose channels it follows.
    pub topics: Vec<PromotionId>,
    /// What waits; `None` while the socket takes everything.
    pub outbox: Option<Box<Outbox>>,
    /// How it ends, once it does.
    pub ending: Option<Ending>,
    /// Whether it gets pings: connected.
    pub pinged: bool,
    /// Whether a ping waits for its pong.
    pub pong_due: bool,
}

/// What became of handing a frame over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrote {
    /// The socket has it, or has begun it.
    Yes,
    /// The socket takes nothing now.
    Blocked,
    /// The session ends: nothing is written any more.
    Ended,
}

impl<S: Sink> Session<S> {
    /// Writes a shared frame if nothing waits before it.
    pub fn write(&mut self, frame: &Bytes, now: u64) -> Wrote {
        self.write_or_keep(frame, |from| frame.slice(from..), now)
    }

    /// Writes several frames if nothing waits before them; copies what the socket does not take of them.
    pub fn write_copied(&mut self, frames: &[u8], now: u64) -> Wrote {
        self.write_or_keep(frames, |from| Bytes::copy_from_slice(&frames[from..]), now)
    }

    fn write_or_keep(&mut self, bytes: &[u8], rest: impl FnOnce(usize) -> Bytes, now: u64) -> Wrote {
        if self.ending.is_some() {
            return Wrote::Ended;
        }
        if self.outbox.is_some() {
            return Wrote::Blocked;
        }
        if bytes.is_empty() {
            return Wrote::Yes;
        }
        match self.sink.try_write(bytes) {
            Ok(n) if n == bytes.len() => Wrote::Yes,
            Ok(n) => {
                self.outbox = Some(Box::new(Outbox::new(rest(n), now)));
                self.sink.wake();
                Wrote::Yes
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Wrote::Blocked,
            Err(_) => {
                self.cut();
                Wrote::Ended
            }
        }
    }

    /// Writes a reply or an event of one's own, or lets it wait; cuts a reader that is too slow. Returns `false` if it
    /// was cut for that.
    pub fn send(&mut self, frame: Bytes, now: u64) -> bool {
        if self.write(&frame, now) == Wrote::Blocked && !self.outbox(now).counted(frame) {
            self.cut();
            return false;
        }
        true
    }

    /// Writes a frame whose number is bounded otherwise, or lets it wait.
    pub fn send_shared(&mut self, frame: &Bytes, now: u64) {
        if self.write(frame, now) == Wrote::Blocked {
            self.outbox(now).shared(frame.clone());
        }
    }

    /// Writes a frame that tells a fixed version of a promotion, or lets it wait before what is marked of the promotion.
    pub fn send_about(&mut self, key: u32, frame: &Bytes, now: u64) {
        if self.write(frame, now) == Wrote::Blocked {
            self.outbox(now).about(key, frame.clone());
        }
    }

    /// Marks a promotion to be told of as soon as the socket is writable. Returns whether it was marked before.
    pub fn mark(&mut self, key: u32, lane: Lane, kind: Kind, unseen: bool, now: u64) -> bool {
        self.outbox(now).mark(key, lane, kind, unseen)
    }

    /// Drops a promotion's mark; returns whether the client has not heard of it at all.
    pub fn unmark(&mut self, key: u32, lane: Lane) -> bool {
        self.outbox.as_mut().is_some_and(|outbox| outbox.unmark(key, lane))
    }

    /// Ends it with a close frame, after what waits.
    pub fn close(&mut self, frame: &Bytes, now: u64) {
        if self.ending.is_none() {
            self.send_shared(frame, now);
            self.ending.get_or_insert(Ending::Closing);
            self.sink.wake();
        }
    }

    /// Ends it at once.
    pub fn cut(&mut self) {
        self.ending = Some(Ending::Cut);
        self.outbox = None;
        self.sink.wake();
    }

    /// Lets everything wait from here on until [`Session::flush`]; returns whether nothing waited before.
    pub fn cork(&mut self, now: u64) -> bool {
        let corks = self.outbox.is_none() && self.ending.is_none();
        if corks {
            self.outbox = Some(Box::new(Outbox::gathering(now)));
        }
        corks
    }

    fn outbox(&mut self, now: u64) -> &mut Outbox {
        if self.outbox.is_none() {
            // The task learns that it has to wait for the socket.
            self.sink.wake();
        }
        self.outbox.get_or_insert_with(|| Box::new(Outbox::new(Bytes::new(), now)))
    }

    /// Writes what waits, as much in one write as there is, until the socket takes no more.
    pub fn flush(&mut self, fill: &mut impl Fill, scratch: &mut Vec<u8>, now: u64) {
        let Some(mut outbox) = self.outbox.take() else { return };
        for _ in 0..WRITES_IN_A_ROW_MAX {
            let alone = gather(&mut outbox, fill, scratch);
            let bytes = alone.as_deref().unwrap_or(scratch);
            if bytes.is_empty() {
                return;
            }
            let rest = |from| match &alone {
                Some(frame) => frame.slice(from..),
                None => Bytes::copy_from_slice(&scratch[from..]),
            };
            match self.sink.try_write(bytes) {
                Ok(n) => outbox.wrote(rest(n), now),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let progress_at = outbox.progress_at;
                    outbox.wrote(rest(0), progress_at);
                    break;
                }
                Err(_) => return self.cut(),
            }
        }
        if outbox.is_empty() {
            return;
        }
        self.outbox = Some(outbox);
    }

    /// Claims that the connect's answer already shows are told again only if they changed since.
    pub fn open_own(&mut self, shown: &[(ClaimId, u64)], now: u64) {
        let Some(person) = &mut self.person else { return };
        let Own::HeldBack(held) = std::mem::replace(&mut person.own, Own::On) else { return };
        for news in held {
            if !shown.iter().any(|(claim, v)| *claim == news.claim && *v >= news.v) {
                self.send(news.frame.clone(), now);
            }
        }
    }
}

/// Collects the next bytes to write: what is left of the last write, else as many frames as fit. One by itself, and a
/// large one always, is given uncopied; several are in `scratch`.
fn gather(outbox: &mut Outbox, fill: &mut impl Fill, scratch: &mut Vec<u8>) -> Option<Bytes> {
    scratch.clear();
    if !outbox.rest().is_empty() {
        return Some(outbox.rest().clone());
    }
    let mut first = None;
    while scratch.len() < WRITE_BYTES_MAX {
        let frame = match outbox.pop() {
            None => break,
            Some(Next::Frame(frame)) => frame,
            Some(Next::Fill(key, lane, kind)) => match fill.frame(key, lane, kind) {
                Some(frame) => frame,
                None => continue,
            },
        };
        if first.is_none() && scratch.is_empty() {
            if frame.len() >= WRITE_BYTES_MAX / 4 {
                return Some(frame);
            }
            first = Some(frame);
            continue;
        }
        if let Some(first) = first.take() {
            scratch.extend_from_slice(&first);
        }
        scratch.extend_from_slice(&frame);
    }
    first
}
