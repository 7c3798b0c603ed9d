//! The outbox relay: hands committed events to the notifier, at least once, in order per promotion.
//!
//! Knows neither what an event means nor who is told.

use crate::limits::{OUTBOX_BATCH_MAX, OUTBOX_PERIOD};
use crate::ports::PortError;
use crate::ports::clock::SharedClock;
use crate::ports::notifier::Notifier;
use crate::ports::store::Store;
use actix::prelude::*;
use std::sync::Arc;

/// The relay's actor: one task, one batch at a time.
pub struct OutboxRelay {
    store: Arc<dyn Store>,
    notifier: Arc<dyn Notifier>,
    clock: SharedClock,
    handed_over: u64,
}

/// Asks how many events were handed over since the start.
#[derive(Message)]
#[rtype(result = "u64")]
pub struct Observe;

#[derive(Message)]
#[rtype(result = "()")]
struct Tick;

impl OutboxRelay {
    /// Makes the relay.
    pub fn new(store: Arc<dyn Store>, notifier: Arc<dyn Notifier>, clock: SharedClock) -> Self {
        Self { store, notifier, clock, handed_over: 0 }
    }
}

impl Actor for OutboxRelay {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_later(OUTBOX_PERIOD, |_, context| context.address().try_send(Tick).unwrap_or_default());
    }
}

impl Handler<Observe> for OutboxRelay {
    type Result = u64;

    fn handle(&mut self, _: Observe, _: &mut Self::Context) -> u64 {
        self.handed_over
    }
}

impl Handler<Tick> for OutboxRelay {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Tick, _: &mut Self::Context) -> Self::Result {
        let work = relay(self.store.clone(), self.notifier.clone(), self.clock.clone());
        Box::pin(work.into_actor(self).map(|result, actor, context| {
            let more = match result {
                Ok(count) => {
                    actor.handed_over += count;
                    count >= u64::from(OUTBOX_BATCH_MAX)
                }
                Err(error) => {
                    tracing::warn!(%error, "the outbox waits");
                    false
                }
            };
            let pause = if more { std::time::Duration::from_millis(1) } else { OUTBOX_PERIOD };
            context.run_later(pause, |_, context| context.address().try_send(Tick).unwrap_or_default());
        }))
    }
}

async fn relay(
    store: Arc<dyn Store>,
    notifier: Arc<dyn Notifier>,
    clock: SharedClock,
) -> Result<u64, PortError> {
    let waiting = store.outbox_waiting(OUTBOX_BATCH_MAX).await?;
    if waiting.is_empty() {
        return Ok(0);
    }
    let taken = notifier.notify(waiting).await?;
    let count = taken.len() as u64;
    store.outbox_done(taken, clock.now().wall).await?;
    Ok(count)
}
