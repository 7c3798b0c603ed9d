//! The terms of a promotion: what a merchant sets and may edit. Checks bounds and names the field that
//! breaks one; knows nothing of states or claims.

use crate::limits::*;
use crate::money::Money;
use crate::segment::Segments;
use crate::time::UnixMillis;

/// What is on sale, for how much, to whom, when and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// Price of a unit while the promotion is live.
    pub price: Money,
    /// The product's price at launch, for comparison.
    pub original_price: Money,
    /// Units on offer in all: remaining + held + sold. 1 to 1,000,000.
    pub stock: u32,
    /// Units one shopper may hold or have bought, 1 to 1,000; `None` = no limit.
    pub per_shopper_limit: Option<u32>,
    /// First moment at which claims are accepted.
    pub starts_at: UnixMillis,
    /// First moment at which claims are not accepted any more.
    pub ends_at: UnixMillis,
    /// Metres from the store within which shoppers are shown the deal, 50 to 50,000.
    pub reach_m: u32,
    /// Metres from the store within which a shopper must be to claim; `None` = anywhere.
    pub claim_within_m: Option<u32>,
    /// Seconds a claim stays held, 0 (confirmed at once) to 3,600.
    pub hold_seconds: u32,
    /// Who may claim; empty = everybody.
    pub segments: Segments,
    /// A free word to filter by.
    pub category: Option<String>,
}

/// A bound that a value breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer of the field, as in `/price/amount`.
    pub field: &'static str,
    /// Stable code: `out_of_range`, `too_short`, `too_long`, `currency_mismatch`.
    pub code: &'static str,
    /// The smallest allowed value, where there is one.
    pub min: Option<i64>,
    /// The largest allowed value, where there is one.
    pub max: Option<i64>,
}

impl Violation {
    /// A value that lies outside of `min..=max`.
    pub fn range(field: &'static str, min: i64, max: i64) -> Self {
        Self { field, code: "out_of_range", min: Some(min), max: Some(max) }
    }
}

impl Terms {
    /// Lists every bound that these terms break; empty when they are fine. Looks at the terms alone: whether an
    /// edit fits what is already held and sold is the promotion's decision.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut check = |ok: bool, field, min: i64, max: i64| {
            if !ok {
                found.push(Violation::range(field, min, max));
            }
        };
        check((1..=PRICE_AMOUNT_MAX).contains(&self.price.amount), "/price/amount", 1, PRICE_AMOUNT_MAX);
        check((1..=STOCK_MAX).contains(&self.stock), "/stock", 1, STOCK_MAX.into());
        if let Some(limit) = self.per_shopper_limit {
            let max = PER_SHOPPER_LIMIT_MAX;
            check((1..=max).contains(&limit), "/per_shopper_limit", 1, max.into());
        }
        let (min, max) = (REACH_M_MIN, REACH_M_MAX);
        check((min..=max).contains(&self.reach_m), "/reach_m", min.into(), max.into());
        if let Some(radius_m) = self.claim_within_m {
            let (min, max) = (CLAIM_WITHIN_M_MIN, CLAIM_WITHIN_M_MAX);
            check((min..=max).contains(&radius_m), "/claim_within_m", min.into(), max.into());
        }
        check(self.hold_seconds <= HOLD_SECONDS_MAX, "/hold_seconds", 0, HOLD_SECONDS_MAX.into());
        let window_ms = self.ends_at - self.starts_at;
        if window_ms < WINDOW_MS_MIN {
            found.push(Violation {
                field: "/ends_at",
                code: "too_short",
                min: Some(WINDOW_MS_MIN),
                max: None,
            });
        } else if window_ms > WINDOW_MS_MAX {
            found.push(Violation {
                field: "/ends_at",
                code: "too_long",
                min: None,
                max: Some(WINDOW_MS_MAX),
            });
        }
        if self.price.currency != self.original_price.currency {
            found.push(Violation {
                field: "/price/currency",
                code: "currency_mismatch",
                min: None,
                max: None,
            });
        }
        found
    }
}
