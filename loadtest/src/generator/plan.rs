//! What a generator is told, and what it hands back; both also travel between processes as JSON.
//!
//! It knows no sockets.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::history::{History, Location, Micros, Sale};
use crate::scenario::{Follow, Phase, SaleGroup, Scene};

/// How far apart the clocks of server and generator may be on one machine: both read the same one, but each goes on from
/// where it started, and the system may adjust it meanwhile.
pub const CLOCK_ERROR_US: Micros = 20_000;

/// A store with its product.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StorePlace {
    /// The store's id.
    pub store: Uuid,
    /// The product's id.
    pub product: Uuid,
    /// Where it stands.
    pub location: Location,
}

/// Everything that one generator does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// The server.
    pub server: SocketAddr,
    /// Which of the run's generators this is, from 0.
    pub worker: u32,
    /// Starts keys, so that no two runs share one.
    pub run: String,
    /// Makes the run repeatable.
    pub seed: u64,
    /// When the first phase begins; one that has passed means at once.
    pub origin_us: Micros,
    /// The scene; of it, only what concerns sessions and connections.
    pub scene: Scene,
    /// The phases, steps taken apart, with this generator's share of the rates.
    pub phases: Vec<Phase>,
    /// What shoppers do with held claims.
    pub follow: Follow,
    /// How sales of each group are launched.
    pub groups: Vec<SaleGroup>,
    /// The sales that are there.
    pub sales: Vec<Sale>,
    /// The stores.
    pub stores: Vec<StorePlace>,
    /// The merchant's access token.
    pub merchant_token: String,
    /// The number of this generator's first shopper.
    pub first_shopper: u32,
    /// The shoppers' access tokens; the first ones have sessions.
    pub shoppers: Vec<String>,
    /// How many sessions.
    pub sessions: u32,
    /// How long an answer may take, and a request wait for a connection.
    pub timeout_us: Micros,
}

/// How the generator itself did.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Effort {
    /// How late operations were begun, in microseconds: 99 in 100 no later than this.
    pub lateness_p99_us: u64,
    /// The latest.
    pub lateness_max_us: u64,
    /// Which share of a core it used; 0 = not known.
    pub cpu_share: f64,
    /// How many requests waited for a connection.
    pub waited: u64,
    /// Why sockets were lost, and how often.
    pub lost: Vec<(String, u64)>,
}

/// What a generator hands back.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Recording {
    /// What it did and was told.
    pub history: History,
    /// How it did itself.
    pub effort: Effort,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// Sockets are being opened.
    #[default]
    Opening,
    /// Phases run.
    Running,
    /// What is in flight is awaited, and what is unknown asked again.
    Draining,
    /// Nothing is in flight; sessions go on listening.
    Drained,
}

/// How a run stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Tick {
    /// Which generator.
    pub worker: u32,
    /// How far it is.
    pub stage: Stage,
    /// Milliseconds since the first phase began.
    pub elapsed_ms: i64,
    /// The phase's name.
    pub phase: String,
    /// Operations begun.
    pub begun: u64,
    /// Done.
    pub ok: u64,
    /// Refused.
    pub refused: u64,
    /// Unknown.
    pub unknown: u64,
    /// Not sent in time.
    pub not_sent: u64,
    /// Sessions that are subscribed.
    pub sessions: u64,
    /// Publications received.
    pub publications: u64,
    /// Median and 99th percentile of what was answered since the last one, in microseconds.
    pub recent_us: (u64, u64),
}

/// What the owner of a run tells its generators.
#[derive(Debug, Default)]
pub struct Signals {
    /// Stop listening and hand back the recording.
    pub finish: AtomicBool,
}

/// Returns this thread's time on a processor, in nanoseconds; 0 where the system does not say.
#[must_use]
pub fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0)
}
