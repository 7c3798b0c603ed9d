//! The outbox relay: hands committed events to the notifier, at least once, in order per promotion.
//!
//! Knows neither what an event means nor who is told.

use crate::histogram::{self, Histogram};
use crate::limits::{OUTBOX_BATCH_MAX, OUTBOX_PERIOD};
use crate::ports::PortError;
use crate::ports::clock::SharedClock;
use crate::ports::notifier::Notifier;
use crate::ports::store::{OutboxEvent, Store};
use actix::prelude::*;
use flash_domain::ids::EventId;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// The relay's actor: one task, one batch at a time.
pub struct OutboxRelay {
    store: Arc<dyn Store>,
    notifier: Arc<dyn Notifier>,
    clock: SharedClock,
    waits: Arc<OutboxWaits>,
    handed_over: u64,
}

/// How long events wait in the outbox, for metrics.
#[derive(Debug)]
pub struct OutboxWaits {
    /// From an event's commit to its being handed over, in microseconds: one value per event.
    pub ages: Histogram,
    /// How long the oldest event has waited that could not be handed over yet, in milliseconds; 0 if none waits.
    pub oldest_ms: AtomicU64,
}

impl Default for OutboxWaits {
    fn default() -> Self {
        Self { ages: Histogram::new(histogram::MICROSECONDS), oldest_ms: AtomicU64::default() }
    }
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
        Self { store, notifier, clock, waits: Arc::default(), handed_over: 0 }
    }

    /// Measures into this.
    #[must_use]
    pub fn measuring(self, waits: Arc<OutboxWaits>) -> Self {
        Self { waits, ..self }
    }
}

impl Actor for OutboxRelay {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        // Not through an address: an actor that nobody has the address of stops as soon as it has nothing to wait for.
        context.notify_later(Tick, OUTBOX_PERIOD);
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
        let work = relay(self.store.clone(), self.notifier.clone(), self.clock.clone(), self.waits.clone());
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
            context.notify_later(Tick, pause);
        }))
    }
}

async fn relay(
    store: Arc<dyn Store>,
    notifier: Arc<dyn Notifier>,
    clock: SharedClock,
    waits: Arc<OutboxWaits>,
) -> Result<u64, PortError> {
    let waiting = store.outbox_waiting(OUTBOX_BATCH_MAX).await?;
    let now = clock.now().wall;
    let age_ms = |event: &OutboxEvent| u64::try_from(now.0 - event.created_at.0).unwrap_or(0);
    let ages: Vec<u64> = waiting.iter().map(age_ms).collect();
    waits.oldest_ms.store(ages.iter().copied().max().unwrap_or(0), Relaxed);
    if waiting.is_empty() {
        return Ok(0);
    }
    let ids: Vec<EventId> = waiting.iter().map(|event| event.id).collect();
    let taken = notifier.notify(waiting).await?;
    let count = taken.len() as u64;
    let handed_over: HashSet<EventId> = taken.iter().copied().collect();
    store.outbox_done(taken, clock.now().wall).await?;
    for (_, age_ms) in ids.iter().zip(ages).filter(|(id, _)| handed_over.contains(*id)) {
        waits.ages.add(age_ms * 1_000);
    }
    Ok(count)
}
