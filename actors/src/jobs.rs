//! Periodic work: check (owners where they are needed, next occurrences of series) and cleanup (what has served its
//! time). Sales start and end without it: it is the safety net.
//!
//! A job never overlaps itself: the next run is armed when the last is over. Results are kept.

use crate::engine::Engine;
use crate::ports::PortError;
use crate::ports::accounts::Accounts;
use crate::ports::catalogue::{Catalogue, Created, SeriesRow};
use crate::ports::clock::{SharedClock, SharedMint};
use crate::ports::jobs::{JobLog, JobRun};
use crate::ports::store::OutboxEvent;
use actix::prelude::*;
use flash_domain::event::Event;
use flash_domain::ids::{EventId, PromotionId};
use flash_domain::promotion::{Counters, ProductCopy, PromotionRecord, Status, StoreCopy};
use flash_domain::series::{LocalDate, Occurrence};
use flash_domain::terms::Terms;
use flash_domain::time::UnixMillis;
use std::sync::Arc;
use std::time::Duration;

/// Key uses are kept twice as long as promised (I14: at least 24 h).
const KEY_USES_KEPT_MS: i64 = 48 * 3600 * 1000;
/// Families that ended are kept a day, so that their reuse is still seen as such.
const FAMILIES_KEPT_MS: i64 = 24 * 3600 * 1000;
/// Results of jobs are kept two weeks.
const RUNS_KEPT_MS: i64 = 14 * 24 * 3600 * 1000;
/// Series looked at per page.
const SERIES_PAGE: u32 = 200;

/// What jobs work with.
#[derive(Clone)]
pub struct JobParts {
    /// Owners.
    pub engine: Engine,
    /// Series and key uses.
    pub catalogue: Arc<dyn Catalogue>,
    /// Families.
    pub accounts: Arc<dyn Accounts>,
    /// Results.
    pub log: Arc<dyn JobLog>,
    /// The clocks.
    pub clock: SharedClock,
    /// Ids.
    pub mint: SharedMint,
}

/// Which job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Owners where they are needed, next occurrences of series.
    Check,
    /// Forgets what has served its time.
    Cleanup,
}

impl Job {
    /// The name in results and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Cleanup => "cleanup",
        }
    }
}

/// Runs one job with its period. The first run is at once.
pub struct Jobs {
    parts: JobParts,
    job: Job,
    period: Duration,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Run;

impl Jobs {
    /// Makes the actor of a job.
    pub fn new(parts: JobParts, job: Job, period: Duration) -> Self {
        Self { parts, job, period }
    }
}

impl Actor for Jobs {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.address().try_send(Run).unwrap_or_default();
    }
}

impl Handler<Run> for Jobs {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Run, _: &mut Self::Context) -> Self::Result {
        let work = run(self.parts.clone(), self.job);
        Box::pin(work.into_actor(self).map(|(), actor, context| {
            context.run_later(actor.period, |_, context| context.address().try_send(Run).unwrap_or_default());
        }))
    }
}

/// Runs a job once and records how it went.
pub async fn run(parts: JobParts, job: Job) {
    let started_at = parts.clock.now().wall;
    let result = match job {
        Job::Check => check(&parts).await,
        Job::Cleanup => cleanup(&parts).await,
    };
    let finished_at = parts.clock.now().wall;
    let (ok, detail) = match result {
        Ok(detail) => (true, detail),
        Err(error) => (false, error.to_string()),
    };
    if ok {
        tracing::debug!(job = job.name(), detail, "job done");
    } else {
        tracing::warn!(job = job.name(), detail, "job failed");
    }
    let id = parts.mint.uuid(started_at);
    let run = JobRun { id, name: job.name().to_owned(), started_at, finished_at, ok, detail };
    if let Err(error) = parts.log.record(run).await {
        tracing::warn!(job = job.name(), %error, "a job's result could not be kept");
    }
}

async fn check(parts: &JobParts) -> Result<String, PortError> {
    let mut made = 0;
    let mut after = None;
    loop {
        let page = parts.catalogue.running_series(after, SERIES_PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for series in page {
            made += u64::from(next_occurrence(parts, series).await?);
        }
    }
    let woken = parts.engine.wake().await?;
    Ok(format!("{woken} promotions got an owner, {made} occurrences of series were made"))
}

/// Makes a series' next occurrence once the last one has started: one per local date, a window missed whole is
/// skipped, one missed in part starts late.
async fn next_occurrence(parts: &JobParts, series: SeriesRow) -> Result<bool, PortError> {
    let now = parts.clock.now().wall;
    let last: Option<LocalDate> = series.last_date.as_deref().and_then(|date| date.parse().ok());
    if let Some((starts_at, _)) = last.and_then(|date| series.window.occurrence_on(date))
        && starts_at > now
    {
        return Ok(false);
    }
    let Some(occurrence) = series.window.next_occurrence(now, last) else { return Ok(false) };
    let Some(store) = parts.catalogue.store(series.store_id).await? else { return Ok(false) };
    let Some(product) = parts.catalogue.product(series.product_id).await? else { return Ok(false) };
    if !product.available {
        return Ok(false);
    }
    let id = PromotionId(parts.mint.uuid(now));
    let record = PromotionRecord {
        id,
        series_id: Some(series.id),
        store: StoreCopy { id: store.id, name: store.name, location: store.location },
        product: ProductCopy { id: product.id, name: product.name, image_url: product.image_url },
        terms: occurrence_terms(&series.terms, &occurrence),
        counters: Counters { status: Status::Scheduled, v: 1, decided_at: now, ..Counters::default() },
        created_at: now,
    };
    let events = vec![OutboxEvent {
        id: EventId(parts.mint.uuid(now)),
        promotion_id: id,
        v: 1,
        event: Event::Launched,
        created_at: now,
    }];
    let date = occurrence.local_date.to_string();
    let created = parts.catalogue.create_promotion(record, Some(date), events, None).await?;
    if created == Created::Fresh {
        parts.engine.activate(id, occurrence.starts_at).await;
    }
    Ok(created == Created::Fresh)
}

/// The terms of a series' occurrence: its own, with the occurrence's window.
pub fn occurrence_terms(terms: &Terms, occurrence: &Occurrence) -> Terms {
    Terms { starts_at: occurrence.starts_at, ends_at: occurrence.ends_at, ..terms.clone() }
}

async fn cleanup(parts: &JobParts) -> Result<String, PortError> {
    let now: UnixMillis = parts.clock.now().wall;
    let keys = parts.catalogue.purge_keys(now.plus_ms(-KEY_USES_KEPT_MS)).await?;
    let families = parts.accounts.purge_families(now.plus_ms(-FAMILIES_KEPT_MS)).await?;
    let runs = parts.log.purge(now.plus_ms(-RUNS_KEPT_MS)).await?;
    Ok(format!("{keys} key uses, {families} refresh families and {runs} job results were forgotten"))
}
