//! Reply lanes: how the answers of one commit reach hundreds of waiting requests with one message per worker thread.
//!
//! A request that waits holds a slot in its own thread's lane. Whoever settles a commit, on another thread, gathers the
//! slots by lane and posts each lane once; the lane's own task then wakes the requests locally, which costs no
//! cross-thread wake-up per request. A lane also ends waits that outlast their deadline.

use crate::limits::{ANSWER_DEADLINE_MS, ANSWER_TICK};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::sync::Notify;
use tokio::time::Instant;

/// What became of the commit that a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable.
    Durable,
    /// It certainly did not happen.
    Failed,
    /// Nobody knows.
    Unknown,
}

/// A promise to tell one waiting request.
pub struct Ticket {
    lane: Arc<Inbox>,
    slot: u32,
    generation: u32,
}

/// The part of a lane that other threads may touch.
#[derive(Default)]
struct Inbox {
    posted: Mutex<Vec<Reply>>,
    wake: Notify,
}

/// A slot, its generation and the outcome for it.
type Reply = (u32, u32, Outcome);

/// Outcomes gathered by lane, to be posted together.
#[derive(Default)]
pub struct Replies {
    by_lane: Vec<(Arc<Inbox>, Vec<Reply>)>,
}

impl Replies {
    /// Adds an outcome for the request behind `ticket`.
    pub fn push(&mut self, ticket: Ticket, outcome: Outcome) {
        let reply = (ticket.slot, ticket.generation, outcome);
        // A handful of worker threads: a linear look is cheaper than a map.
        match self.by_lane.iter_mut().find(|(lane, _)| Arc::ptr_eq(lane, &ticket.lane)) {
            Some((_, replies)) => replies.push(reply),
            None => self.by_lane.push((ticket.lane, vec![reply])),
        }
    }

    /// Posts everything gathered: one lock and one wake-up per worker thread.
    pub fn post(&mut self) {
        for (lane, mut replies) in self.by_lane.drain(..) {
            lane.posted.lock().unwrap_or_else(PoisonError::into_inner).append(&mut replies);
            lane.wake.notify_one();
        }
    }
}

enum Slot {
    Free { next: Option<u32> },
    Waiting { waker: Option<Waker>, deadline: Instant },
    Done(Outcome),
}

struct Lane {
    inbox: Arc<Inbox>,
    slots: Vec<(u32, Slot)>,
    free: Option<u32>,
    waiting: usize,
}

thread_local! {
    static LANE: RefCell<Option<Rc<RefCell<Lane>>>> = const { RefCell::new(None) };
}

/// The outcome of a commit, as a future that stays on the thread that made it.
pub struct Settlement {
    lane: Rc<RefCell<Lane>>,
    slot: u32,
}

/// Makes a ticket for the settling side and a future for the waiting side. Must be called on a thread that runs an
/// actix arbiter (or another `LocalSet`).
pub fn wait() -> (Ticket, Settlement) {
    let lane = this_lane();
    let mut inner = lane.borrow_mut();
    let waiting = Slot::Waiting { waker: None, deadline: Instant::now() + deadline() };
    let slot = match inner.free {
        Some(slot) => {
            let place = &mut inner.slots[slot as usize];
            let Slot::Free { next } = place.1 else { unreachable!("the free list holds free slots") };
            place.1 = waiting;
            inner.free = next;
            slot
        }
        None => {
            inner.slots.push((0, waiting));
            (inner.slots.len() - 1) as u32
        }
    };
    inner.waiting += 1;
    let ticket = Ticket { lane: inner.inbox.clone(), slot, generation: inner.slots[slot as usize].0 };
    drop(inner);
    (ticket, Settlement { lane, slot })
}

fn deadline() -> std::time::Duration {
    std::time::Duration::from_millis(ANSWER_DEADLINE_MS as u64)
}

fn this_lane() -> Rc<RefCell<Lane>> {
    LANE.with(|cell| {
        let mut cell = cell.borrow_mut();
        // A runtime that ended took its lane's task along (tests run several per thread): the inbox then has no
        // other owner, and a lane without a task would never answer.
        if let Some(lane) = cell.as_ref()
            && Arc::strong_count(&lane.borrow().inbox) > 1
        {
            return lane.clone();
        }
        let inbox = Arc::new(Inbox::default());
        let lane =
            Rc::new(RefCell::new(Lane { inbox: inbox.clone(), slots: Vec::new(), free: None, waiting: 0 }));
        actix_rt::spawn(drive(Rc::downgrade(&lane), inbox));
        *cell = Some(lane.clone());
        lane
    })
}

/// The lane's own task: hands posted outcomes to the waiting requests and ends overdue waits.
async fn drive(lane: std::rc::Weak<RefCell<Lane>>, inbox: Arc<Inbox>) {
    let mut taken = Vec::new();
    loop {
        let idle = match lane.upgrade() {
            Some(lane) => lane.borrow().waiting == 0,
            None => return,
        };
        if idle {
            inbox.wake.notified().await;
        } else {
            tokio::select! {
                biased;
                () = inbox.wake.notified() => {}
                () = tokio::time::sleep(ANSWER_TICK) => {}
            }
        }
        std::mem::swap(&mut taken, &mut *inbox.posted.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(lane) = lane.upgrade() else { return };
        let mut lane = lane.borrow_mut();
        if taken.is_empty() {
            lane.end_overdue(Instant::now());
        }
        for (slot, generation, outcome) in taken.drain(..) {
            lane.settle(slot, generation, outcome);
        }
    }
}

impl Lane {
    fn settle(&mut self, slot: u32, generation: u32, outcome: Outcome) {
        let Some(place) = self.slots.get_mut(slot as usize) else { return };
        if place.0 != generation {
            return;
        }
        if let Slot::Waiting { waker, .. } = &mut place.1 {
            let waker = waker.take();
            place.1 = Slot::Done(outcome);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn end_overdue(&mut self, now: Instant) {
        for slot in 0..self.slots.len() {
            let (generation, state) = &self.slots[slot];
            if matches!(state, Slot::Waiting { deadline, .. } if *deadline <= now) {
                let generation = *generation;
                self.settle(slot as u32, generation, Outcome::Unknown);
            }
        }
    }
}

impl Future for Settlement {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let mut lane = self.lane.borrow_mut();
        match &mut lane.slots[self.slot as usize].1 {
            Slot::Done(outcome) => Poll::Ready(*outcome),
            Slot::Waiting { waker, .. } => {
                match waker {
                    Some(known) if known.will_wake(context.waker()) => {}
                    _ => *waker = Some(context.waker().clone()),
                }
                Poll::Pending
            }
            Slot::Free { .. } => Poll::Ready(Outcome::Unknown),
        }
    }
}

impl Drop for Settlement {
    fn drop(&mut self) {
        let mut lane = self.lane.borrow_mut();
        let next = lane.free;
        let place = &mut lane.slots[self.slot as usize];
        place.0 = place.0.wrapping_add(1);
        place.1 = Slot::Free { next };
        lane.free = Some(self.slot);
        lane.waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn answers_of_a_batch_reach_their_requests() {
        let mut replies = Replies::default();
        let mut waits = Vec::new();
        for n in 0..100 {
            let (ticket, settlement) = wait();
            replies.push(ticket, if n % 2 == 0 { Outcome::Durable } else { Outcome::Failed });
            waits.push(settlement);
        }
        assert_eq!(replies.by_lane.len(), 1, "one message per worker thread");
        std::thread::spawn(move || replies.post());
        for (n, settlement) in waits.into_iter().enumerate() {
            assert_eq!(settlement.await, if n % 2 == 0 { Outcome::Durable } else { Outcome::Failed });
        }
    }

    #[actix_rt::test]
    async fn i17_a_wait_ends_at_its_deadline_as_unknown() {
        tokio::time::pause();
        let (ticket, settlement) = wait();
        assert_eq!(settlement.await, Outcome::Unknown);
        // The late answer meets a slot of another generation and is dropped.
        let (_other, second) = wait();
        let mut replies = Replies::default();
        replies.push(ticket, Outcome::Durable);
        replies.post();
        assert_eq!(second.await, Outcome::Unknown);
    }
}
