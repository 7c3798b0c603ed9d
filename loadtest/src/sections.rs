//! What is measured: one module per kind of work, each of which starts its servers afresh.
//!
//! A section alternates short slices of the work and of its limit in one process at one time, because the speed of a
//! shared machine drifts by more than the differences that matter; what counts is the median of the slices' ratios.

pub mod audience;
pub mod fanout;
pub mod holds;
pub mod overload;
pub mod pace;
pub mod restart;
pub mod rpc;
pub mod sessions;
pub mod stalled;
pub mod starts;
pub mod throughput;

use std::path::PathBuf;

use crate::error::Result;
use crate::postgres::Postgres;
use crate::report::Row;

/// What a run measures and for how long.
#[derive(Debug, Clone)]
pub struct Options {
    /// The binary `flash-promos`.
    pub server: PathBuf,
    /// Seconds per slice.
    pub seconds: f64,
    /// Pairs of slices per comparison.
    pub slices: usize,
    /// Numbers of keep-alive connections.
    pub connections: Vec<usize>,
    /// Numbers of subscribed sockets of the fan-out.
    pub sockets: Vec<usize>,
    /// Number of idle sessions whose memory is measured.
    pub sessions: usize,
    /// Claims on live promotions when the server is killed; a multiple of 160.
    pub restart_claims: u32,
    /// Promotions that start within one second.
    pub starts: usize,
    /// Open holds among which some expire.
    pub holds: u32,
    /// People who are told of a sale.
    pub audience: usize,
    /// Numbers of connections over which more claims arrive than the server can take.
    pub crowd: Vec<usize>,
    /// How many shoppers claim.
    pub shoppers: usize,
}

/// The kinds of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Section {
    /// Durable claims against the no-op.
    Claims,
    /// Refusals of a sold-out promotion against the no-op.
    Refusals,
    /// Durable claims over websocket rpc against the no-op.
    Rpc,
    /// The latency of claims that arrive at a given rate.
    Pace,
    /// One update to many sockets against a bare write loop.
    Fanout,
    /// Several updates that wait together against a bare loop.
    Together,
    /// Memory per idle session.
    Memory,
    /// Authenticated sessions per second.
    Connects,
    /// Restart after `kill -9` with many claims.
    Restart,
    /// Many promotions that start within one second.
    Starts,
    /// Expired holds among many open ones.
    Holds,
    /// Five times as many claims as the server can take.
    Overload,
    /// Sessions that do not read, and how long the others wait.
    Stalled,
    /// An audience that is told of a sale.
    Audience,
}

impl Section {
    /// Every kind, in the order in which they are run.
    pub const ALL: [Self; 14] = [
        Self::Claims,
        Self::Refusals,
        Self::Rpc,
        Self::Pace,
        Self::Fanout,
        Self::Together,
        Self::Memory,
        Self::Connects,
        Self::Restart,
        Self::Starts,
        Self::Holds,
        Self::Overload,
        Self::Stalled,
        Self::Audience,
    ];

    /// Measures it; adds a row per comparison and tells about progress.
    ///
    /// # Errors
    /// The server, or anything else, does not do what a measurement needs.
    pub fn measure(
        self,
        options: &Options,
        postgres: Option<&mut Postgres>,
        add: &mut dyn FnMut(Row),
    ) -> Result<()> {
        match self {
            Self::Claims => throughput::claims(options, postgres, add),
            Self::Refusals => throughput::refusals(options, add),
            Self::Rpc => rpc::measure(options, add),
            Self::Pace => pace::measure(options, add),
            Self::Fanout => fanout::measure(options, add),
            Self::Together => fanout::together(options, add),
            Self::Memory => sessions::memory(options, add),
            Self::Connects => sessions::connects(options, add),
            Self::Restart => restart::measure(options, add),
            Self::Starts => starts::measure(options, add),
            Self::Holds => holds::measure(options, add),
            Self::Overload => overload::measure(options, add),
            Self::Stalled => stalled::measure(options, add),
            Self::Audience => audience::measure(options, add),
        }
    }
}
