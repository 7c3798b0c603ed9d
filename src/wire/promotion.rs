//! A promotion as HTTP shows it.

use super::time::WireTime;
use flash_domain::geo::Location;
use flash_domain::ids::{ProductId, PromotionId, SeriesId, StoreId};
use flash_domain::money::Money;
use flash_domain::promotion::{PromotionRecord, Status};
use flash_domain::segment::Segments;
use serde::Serialize;

/// Money in the API's description.
#[derive(utoipa::ToSchema)]
#[schema(as = Money)]
pub struct MoneySchema {
    /// Integer minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
}

/// A place in the API's description.
#[derive(utoipa::ToSchema)]
#[schema(as = Location)]
pub struct LocationSchema {
    /// Degrees, −90 to 90.
    pub lat: f64,
    /// Degrees, −180 to 180.
    pub lng: f64,
}

/// A promotion.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Promotion)]
pub struct PromotionJson<'a> {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: PromotionId,
    /// Its store.
    #[schema(value_type = uuid::Uuid)]
    pub store_id: StoreId,
    /// The store's name at launch.
    pub store_name: &'a str,
    /// The store's place at launch.
    #[schema(value_type = LocationSchema)]
    pub location: Location,
    /// What it sells.
    #[schema(value_type = uuid::Uuid)]
    pub product_id: ProductId,
    /// The product's name at launch.
    pub product_name: &'a str,
    /// The product's picture at launch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_url: Option<&'a str>,
    /// The series it is an occurrence of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    pub series_id: Option<SeriesId>,
    /// `draft`, `scheduled`, `live`, `paused`, `ended` or `cancelled`.
    #[schema(value_type = String)]
    pub status: Status,
    /// Price of a unit.
    #[schema(value_type = MoneySchema)]
    pub price: Money,
    /// The product's price at launch.
    #[schema(value_type = MoneySchema)]
    pub original_price: Money,
    /// remaining + held + sold.
    pub stock: u32,
    /// Units that can be claimed.
    pub remaining: u32,
    /// Units held.
    pub held: u32,
    /// Units confirmed or redeemed.
    pub sold: u32,
    /// Units one shopper may have; `null` = no limit.
    pub per_shopper_limit: Option<u32>,
    /// First moment of claims.
    #[schema(value_type = String)]
    pub starts_at: WireTime,
    /// First moment without claims.
    #[schema(value_type = String)]
    pub ends_at: WireTime,
    /// Metres within which it is shown.
    pub reach_m: u32,
    /// Metres within which it can be claimed; `null` = anywhere.
    pub claim_within_m: Option<u32>,
    /// Seconds a claim stays held.
    pub hold_seconds: u32,
    /// Who may claim; empty = everybody.
    #[schema(value_type = Vec<String>)]
    pub segments: Segments,
    /// A word to filter by.
    pub category: Option<&'a str>,
    /// The version.
    pub v: u64,
    /// When it was made.
    #[schema(value_type = String)]
    pub created_at: WireTime,
    /// Metres from the point that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance_m: Option<u32>,
}

impl<'a> From<&'a PromotionRecord> for PromotionJson<'a> {
    fn from(record: &'a PromotionRecord) -> Self {
        let (terms, counters) = (&record.terms, &record.counters);
        Self {
            id: record.id,
            store_id: record.store.id,
            store_name: &record.store.name,
            location: record.store.location,
            product_id: record.product.id,
            product_name: &record.product.name,
            image_url: record.product.image_url.as_deref(),
            series_id: record.series_id,
            status: counters.status,
            price: terms.price,
            original_price: terms.original_price,
            stock: terms.stock,
            remaining: record.remaining(),
            held: counters.held,
            sold: counters.sold,
            per_shopper_limit: terms.per_shopper_limit,
            starts_at: WireTime(terms.starts_at),
            ends_at: WireTime(terms.ends_at),
            reach_m: terms.reach_m,
            claim_within_m: terms.claim_within_m,
            hold_seconds: terms.hold_seconds,
            segments: terms.segments,
            category: terms.category.as_deref(),
            v: counters.v,
            created_at: WireTime(record.created_at),
            distance_m: None,
        }
    }
}
