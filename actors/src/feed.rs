//! What promotion owners tell the live edge: typed updates about durable state, one call per update.
//!
//! The hubs implement [`Feed`]; owners know nothing of sessions, cells or wire formats. Everything that passes here
//! is durable already (or follows from durable state and time, as starts and ends do).

use flash_domain::claim::Claim;
use flash_domain::geo::{Cover, UnitVector};
use flash_domain::ids::{PromotionId, StoreId, UserId};
use flash_domain::notice::Notice;
use flash_domain::promotion::PromotionRecord;
use flash_domain::time::UnixMillis;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// A promotion as shoppers are shown it, with its geography worked out once.
#[derive(Clone, Debug)]
pub struct LiveOffer {
    /// The durable record, as it is now (start and end applied). Status `Scheduled` or `Live`.
    pub record: PromotionRecord,
    /// The cells that the leave radius of its reach touches.
    pub cover: Arc<Cover>,
    /// Where its store is.
    pub point: UnitVector,
}

/// Why an offer is not to be seen any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GoneReason {
    /// Its window closed.
    Ended,
    /// It was cancelled.
    Cancelled,
    /// It is paused; a fresh offer follows when it is resumed.
    Paused,
    /// The shopper left its reach (made by the hub itself, never by an owner).
    Left,
}

/// One change that watchers are told of.
#[derive(Clone, Debug)]
pub enum Update {
    /// It was launched, started, edited or resumed. On `nearby` only live ones are shown.
    Offer(Arc<LiveOffer>),
    /// Its counters changed. Owners send the first at once, then at most one per 100 ms, the last state always; sold out
    /// and back from zero do not wait.
    Stock {
        /// Which.
        id: PromotionId,
        /// The version.
        v: u64,
        /// Units that can be claimed.
        remaining: u32,
        /// Units held.
        held: u32,
    },
    /// It is not to be seen any more. `Paused` may be followed by a fresh offer, the others are final.
    Gone {
        /// Which.
        id: PromotionId,
        /// The version.
        v: u64,
        /// Why.
        reason: GoneReason,
    },
    /// How it sells; for the store's people only, once a second while [`Pulse::staff`] > 0.
    Sales {
        /// Which.
        id: PromotionId,
        /// Durable claims ever made.
        claims: u64,
        /// Claims accepted in the last second.
        per_second: u32,
        /// Units held.
        held: u32,
        /// Units confirmed or redeemed.
        sold: u32,
    },
}

impl Update {
    /// Which promotion it is about.
    pub fn promotion_id(&self) -> PromotionId {
        match self {
            Self::Offer(offer) => offer.record.id,
            Self::Stock { id, .. } | Self::Gone { id, .. } | Self::Sales { id, .. } => *id,
        }
    }
}

/// Who is watching a promotion right now, kept by the hubs and read by its owner.
#[derive(Debug, Default)]
pub struct Pulse {
    /// Sessions that are shown it on `nearby` or subscribe to it, over all workers.
    pub viewers: AtomicU32,
    /// Subscriptions to `promotion:{id}` by the store's people, over all workers.
    pub staff: AtomicU32,
}

/// Where owners publish. Implementations never block and never fail: a hub that is gone is skipped.
pub trait Feed: Send + Sync + 'static {
    /// Hands an update to every worker's hub: one message per (update, worker).
    fn publish(&self, update: Update);
    /// Tells the claims' shoppers, on `me`, that their claims changed (durable). Cheap where nobody of them is connected.
    fn claims_changed(&self, claims: &[Claim]);
    /// Tells people, on `me`, that a notice is in their inbox since `at` (durable). Cheap where nobody is connected.
    fn notified(&self, _notice: &Notice, _at: UnixMillis, _people: &[UserId]) {}
    /// The promotion's watchers; the same `Pulse` for the same promotion as long as anybody holds it.
    fn pulse(&self, id: PromotionId) -> Arc<Pulse>;
    /// Forgets what the store's people were (staff named or removed): hubs check again who may see `sales`.
    fn staff_changed(&self, _store: StoreId) {}
}
