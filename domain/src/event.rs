//! Committed events: what others (notifications, webhooks) are told after the commit that caused it.
//! Says what happened; who is told and how is nobody's business here.

use crate::ids::{ClaimId, UserId};
use serde::{Deserialize, Serialize};

/// Something that happened to a promotion, recorded in the transaction that made it so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// It was launched (or published from a draft).
    Launched,
    /// Its window opened.
    Started,
    /// It was paused.
    Paused,
    /// It was resumed.
    Resumed,
    /// Its terms changed.
    Edited,
    /// The last free unit was taken.
    SoldOut,
    /// A unit came free again.
    BackInStock,
    /// Its window closes within the time that people are warned of.
    EndingSoon,
    /// Its window closed.
    Ended,
    /// It was cancelled.
    Cancelled,
    /// A claim was confirmed.
    ClaimConfirmed {
        /// Which.
        claim_id: ClaimId,
        /// Whose.
        user_id: UserId,
    },
    /// A claim was redeemed.
    ClaimRedeemed {
        /// Which.
        claim_id: ClaimId,
        /// Whose.
        user_id: UserId,
    },
}

impl Event {
    /// The name of the event, as in its JSON `type`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Launched => "launched",
            Self::Started => "started",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Edited => "edited",
            Self::SoldOut => "sold_out",
            Self::BackInStock => "back_in_stock",
            Self::EndingSoon => "ending_soon",
            Self::Ended => "ended",
            Self::Cancelled => "cancelled",
            Self::ClaimConfirmed { .. } => "claim_confirmed",
            Self::ClaimRedeemed { .. } => "claim_redeemed",
        }
    }
}
