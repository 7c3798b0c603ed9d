//! Newtypes for the ids of the marketplace's things. All are UUIDs (version 7 when this system makes
//! them); a newtype each, so that a store's id can never be passed where a product's is meant.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}

ids! {
    /// Identifies a person: shopper, merchant or admin.
    UserId,
    /// Identifies a merchant's place.
    StoreId,
    /// Identifies a thing that a store sells.
    ProductId,
    /// Identifies one flash sale of one product.
    PromotionId,
    /// Identifies a daily recurring promotion.
    SeriesId,
    /// Identifies a shopper's unit or units of one promotion.
    ClaimId,
    /// Identifies a family of refresh tokens: one login on one device.
    FamilyId,
    /// Identifies a committed event; its consumers deduplicate by it.
    EventId,
}
