//! What is measured: one module per kind of work, each of which starts its servers afresh.
//!
//! A section alternates short slices of the work and of its limit in one process at one time, because the speed of a
//! shared machine drifts by more than the differences that matter; what counts is the median of the slices' ratios.

pub mod fanout;
pub mod sessions;
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
    /// One update to many sockets against a bare write loop.
    Fanout,
    /// Memory per idle session.
    Memory,
    /// Authenticated sessions per second.
    Connects,
}

impl Section {
    /// Every kind, in the order in which they are run.
    pub const ALL: [Self; 5] = [Self::Claims, Self::Refusals, Self::Fanout, Self::Memory, Self::Connects];

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
            Self::Fanout => fanout::measure(options, add),
            Self::Memory => sessions::memory(options, add),
            Self::Connects => sessions::connects(options, add),
        }
    }
}
