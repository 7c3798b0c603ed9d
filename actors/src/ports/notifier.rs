//! Where committed events go: SNS, or the local notifier.

use super::{Answer, PortError};
use crate::ports::store::OutboxEvent;
use flash_domain::ids::EventId;

/// Takes committed events over. An event that is not among the returned ids is handed over again: consumers deduplicate
/// by event id.
pub trait Notifier: Send + Sync + 'static {
    /// Hands events over, in order per promotion; returns those that were taken.
    fn notify(&self, events: Vec<OutboxEvent>) -> Answer<'_, Result<Vec<EventId>, PortError>>;
}

/// Takes every event and tells nobody but the log; what an installation without AWS has for now.
#[derive(Debug, Default)]
pub struct LocalNotifier;

impl Notifier for LocalNotifier {
    fn notify(&self, events: Vec<OutboxEvent>) -> Answer<'_, Result<Vec<EventId>, PortError>> {
        Box::pin(async move {
            let taken = events.iter().map(|event| event.id).collect();
            for event in events {
                tracing::debug!(promotion = %event.promotion_id, v = event.v, event = event.event.name(), "notified");
            }
            Ok(taken)
        })
    }
}
