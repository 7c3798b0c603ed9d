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

/// Keeps what jobs did.
pub trait JobLog: Send + Sync + 'static {
    /// Adds a run.
    fn record(&self, run: JobRun) -> Answer<'_, Result<(), PortError>>;
    /// The latest runs of all jobs, newest first.
    fn recent(&self, limit: u32) -> Answer<'_, Result<Vec<JobRun>, PortError>>;
    /// Forgets runs that began before `before`; says how many.
    fn purge(&self, before: UnixMillis) -> Answer<'_, Result<u64, PortError>>;
}
