//! Periodic work: check (owners where they are needed, next occurrences of series) and cleanup (what has served its
//! time). Sales start and end without it: it is the safety net.
//!
//! Each run is a turn that the store gives to one node, once per period; results are kept.

use crate::engine::Engine;
use crate::ports::PortError;
use crate::ports::accounts::Accounts;
use crate::ports::catalogue::{Catalogue, Created, SeriesRow};
use crate::ports::clock::{SharedClock, SharedMint};
use crate::ports::inbox::Inbox;
use crate::ports::jobs::{Bid, JobLog, JobRun, Turn};
use crate::ports::store::OutboxEvent;
use crate::ports::webhooks::Webhooks;
use actix::prelude::*;
use flash_domain::event::Event;
use flash_domain::ids::{EventId, PromotionId};
use flash_domain::promotion::{Counters, ProductCopy, PromotionRecord, Status, StoreCopy};
use flash_domain::series::{LocalDate, Occurrence};
use flash_domain::terms::Terms;
use flash_domain::time::UnixMillis;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Key uses are kept twice as long as promised (I14: at least 24 h).
const KEY_USES_KEPT_MS: i64 = 48 * 3600 * 1000;
/// Families that ended are kept a day, so that their reuse is still seen as such.
const FAMILIES_KEPT_MS: i64 = 24 * 3600 * 1000;
/// Results of jobs are kept two weeks.
const RUNS_KEPT_MS: i64 = 14 * 24 * 3600 * 1000;
/// Notices, inboxes and the delivery log are kept 90 days.
const NOTICES_KEPT_MS: i64 = 90 * 24 * 3600 * 1000;
/// Messages to webhooks are kept 30 days, to be looked at and sent again.
const MESSAGES_KEPT_MS: i64 = 30 * 24 * 3600 * 1000;
/// Notices forgotten in one run; each is a transaction of its own.
const NOTICES_PER_RUN: u32 = 1_000;
/// Saved places whose cells are computed in one transaction.
const CELLS_PER_STEP: u32 = 500;
/// How long a job that is not renewed stays with who runs it: after a crash somebody else may run it then.
const LEASE_MS: i64 = 60_000;
/// When a job that still runs is renewed.
const RENEW_AFTER: Duration = Duration::from_secs(20);
/// Series looked at per page.
const SERIES_PAGE: u32 = 200;

/// What jobs work with.
#[derive(Clone)]
pub struct JobParts {
    /// Owners; absent where no server runs in this process: then owners are left to the server that does.
    pub engine: Option<Engine>,
    /// Series and key uses.
    pub catalogue: Arc<dyn Catalogue>,
    /// Notices, and the cells of saved places.
    pub inbox: Arc<dyn Inbox>,
    /// Messages to webhooks.
    pub webhooks: Arc<dyn Webhooks>,
    /// How long before its end people are warned of it, in milliseconds.
    pub ending_soon_ms: i64,
    /// Families.
    pub accounts: Arc<dyn Accounts>,
    /// Results and turns.
    pub log: Arc<dyn JobLog>,
    /// Counters.
    pub counts: Arc<JobCounts>,
    /// The clocks.
    pub clock: SharedClock,
    /// Ids.
    pub mint: SharedMint,
}

/// Runs since the start, by job in the order of [`Job::ALL`].
#[derive(Debug, Default)]
pub struct JobCounts {
    /// Those that did what they should.
    pub done: [AtomicU64; Job::ALL.len()],
    /// Those that did not.
    pub failed: [AtomicU64; Job::ALL.len()],
}

impl JobCounts {
    fn ran(&self, job: Job, ok: bool) {
        let counters = if ok { &self.done } else { &self.failed };
        if let Some(counter) = counters.get(job as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Which job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Owners where they are needed, next occurrences of series.
    Check,
    /// Forgets what has served its time.
    Cleanup,
    /// Warns of ends, and computes missing cells of saved places.
    Notifications,
}

impl Job {
    /// Every job.
    pub const ALL: [Self; 3] = [Self::Check, Self::Cleanup, Self::Notifications];

    /// The job of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|job| job.name() == name)
    }

    /// The name in results and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Cleanup => "cleanup",
            Self::Notifications => "notifications",
        }
    }
}

/// Runs one job with its period: over all nodes once, never beside itself. After a downtime of many periods it runs once.
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
        // Not through an address: an actor that nobody has the address of stops as soon as it has nothing to wait for.
        context.notify(Run);
    }
}

impl Handler<Run> for Jobs {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Run, _: &mut Self::Context) -> Self::Result {
        let work = turn(self.parts.clone(), self.job, self.period);
        Box::pin(work.into_actor(self).map(|wait, actor, context| {
            let wait = wait + jitter(&actor.parts, actor.period);
            context.notify_later(Run, wait);
        }))
    }
}

/// Up to a twentieth of the period, so that nodes that started together don't bid together.
fn jitter(parts: &JobParts, period: Duration) -> Duration {
    let shake = (parts.mint.uuid(UnixMillis(0)).as_u128() & 0xffff) as u32;
    period / 20 * shake / 0xffff
}

/// Runs the job if it is due and nobody runs it; gives how long to wait before the next bid.
async fn turn(parts: JobParts, job: Job, period: Duration) -> Duration {
    let period_ms = i64::try_from(period.as_millis()).unwrap_or(i64::MAX);
    match run(&parts, job, period_ms).await {
        Ok(Turn::Yours) => period,
        Ok(Turn::NotBefore(at)) => {
            let wait_ms = (at - parts.clock.now().wall).clamp(1, period_ms.max(1));
            Duration::from_millis(wait_ms as u64)
        }
        Err(error) => {
            tracing::warn!(job = job.name(), %error, "a job could not be begun");
            period
        }
    }
}

/// Runs a job once, if at least `period_ms` have passed since it last began and nobody runs it, and records how it went.
///
/// # Errors
/// The store's, when nobody can say whose turn it is. How the job itself went is in the log.
pub async fn run(parts: &JobParts, job: Job, period_ms: i64) -> Result<Turn, PortError> {
    let started_at = parts.clock.now().wall;
    let id = parts.mint.uuid(started_at);
    let name = job.name().to_owned();
    let held_until = started_at.plus_ms(LEASE_MS);
    let bid = Bid { name: name.clone(), holder: id, now: started_at, period_ms, held_until };
    let turn = parts.log.begin(bid).await?;
    if turn != Turn::Yours {
        return Ok(turn);
    }
    let mut work = std::pin::pin!(work(parts, job));
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            () = tokio::time::sleep(RENEW_AFTER) => {
                let until = parts.clock.now().wall.plus_ms(LEASE_MS);
                if let Err(error) = parts.log.renew(name.clone(), id, until).await {
                    tracing::warn!(job = name, %error, "a job's lease could not be renewed");
                }
            }
        }
    };
    let finished_at = parts.clock.now().wall;
    let (ok, detail) = match result {
        Ok(detail) => (true, detail),
        Err(error) => (false, error.to_string()),
    };
    if ok {
        tracing::debug!(job = name, detail, "job done");
    } else {
        tracing::warn!(job = name, detail, "job failed");
    }
    parts.counts.ran(job, ok);
    let run = JobRun { id, name: name.clone(), started_at, finished_at, ok, detail };
    if let Err(error) = parts.log.record(run).await {
        tracing::warn!(job = name, %error, "a job's result could not be kept");
    }
    parts.log.end(name, id).await?;
    Ok(Turn::Yours)
}

async fn work(parts: &JobParts, job: Job) -> Result<String, PortError> {
    match job {
        Job::Check => check(parts).await,
        Job::Cleanup => cleanup(parts).await,
        Job::Notifications => notifications(parts).await,
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
    let woken = match &parts.engine {
        Some(engine) => engine.wake().await?,
        None => 0,
    };
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
    if created == Created::Fresh
        && let Some(engine) = &parts.engine
    {
        engine.activate(id, occurrence.starts_at).await;
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
    let notices = parts.inbox.purge_notices(now.plus_ms(-NOTICES_KEPT_MS), NOTICES_PER_RUN).await?;
    let messages = parts.webhooks.purge_messages(now.plus_ms(-MESSAGES_KEPT_MS)).await?;
    Ok(format!(
        "{keys} key uses, {families} refresh families, {notices} notices, {messages} webhook messages and {runs} job \
         results were forgotten"
    ))
}

async fn notifications(parts: &JobParts) -> Result<String, PortError> {
    let now = parts.clock.now().wall;
    let warned = parts.inbox.warn_of_ends(now, now.plus_ms(parts.ending_soon_ms)).await?;
    let mut placed = 0;
    loop {
        let some = parts.inbox.backfill_cells(CELLS_PER_STEP).await?;
        placed += some;
        if some < u64::from(CELLS_PER_STEP) {
            return Ok(format!("{warned} ends are warned of, {placed} saved places got their cells"));
        }
    }
}
