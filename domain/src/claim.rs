//! A claim: a shopper's unit or units of one promotion, and the answers about it.
//!
//! The life of a claim (`held` → `confirmed` → `redeemed`, or `expired` / `cancelled`) is decided by
//! `promotion.rs`; this file only says what a claim is and which refusals there are.

use crate::ids::{ClaimId, PromotionId, StoreId, UserId};
use crate::money::Money;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where a claim is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimStatus {
    /// Units are set aside until the hold expires.
    Held,
    /// Units are sold.
    Confirmed,
    /// Units are sold and were handed out at the store.
    Redeemed,
    /// The hold ran out; units went back.
    Expired,
    /// The shopper, or the promotion's cancellation, gave the units back.
    Cancelled,
}

impl ClaimStatus {
    /// The name used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Confirmed => "confirmed",
            Self::Redeemed => "redeemed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status from its stored form: 0 held, 1 confirmed, 2 redeemed, 3 expired, 4 cancelled.
    pub fn from_i16(code: i16) -> Option<Self> {
        Some(match code {
            0 => Self::Held,
            1 => Self::Confirmed,
            2 => Self::Redeemed,
            3 => Self::Expired,
            4 => Self::Cancelled,
            _ => return None,
        })
    }

    /// The stored form, see [`ClaimStatus::from_i16`].
    pub fn as_i16(self) -> i16 {
        match self {
            Self::Held => 0,
            Self::Confirmed => 1,
            Self::Redeemed => 2,
            Self::Expired => 3,
            Self::Cancelled => 4,
        }
    }

    /// Whether the units count against stock and limit: held, confirmed or redeemed.
    pub fn occupies(self) -> bool {
        matches!(self, Self::Held | Self::Confirmed | Self::Redeemed)
    }
}

/// A shopper's unit or units of one promotion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its id.
    pub id: ClaimId,
    /// The promotion it is of.
    pub promotion_id: PromotionId,
    /// The promotion's store, where it is redeemed.
    pub store_id: StoreId,
    /// The shopper.
    pub user_id: UserId,
    /// Where it is in its life.
    pub status: ClaimStatus,
    /// Units, ≥ 1.
    pub quantity: u32,
    /// The price in force when it was decided.
    pub unit_price: Money,
    /// When the hold ends; `None` if it was confirmed at once (hold 0).
    pub hold_expires_at: Option<UnixMillis>,
    /// What the shopper shows at the store.
    pub redemption_code: Arc<str>,
    /// The shopper's key of this request.
    pub idempotency_key: Arc<str>,
    /// The promotion's version when the claim was made; the first answer carries it.
    pub first_v: u64,
    /// The promotion's version when the claim last changed.
    pub v: u64,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was confirmed.
    pub confirmed_at: Option<UnixMillis>,
    /// When it reached `redeemed`, `expired` or `cancelled`.
    pub closed_at: Option<UnixMillis>,
}

impl Claim {
    /// Whether it has not changed since it was made.
    pub fn is_new(&self) -> bool {
        self.v == self.first_v
    }

    /// The claim as it was first answered: the same for every repetition of the request, whatever happened since.
    pub fn first_answer(&self) -> Claim {
        let held = self.hold_expires_at.is_some();
        Claim {
            status: if held { ClaimStatus::Held } else { ClaimStatus::Confirmed },
            v: self.first_v,
            confirmed_at: if held { None } else { Some(self.created_at) },
            closed_at: None,
            ..self.clone()
        }
    }
}

/// Why a claim is not accepted, in the order of precedence (DESIGN 6.1 "Order of refusals").
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimRefusal {
    /// The key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The promotion starts later.
    #[error("the promotion has not started")]
    NotStarted {
        /// When it starts.
        starts_at: UnixMillis,
    },
    /// The promotion is over.
    #[error("the promotion has ended")]
    Ended,
    /// The promotion is paused.
    #[error("the promotion is paused")]
    Paused,
    /// The promotion was cancelled.
    #[error("the promotion was cancelled")]
    Cancelled,
    /// The shopper's segment is not admitted.
    #[error("the promotion is for other segments")]
    NotEligible,
    /// A claim radius is set and the shopper's place is not known.
    #[error("a location is needed")]
    LocationRequired,
    /// The shopper is outside the claim radius.
    #[error("too far from the store")]
    TooFar {
        /// Metres between shopper and store, rounded up to whole metres.
        distance_m: u32,
        /// The claim radius in metres.
        claim_within_m: u32,
    },
    /// The shopper has as many units as one may have.
    #[error("the limit per shopper is reached")]
    LimitReached {
        /// The limit in force.
        limit: u32,
    },
    /// Every unit is sold, or fewer are left than asked for and none may return.
    #[error("sold out")]
    SoldOut {
        /// Units left.
        remaining: u32,
    },
    /// Too few units are free, but held ones may return.
    #[error("all remaining units are held")]
    AllHeld {
        /// Units left.
        remaining: u32,
        /// Milliseconds until the next hold expires.
        retry_after_ms: u64,
    },
}

/// Why an act on an existing claim (confirm, cancel, redeem) is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActRefusal {
    /// No such claim, or not this shopper's.
    #[error("no such claim")]
    NotFound,
    /// The hold ran out before.
    #[error("the hold has expired")]
    HoldExpired,
    /// It is confirmed and can't be cancelled any more.
    #[error("the claim is confirmed already")]
    AlreadyConfirmed,
    /// It was cancelled before.
    #[error("the claim is cancelled already")]
    AlreadyCancelled,
    /// It was redeemed before.
    #[error("the claim is redeemed already")]
    AlreadyRedeemed,
    /// It is still held; only confirmed claims are redeemed.
    #[error("the claim is not confirmed")]
    NotConfirmed,
}
