//! A claim on the wire, the same over HTTP and live.

use super::time::WireTime;
use flash_domain::claim::{Claim, ClaimStatus};
use flash_domain::ids::{ClaimId, PromotionId, StoreId};
use flash_domain::money::Money;
use serde::Serialize;

/// A shopper's own claim.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ClaimJson<'a> {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: ClaimId,
    /// The promotion it is of.
    #[schema(value_type = uuid::Uuid)]
    pub promotion_id: PromotionId,
    /// Where it is redeemed.
    #[schema(value_type = uuid::Uuid)]
    pub store_id: StoreId,
    /// `held`, `confirmed`, `redeemed`, `expired` or `cancelled`.
    #[schema(value_type = String)]
    pub status: ClaimStatus,
    /// Units.
    pub quantity: u32,
    /// Price of a unit when it was decided.
    #[schema(value_type = crate::wire::promotion::MoneySchema)]
    pub unit_price: Money,
    /// When the hold ends; absent if it was confirmed at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub hold_expires_at: Option<WireTime>,
    /// What the shopper shows at the store.
    pub redemption_code: &'a str,
    /// The promotion's version when the claim last changed.
    pub v: u64,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: WireTime,
    /// When it was confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub confirmed_at: Option<WireTime>,
    /// When it was redeemed, expired or cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub closed_at: Option<WireTime>,
}

impl<'a> From<&'a Claim> for ClaimJson<'a> {
    fn from(claim: &'a Claim) -> Self {
        Self {
            id: claim.id,
            promotion_id: claim.promotion_id,
            store_id: claim.store_id,
            status: claim.status,
            quantity: claim.quantity,
            unit_price: claim.unit_price,
            hold_expires_at: claim.hold_expires_at.map(WireTime),
            redemption_code: &claim.redemption_code,
            v: claim.v,
            created_at: WireTime(claim.created_at),
            confirmed_at: claim.confirmed_at.map(WireTime),
            closed_at: claim.closed_at.map(WireTime),
        }
    }
}
