//! Segments of shoppers: computed from confirmed claims, never set by anybody.

use serde::{Deserialize, Serialize};

/// What a shopper's history says about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Segment {
    /// No confirmed claim yet.
    New,
    /// At least one confirmed claim, fewer than five in the last 90 days.
    Regular,
    /// At least five confirmed claims in the last 90 days.
    Frequent,
}

/// How far back `Frequent` looks: 90 days in milliseconds.
pub const FREQUENT_WINDOW_MS: i64 = 90 * 24 * 3600 * 1000;
/// How many confirmed claims within the window make a shopper frequent.
pub const FREQUENT_CLAIMS_MIN: u64 = 5;

impl Segment {
    /// Derives the segment from the confirmed (also since redeemed) claims: ever, and in the last 90 days.
    pub fn of(confirmed_ever: u64, confirmed_recently: u64) -> Self {
        if confirmed_recently >= FREQUENT_CLAIMS_MIN {
            Self::Frequent
        } else if confirmed_ever > 0 {
            Self::Regular
        } else {
            Self::New
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::New => 1,
            Self::Regular => 2,
            Self::Frequent => 4,
        }
    }
}

/// A set of segments. Empty means everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Segment>", into = "Vec<Segment>")]
pub struct Segments(u8);

impl Segments {
    /// Whether a shopper of this segment may claim.
    pub fn admits(self, segment: Segment) -> bool {
        self.0 == 0 || self.0 & segment.bit() != 0
    }

    /// Whether everybody may claim.
    pub fn is_everybody(self) -> bool {
        self.0 == 0
    }

    /// The set as a small integer, for storage: bit 0 new, bit 1 regular, bit 2 frequent.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The set from its stored form; unknown bits are dropped.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & 7)
    }
}

impl From<Vec<Segment>> for Segments {
    fn from(list: Vec<Segment>) -> Self {
        Self(list.into_iter().fold(0, |bits, segment| bits | segment.bit()))
    }
}

impl From<Segments> for Vec<Segment> {
    fn from(set: Segments) -> Self {
        [Segment::New, Segment::Regular, Segment::Frequent]
            .into_iter()
            .filter(|segment| set.0 & segment.bit() != 0)
            .collect()
    }
}
