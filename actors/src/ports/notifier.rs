//! Where committed events go: SNS, or the intake itself.

use super::{Answer, PortError};
use crate::ports::store::OutboxEvent;
use flash_domain::ids::EventId;

/// Takes committed events over. An event that is not among the returned ids is handed over again: consumers deduplicate
/// by event id.
pub trait Notifier: Send + Sync + 'static {
    /// Hands events over, in order per promotion; returns those that were taken.
    fn notify(&self, events: Vec<OutboxEvent>) -> Answer<'_, Result<Vec<EventId>, PortError>>;
}
