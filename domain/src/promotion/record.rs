//! The durable form of a promotion, and the difference that decisions make to it.

use crate::claim::Claim;
use crate::event::Event;
use crate::geo::Location;
use crate::ids::{ProductId, PromotionId, SeriesId, StoreId};
use crate::terms::Terms;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// Where a promotion is in its life. Sold out is not a state: it is `Live` with nothing remaining.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Being prepared; only the store's people see it.
    Draft,
    /// Waits for its start.
    Scheduled,
    /// Accepts claims.
    Live,
    /// Live, but accepts no claims for now.
    Paused,
    /// Its window is over.
    Ended,
    /// Called off.
    Cancelled,
}

impl Status {
    /// The name used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Scheduled => "scheduled",
            Self::Live => "live",
            Self::Paused => "paused",
            Self::Ended => "ended",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status from its stored form: 0 draft, 1 scheduled, 2 live, 3 paused, 4 ended, 5 cancelled.
    pub fn from_i16(code: i16) -> Option<Self> {
        Some(match code {
            0 => Self::Draft,
            1 => Self::Scheduled,
            2 => Self::Live,
            3 => Self::Paused,
            4 => Self::Ended,
            5 => Self::Cancelled,
            _ => return None,
        })
    }

    /// The stored form, see [`Status::from_i16`].
    pub fn as_i16(self) -> i16 {
        match self {
            Self::Draft => 0,
            Self::Scheduled => 1,
            Self::Live => 2,
            Self::Paused => 3,
            Self::Ended => 4,
            Self::Cancelled => 5,
        }
    }
}

/// What a promotion copied from its store at launch.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreCopy {
    /// The store.
    pub id: StoreId,
    /// Its name at launch.
    pub name: String,
    /// Its place at launch; distances are measured from here.
    pub location: Location,
}

/// What a promotion copied from its product at launch (the price is in the terms).
#[derive(Clone, Debug, PartialEq)]
pub struct ProductCopy {
    /// The product.
    pub id: ProductId,
    /// Its name at launch.
    pub name: String,
    /// Its picture at launch.
    pub image_url: Option<String>,
}

/// What changes with decisions. `remaining` is not stored: it is stock − held − sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Where it is in its life, as of the last decision.
    pub status: Status,
    /// Units held.
    pub held: u32,
    /// Units confirmed or redeemed.
    pub sold: u32,
    /// The version; grows with every visible change.
    pub v: u64,
    /// Owner time of the last decision; owner time never goes behind it.
    pub decided_at: UnixMillis,
    /// Whether it was called off while it was a draft: then it was never anybody's but the store's people's, and stays so.
    pub withdrawn: bool,
}

impl Default for Counters {
    fn default() -> Self {
        Self { status: Status::Draft, held: 0, sold: 0, v: 0, decided_at: UnixMillis(0), withdrawn: false }
    }
}

/// A promotion as the store keeps it, claims aside.
#[derive(Clone, Debug, PartialEq)]
pub struct PromotionRecord {
    /// Its id.
    pub id: PromotionId,
    /// The series it is an occurrence of.
    pub series_id: Option<SeriesId>,
    /// The store as copied at launch.
    pub store: StoreCopy,
    /// The product as copied at launch.
    pub product: ProductCopy,
    /// What the merchant set.
    pub terms: Terms,
    /// What decisions change.
    pub counters: Counters,
    /// When it was made.
    pub created_at: UnixMillis,
}

impl PromotionRecord {
    /// Whether only the store's people may see it: a draft, or what was one when it was called off.
    pub fn is_hidden(&self) -> bool {
        self.counters.status == Status::Draft || self.counters.withdrawn
    }

    /// Units that can be claimed.
    pub fn remaining(&self) -> u32 {
        self.terms.stock - self.counters.held - self.counters.sold
    }

    /// The record as it is at `wall`: a stored record lags behind its start and end, which need no commit to be
    /// true. The version follows as the owner would count it.
    pub fn at(&self, wall: UnixMillis) -> PromotionRecord {
        let mut record = self.clone();
        let counters = &mut record.counters;
        if counters.status == Status::Scheduled && wall >= record.terms.starts_at {
            counters.status = Status::Live;
            counters.v += 1;
        }
        if matches!(counters.status, Status::Live | Status::Paused) && wall >= record.terms.ends_at {
            counters.status = Status::Ended;
            counters.v += 1;
        }
        record
    }
}

/// What must be made durable together before anybody is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Whether anything visible changed at all (a start changes only counters).
    pub touched: bool,
    /// The counters after the change.
    pub counters: Counters,
    /// Whether the terms were edited.
    pub terms_changed: bool,
    /// The terms after the change, if edited.
    pub terms: Option<Box<Terms>>,
    /// Claims made or changed, whole, in the order of decision. A claim may occur more than once: the last counts.
    pub claims: Vec<Claim>,
    /// Events with the version that they belong to, in order.
    pub events: Vec<(u64, Event)>,
}

impl Change {
    /// Whether there is nothing to make durable.
    pub fn is_empty(&self) -> bool {
        !self.touched && !self.terms_changed && self.claims.is_empty() && self.events.is_empty()
    }
}
