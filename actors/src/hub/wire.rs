//! What hubs need of the wire format, implemented by the edge: events as opaque bytes, made once and shared.
//!
//! Hubs decide who is told what and when; they never look into these bytes.

use crate::feed::{GoneReason, Update};
use bytes::Bytes;
use flash_domain::claim::Claim;
use flash_domain::ids::{ClaimId, PromotionId, UserId};
use flash_domain::notice::Notice;
use flash_domain::promotion::PromotionRecord;
use flash_domain::time::UnixMillis;
use tokio::time::Instant;

/// Where a publication goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// The deals around the shopper.
    Nearby,
    /// One promotion.
    Promotion(PromotionId),
    /// One's own claims and notifications.
    Me,
}

/// Why the server ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closing {
    /// The server goes down: connect again, elsewhere or later.
    Shutdown,
    /// The token ran out or was revoked.
    Expired,
    /// A ping was not answered.
    NoPong,
    /// No connect came in time.
    Stale,
    /// The session missed something that can't be made up: connect again and read anew.
    Behind,
}

/// How one promotion sells, for the store's people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sales {
    /// Durable claims ever made.
    pub claims: u64,
    /// Claims accepted in the last second.
    pub per_second: u32,
    /// Sessions that see it now.
    pub viewers: u32,
    /// Units held.
    pub held: u32,
    /// Units sold.
    pub sold: u32,
}

/// The wire format. Events are payloads; everything else is ready to be written to a socket.
pub trait Wire: Send + Sync + 'static {
    /// An offer by itself, as subscriptions list it.
    fn offer(&self, record: &PromotionRecord) -> Bytes;
    /// The event that an offer appeared or changed, from what [`Wire::offer`] gave.
    fn offer_event(&self, offer: &[u8]) -> Bytes;
    /// The event that counters changed.
    fn stock_event(&self, id: PromotionId, v: u64, remaining: u32, held: u32) -> Bytes;
    /// The event that an offer is not to be seen any more.
    fn gone_event(&self, id: PromotionId, v: u64, reason: GoneReason) -> Bytes;
    /// The event of how it sells.
    fn sales_event(&self, sales: &Sales) -> Bytes;
    /// The event that a claim changed.
    fn claim_event(&self, claim: &Claim) -> Bytes;
    /// The event that a notice is in the inbox since `at`.
    fn notification_event(&self, notice: &Notice, at: UnixMillis) -> Bytes;
    /// A publication of an event on a channel, framed.
    fn publication(&self, channel: Channel, event: &[u8]) -> Bytes;
    /// The end of a subscription to a promotion, framed; `again` asks the client to subscribe anew.
    fn unsubscribed(&self, id: PromotionId, again: bool) -> Bytes;
    /// The application's ping, framed.
    fn ping(&self) -> Bytes;
    /// The end of the connection, framed.
    fn close(&self, closing: Closing) -> Bytes;
}

/// An update with its event, encoded once per process.
#[derive(Debug)]
pub struct Published {
    /// What happened.
    pub update: Update,
    /// Its event; empty for sales, whose viewers are counted when they are sent.
    pub event: Bytes,
    /// Its publication on `nearby`, framed; empty for sales.
    pub nearby: Bytes,
    /// When it was handed over for delivery.
    pub at: Instant,
}

impl Published {
    /// Encodes an update.
    pub fn new(update: Update, wire: &dyn Wire) -> Self {
        let event = match &update {
            Update::Offer(offer) => wire.offer_event(&wire.offer(&offer.record)),
            Update::Stock { id, v, remaining, held } => wire.stock_event(*id, *v, *remaining, *held),
            Update::Gone { id, v, reason } => wire.gone_event(*id, *v, *reason),
            Update::Sales { .. } => Bytes::new(),
        };
        let nearby = if event.is_empty() { Bytes::new() } else { wire.publication(Channel::Nearby, &event) };
        Self { update, event, nearby, at: Instant::now() }
    }

    /// The version that the update shows; 0 for sales, which have none.
    pub fn v(&self) -> u64 {
        match &self.update {
            Update::Offer(offer) => offer.record.counters.v,
            Update::Stock { v, .. } | Update::Gone { v, .. } => *v,
            Update::Sales { .. } => 0,
        }
    }
}

/// Something of one person's own, encoded once per process: a claim's change, or a notice in their inbox.
#[derive(Debug)]
pub struct ClaimNews {
    /// Whose.
    pub user: UserId,
    /// Which claim; of a notice an id that no other person's has.
    pub claim: ClaimId,
    /// The version of the change; of a notice 1, since it never changes.
    pub v: u64,
    /// The publication on `me`, framed.
    pub frame: Bytes,
}
