//! The clock, the ids and the codes: everything that is not a function of its arguments, injected so that tests and
//! the simulation decide it.

use flash_domain::time::{Now, UnixMillis};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Tells the time on both clocks.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock and the monotonic clock, read together.
    fn now(&self) -> Now;
}

/// The machine's clocks. Monotonic time is Tokio's, so that it stands still where Tokio's is paused.
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// Starts counting monotonic time from here.
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        Now::new(wall, self.origin.elapsed().as_millis() as i64)
    }
}

/// A clock that many parts share.
pub type SharedClock = Arc<dyn Clock>;

/// Makes ids and codes.
pub trait Mint: Send + Sync + 'static {
    /// A new UUID version 7 at this moment.
    fn uuid(&self, at: UnixMillis) -> uuid::Uuid;
    /// A new redemption code of this moment, see [`flash_domain::code`].
    fn code(&self, at: UnixMillis) -> String;
}

/// A mint that many parts share.
pub type SharedMint = Arc<dyn Mint>;
