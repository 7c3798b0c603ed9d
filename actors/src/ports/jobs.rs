//! The record of periodic work: what ran when, and how it went.

use super::{Answer, PortError};
use flash_domain::time::UnixMillis;

/// One run of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRun {
    /// Its id, UUID version 7.
    pub id: uuid::Uuid,
    /// Which job: `check`, `cleanup`, …
    pub name: String,
    /// When it began.
    pub started_at: UnixMillis,
    /// When it was over.
    pub finished_at: UnixMillis,
    /// Whether it did what it should.
    pub ok: bool,
    /// What it did, or why not, as a sentence.
    pub detail: String,
}

/// Somebody who wants to run a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bid {
    /// Which job.
    pub name: String,
    /// Who: one per process and run.
    pub holder: uuid::Uuid,
    /// When.
    pub now: UnixMillis,
    /// At least this many milliseconds after the last run began, whoever ran it; 0 = as soon as nobody runs it.
    pub period_ms: i64,
    /// Until when it is the holder's, unless it is renewed.
    pub held_until: UnixMillis,
}

/// What became of a bid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The job is the holder's.
    Yours,
    /// It is not due, or somebody runs it: not before then.
    NotBefore(UnixMillis),
}

/// Keeps what jobs did, and sees to it that over all nodes a job runs once per period and never beside itself.
pub trait JobLog: Send + Sync + 'static {
    /// Bids for a job. Atomic: of many who bid at once one gets it.
    fn begin(&self, bid: Bid) -> Answer<'_, Result<Turn, PortError>>;
    /// Keeps a job until then; says whether it was still the holder's.
    fn renew(
        &self,
        name: String,
        holder: uuid::Uuid,
        until: UnixMillis,
    ) -> Answer<'_, Result<bool, PortError>>;
    /// Gives a job back.
    fn end(&self, name: String, holder: uuid::Uuid) -> Answer<'_, Result<(), PortError>>;
    /// Adds a run.
    fn record(&self, run: JobRun) -> Answer<'_, Result<(), PortError>>;
    /// The latest runs of all jobs, newest first.
    fn recent(&self, limit: u32) -> Answer<'_, Result<Vec<JobRun>, PortError>>;
    /// Forgets runs that began before `before`; says how many.
    fn purge(&self, before: UnixMillis) -> Answer<'_, Result<u64, PortError>>;
}
