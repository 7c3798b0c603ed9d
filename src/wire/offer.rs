//! An offer as the live protocol shows it: the same bytes for every session, nothing personal, no distance. A member that
//! is absent is left out, never null.

use super::time::WireTime;
use flash_domain::geo::Location;
use flash_domain::ids::{ProductId, PromotionId, StoreId};
use flash_domain::money::Money;
use flash_domain::promotion::{PromotionRecord, Status};
use flash_domain::segment::Segments;
use serde::Serialize;

/// An offer's store.
#[derive(Debug, Serialize)]
pub struct OfferStore<'a> {
    id: StoreId,
    name: &'a str,
    location: Location,
}

/// An offer's product.
#[derive(Debug, Serialize)]
pub struct OfferProduct<'a> {
    id: ProductId,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_url: Option<&'a str>,
}

/// An offer (DESIGN 6.3).
#[derive(Debug, Serialize)]
pub struct OfferJson<'a> {
    id: PromotionId,
    v: u64,
    store: OfferStore<'a>,
    product: OfferProduct<'a>,
    price: Money,
    original_price: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    segments: Segments,
    stock: u32,
    remaining: u32,
    held: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_shopper_limit: Option<u32>,
    starts_at: WireTime,
    ends_at: WireTime,
    reach_m: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim_within_m: Option<u32>,
    hold_seconds: u32,
    status: Status,
}

impl<'a> From<&'a PromotionRecord> for OfferJson<'a> {
    fn from(record: &'a PromotionRecord) -> Self {
        let (terms, counters) = (&record.terms, &record.counters);
        Self {
            id: record.id,
            v: counters.v,
            store: OfferStore {
                id: record.store.id,
                name: &record.store.name,
                location: record.store.location,
            },
            product: OfferProduct {
                id: record.product.id,
                name: &record.product.name,
                image_url: record.product.image_url.as_deref(),
            },
            price: terms.price,
            original_price: terms.original_price,
            category: terms.category.as_deref(),
            segments: terms.segments,
            stock: terms.stock,
            remaining: record.remaining(),
            held: counters.held,
            per_shopper_limit: terms.per_shopper_limit,
            starts_at: WireTime(terms.starts_at),
            ends_at: WireTime(terms.ends_at),
            reach_m: terms.reach_m,
            claim_within_m: terms.claim_within_m,
            hold_seconds: terms.hold_seconds,
            status: counters.status,
        }
    }
}
