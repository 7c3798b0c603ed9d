//! Webhooks: which events stores hear of, and the sending with backoff.
//!
//! Knows neither HTTP nor signatures.

use crate::ports::PortError;
use crate::ports::clock::{SharedClock, SharedMint};
use crate::ports::store::OutboxEvent;
use crate::ports::webhooks::{Caller, DueMessage, NewMessage, Outcome, Webhooks};
use flash_domain::event::Event;
use flash_domain::time::UnixMillis;
use futures_util::StreamExt;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Types of events that webhooks may ask for.
pub const TYPES: [&str; 5] =
    ["promotion.started", "promotion.sold_out", "promotion.ended", "claim.confirmed", "claim.redeemed"];
/// Pauses between the tries, in seconds, as Standard Webhooks recommends; after the last the message is given up.
const PAUSES_S: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// Messages taken at once, and calls under way at the same time: one slow receiver does not hold up the others.
const BATCH: u32 = 64;
const AT_ONCE: usize = 32;
/// How long a message is nobody else's; longer than a call may take.
const LEASE_MS: i64 = 60_000;
/// Pause between two looks.
const LOOK_PERIOD: Duration = Duration::from_millis(500);

/// What webhooks work with.
#[derive(Clone)]
pub struct WebhookParts {
    /// Webhooks and messages.
    pub webhooks: Arc<dyn Webhooks>,
    /// Signs and sends.
    pub caller: Arc<dyn Caller>,
    /// The clocks.
    pub clock: SharedClock,
    /// For jitter.
    pub mint: SharedMint,
}

/// The type and the claim of an event that webhooks hear of.
fn kind(event: &Event) -> Option<(&'static str, Option<String>)> {
    Some(match event {
        Event::Started => (TYPES[0], None),
        Event::SoldOut => (TYPES[1], None),
        Event::Ended => (TYPES[2], None),
        Event::ClaimConfirmed { claim_id, .. } => (TYPES[3], Some(claim_id.to_string())),
        Event::ClaimRedeemed { claim_id, .. } => (TYPES[4], Some(claim_id.to_string())),
        _ => return None,
    })
}

/// Takes events in for the webhooks that hear of them. `rfc3339` formats a time; a shopper's id is nobody's business.
///
/// # Errors
/// The store's.
pub async fn take_in(
    webhooks: &dyn Webhooks,
    events: &[OutboxEvent],
    rfc3339: fn(UnixMillis) -> String,
) -> Result<u64, PortError> {
    let mut promotions: Vec<_> =
        events.iter().filter(|event| kind(&event.event).is_some()).map(|event| event.promotion_id).collect();
    promotions.sort();
    promotions.dedup();
    if promotions.is_empty() {
        return Ok(0);
    }
    let listeners = webhooks.listeners(promotions).await?;
    let mut messages = Vec::new();
    for event in events {
        let Some((kind, claim)) = kind(&event.event) else { continue };
        for (_, webhook) in listeners.iter().filter(|(promotion, _)| *promotion == event.promotion_id) {
            if !webhook.events.is_empty() && !webhook.events.iter().any(|wanted| wanted == kind) {
                continue;
            }
            let mut data =
                json!({"promotion_id": event.promotion_id, "store_id": webhook.store_id, "v": event.v});
            if let Some(claim) = &claim {
                data["claim_id"] = json!(claim);
            }
            let body =
                json!({"type": kind, "timestamp": rfc3339(event.created_at), "data": data}).to_string();
            let (webhook_id, event_id, created_at) = (webhook.id, event.id, event.created_at);
            messages.push(NewMessage { webhook_id, event_id, kind: kind.to_owned(), body, created_at });
        }
    }
    webhooks.enqueue(messages).await
}

impl WebhookParts {
    /// Sends what is due; says how many messages were looked at.
    ///
    /// # Errors
    /// The store's.
    pub async fn send_due(&self) -> Result<u64, PortError> {
        let mut sent = 0;
        loop {
            let now = self.clock.now().wall;
            let due = self.webhooks.messages_due(now, now.plus_ms(LEASE_MS), BATCH).await?;
            if due.is_empty() {
                return Ok(sent);
            }
            sent += due.len() as u64;
            let mut under_way = futures_util::stream::iter(due.iter().map(|message| self.send(message)))
                .buffer_unordered(AT_ONCE);
            while let Some(result) = under_way.next().await {
                result?;
            }
        }
    }

    async fn send(&self, message: &DueMessage) -> Result<(), PortError> {
        let called = self.caller.call(message, self.clock.now().wall).await;
        let now = self.clock.now().wall;
        let outcome = match PAUSES_S.get(message.tries as usize) {
            _ if called.ok => Outcome::Delivered,
            None => Outcome::GivenUp,
            Some(pause_s) => {
                // Up to a tenth more, so that what failed together does not come back together.
                let shake = (self.mint.uuid(now).as_u128() & 0xffff) as i64;
                Outcome::Later(now.plus_ms(pause_s * 1_000 + pause_s * 100 * shake / 0xffff))
            }
        };
        self.webhooks.settle_message(message.webhook.id, message.event_id, outcome, called.answer, now).await
    }
}

/// Sends what is due, twice a second. Ends with its runtime.
pub async fn caller(parts: WebhookParts) {
    loop {
        if let Err(error) = parts.send_due().await {
            tracing::warn!(%error, "webhooks wait");
        }
        tokio::time::sleep(LOOK_PERIOD).await;
    }
}
