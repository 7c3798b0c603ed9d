//! The hub: one actor per worker thread, owner of that worker's sessions, occupied cells, board and outboxes.
//!
//! The actor only wakes, ticks and answers `Observe`; the state is a plain [`Shard`] that the sessions' tasks of the
//! same thread share with it. Knows no protocol, no promotion owner and no store.

pub mod board;
mod fanout;
pub mod inbox;
pub mod limits;
mod load;
pub mod nearby;
pub mod outbox;
pub mod registry;
mod round;
pub mod session;
pub mod shard;
pub mod slab;
#[cfg(test)]
mod tests;
mod timers;
pub mod topics;
pub mod wire;

pub use load::WorkerLoad;
pub use registry::{HubCounts, Hubs, Wake};
pub use session::Sink;
pub use shard::Shard;

use actix::prelude::*;
use inbox::Inbox;
use limits::{CATCH_UP_TICKS_MAX, TICK};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use tokio::time::Instant;

/// One worker's state, shared on its thread.
pub type SharedShard<S> = Rc<RefCell<Shard<S>>>;

/// How a hub is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, MessageResponse)]
pub struct HubObservation {
    /// Sessions.
    pub sessions: usize,
    /// Occupied cells, over all cover resolutions.
    pub cells: usize,
    /// Promotions that are live or followed.
    pub board: usize,
}

/// Asks how a hub is.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "HubObservation")]
pub struct Observe;

/// The actor of one worker thread.
pub struct HubActor<S: Sink> {
    shard: SharedShard<S>,
    ticked_at: Instant,
}

impl<S: Sink> HubActor<S> {
    /// Starts this thread's hub and lets it join the others.
    pub fn start_here(hubs: &Arc<Hubs>) -> SharedShard<S> {
        let inbox = Arc::new(Inbox::default());
        let shard = Rc::new(RefCell::new(Shard::new(hubs.clone(), inbox.clone())));
        let load = shard.borrow().load.clone();
        let hub = Self { shard: shard.clone(), ticked_at: Instant::now() }.start();
        hubs.join(inbox, load, hub.recipient());
        shard
    }

    /// Makes up for what the timer missed, within bounds.
    fn tick(&mut self) {
        let due = (self.ticked_at.elapsed().as_millis() / TICK.as_millis()) as u64;
        if due > CATCH_UP_TICKS_MAX {
            self.ticked_at = Instant::now();
        } else {
            self.ticked_at += TICK * due as u32;
        }
        for _ in 0..due.min(CATCH_UP_TICKS_MAX) {
            self.shard.borrow_mut().tick();
        }
    }
}

impl<S: Sink> Actor for HubActor<S> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(TICK, |hub, _| hub.tick());
    }
}

impl<S: Sink> Handler<Wake> for HubActor<S> {
    type Result = ();

    fn handle(&mut self, _: Wake, _: &mut Self::Context) {
        self.shard.borrow_mut().take_in();
    }
}

impl<S: Sink> Handler<Observe> for HubActor<S> {
    type Result = HubObservation;

    fn handle(&mut self, _: Observe, _: &mut Self::Context) -> HubObservation {
        let shard = self.shard.borrow();
        let (cells, board) = shard.sizes();
        HubObservation { sessions: shard.len(), cells, board }
    }
}
