//! Points in time as integers: wall-clock milliseconds for what people see and what is stored,
//! monotonic milliseconds for what runs within one process. Reads no clock.

use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};

/// Milliseconds since 1970-01-01T00:00:00Z. Its text form (RFC 3339) is the edge's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

/// Milliseconds on a clock that never goes back and means nothing outside this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MonoMillis(pub i64);

/// The moment of a decision, on both clocks, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Now {
    /// Decides windows: `starts_at`, `ends_at`. May step when somebody sets the clock.
    pub wall: UnixMillis,
    /// Decides holds within a process.
    pub mono: MonoMillis,
}

impl Now {
    /// Makes a moment from raw milliseconds.
    pub fn new(wall_ms: i64, mono_ms: i64) -> Self {
        Self { wall: UnixMillis(wall_ms), mono: MonoMillis(mono_ms) }
    }
}

impl UnixMillis {
    /// Adds milliseconds, saturating.
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl Sub for UnixMillis {
    type Output = i64;

    fn sub(self, other: Self) -> i64 {
        self.0.saturating_sub(other.0)
    }
}

impl Sub for MonoMillis {
    type Output = i64;

    fn sub(self, other: Self) -> i64 {
        self.0.saturating_sub(other.0)
    }
}

impl Add<i64> for MonoMillis {
    type Output = Self;

    fn add(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}
