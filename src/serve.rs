//! The composition root of a running server: adapters meet ports here, threads and actors start here, and everything
//! ends here in order.

use crate::adapters::aws;
use crate::adapters::lock::{DatabaseLock, LockError};
use crate::adapters::migrations::State;
use crate::adapters::sns::{SnsNotifier, SnsPusher};
use crate::adapters::sqs::Queue;
use crate::adapters::webhook::{WebhookCaller, is_allowed};
use crate::adapters::{DatabaseUrl, OpenError, Stores, redis};
use crate::auth::Auth;
use crate::auth::password::Passwords;
use crate::config::{AwsSettings, Settings};
use crate::edge;
use crate::http::HttpState;
use crate::http::rates::Rates;
use crate::limits;
use crate::live::encode::Json;
use crate::live::{self, LiveEdge, LiveSettings, LiveState};
use crate::metrics::{ByWorker, Distribution, Metrics, Unit};
use crate::mint::SystemMint;
use actix::Actor;
use actix_rt::Arbiter;
use base64::Engine as _;
use flash_actors::audience::Caps;
use flash_actors::engine::{Engine, EngineParts};
use flash_actors::feed::Feed;
use flash_actors::hub::{Hubs, WorkerLoad};
use flash_actors::jobs::{Job, JobCounts, JobParts, Jobs};
use flash_actors::notices::{Intake, NoticeCounts, NoticeParts, teller};
use flash_actors::outbox::{OutboxRelay, OutboxWaits};
use flash_actors::ports::clock::{Clock, SharedClock, SharedMint, SystemClock};
use flash_actors::ports::notifier::Notifier;
use flash_actors::pushes::{PushParts, sender};
use flash_actors::webhooks::{self, WebhookParts};
use rand::Rng;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long a start waits for another process to let go of the embedded database.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// How long a start waits for the workers' hubs.
const HUBS_PATIENCE: Duration = Duration::from_secs(10);
/// How long a shutdown waits for requests in flight, in seconds.
const REQUESTS_PATIENCE_S: u64 = 3;
/// How long a shutdown waits for commits.
const COMMITS_PATIENCE: Duration = Duration::from_secs(3);
/// Over how long sessions are told to reconnect.
const DRAIN_SPREAD: Duration = Duration::from_secs(2);

/// Why the server does not start, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The database.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Another process serves it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The schema is older than this program.
    #[error(
        "the database's schema is old ({missing} migrations are missing): run `flash-promos migrate` first"
    )]
    OldSchema {
        /// How many.
        missing: usize,
    },
    /// The schema is newer than this program.
    #[error("the database's schema is newer than this program: use the newer program")]
    NewerSchema,
    /// The address can't be bound.
    #[error("FLASH_BIND {0}: {1}")]
    Bind(SocketAddr, std::io::Error),
    /// The secret beside the database.
    #[error("{0}: {1}")]
    Secret(String, std::io::Error),
    /// `REDIS_URL`.
    #[error("REDIS_URL: {0}")]
    Redis(String),
    /// A thread, the metrics or the server itself.
    #[error("{0}")]
    Start(String),
}

/// Opens the store, and sees to its schema: the embedded one is migrated, PostgreSQL has to be current.
///
/// # Errors
/// See [`ServeError`].
pub async fn open(settings: &Settings) -> Result<Stores, ServeError> {
    let stores = Stores::open(&settings.database).await?;
    match (stores.schema().await?, &settings.database) {
        (State::Current, _) => {}
        (State::Newer, _) => return Err(ServeError::NewerSchema),
        (State::Empty | State::Old { .. }, DatabaseUrl::Sqlite(_)) => stores.migrate().await?,
        (State::Empty, DatabaseUrl::Postgres(_)) => return Err(ServeError::OldSchema { missing: 1 }),
        (State::Old { missing }, DatabaseUrl::Postgres(_)) => return Err(ServeError::OldSchema { missing }),
    }
    Ok(stores)
}

/// The secret that signs tokens: the setting, or the one kept beside the embedded database, made at the first start.
fn secret(settings: &Settings) -> Result<Vec<u8>, ServeError> {
    if let Some(secret) = &settings.jwt_secret {
        return Ok(secret.clone());
    }
    let mut random = [0; 48];
    rand::rng().fill_bytes(&mut random);
    let fresh = base64::engine::general_purpose::STANDARD.encode(random).into_bytes();
    let Some(path) = settings.secret_path() else {
        tracing::warn!("FLASH_JWT_SECRET is not set: sign-ins end when this process does");
        return Ok(fresh);
    };
    let failed = |error| ServeError::Secret(path.display().to_string(), error);
    match std::fs::read(&path) {
        Ok(kept) if kept.len() >= 32 => return Ok(kept),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path).map_err(failed)?;
    file.write_all(&fresh).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(fresh)
}

/// Everything that runs, to be ended in order.
struct Running {
    state: Arc<HttpState>,
    hubs: Arc<Hubs>,
    live: LiveEdge,
    stores: Stores,
    notices: Arc<NoticeCounts>,
    job_counts: Arc<JobCounts>,
    outbox_waits: Arc<OutboxWaits>,
    arbiters: Vec<Arbiter>,
    _lock: Option<DatabaseLock>,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve(settings: Settings) -> Result<(), ServeError> {
    raise_file_limit();
    let mut signals = Signals::catch()?;
    let lock = match &settings.database {
        DatabaseUrl::Sqlite(path) => Some(DatabaseLock::acquire(path, LOCK_PATIENCE)?),
        DatabaseUrl::Postgres(_) => None,
    };
    if let Some(url) = &settings.redis_url {
        redis::check(url).await.map_err(ServeError::Redis)?;
        tracing::warn!("REDIS_URL answers, but several nodes are not supported yet: it is not used");
    }
    let listener =
        TcpListener::bind(settings.bind).map_err(|error| ServeError::Bind(settings.bind, error))?;
    let widened = socket2::SockRef::from(&listener).listen(limits::BACKLOG);
    widened.map_err(|error| ServeError::Bind(settings.bind, error))?;
    let address = listener.local_addr().map_err(|error| ServeError::Bind(settings.bind, error))?;
    let stores = open(&settings).await?;
    let running = start(&settings, stores, lock)?;
    let auth = running.state.auth.clone();
    let now = running.state.engine.now().wall;
    let since = now.plus_ms(-1000 * i64::from(settings.access_token_seconds));
    let revoked = running.stores.accounts.revoked_since(since).await;
    auth.know_revoked(revoked.map_err(|error| ServeError::Start(error.to_string()))?, now);

    let server = edge::listen(&settings, listener, running.state.clone(), running.live.clone())
        .map_err(|error| ServeError::Start(error.to_string()))?;
    let handle = server.handle();
    let server = actix_rt::spawn(server);
    println!("listening on http://{address}");
    tracing::info!(%address, workers = settings.workers, database = database_name(&settings), "serving");
    if !live::wait_for_hubs(&running.hubs, settings.workers, HUBS_PATIENCE).await {
        tracing::warn!("not every worker's hub has joined yet");
    }
    if let Err(error) = running.state.engine.wake().await {
        tracing::error!(%error, "promotions could not be woken; the check job tries again");
    }
    if matches!(settings.database, DatabaseUrl::Sqlite(_))
        && let Err(error) = running.stores.inbox.forget_leases().await
    {
        tracing::warn!(%error, "notices of the process before wait for their leases to end");
    }
    start_jobs(&settings, &running).await?;
    signals.any().await;

    tracing::info!("draining");
    running.state.draining.store(true, Ordering::Release);
    live::drain(&running.hubs, DRAIN_SPREAD).await;
    let stopped = tokio::time::timeout(Duration::from_secs(REQUESTS_PATIENCE_S + 1), handle.stop(true)).await;
    if tokio::time::timeout(COMMITS_PATIENCE, running.state.engine.close()).await.is_err() {
        tracing::error!("commits did not finish in time");
    }
    let _closed = tokio::time::timeout(Duration::from_secs(1), running.stores.close()).await;
    for arbiter in &running.arbiters {
        arbiter.stop();
    }
    if stopped.is_err() {
        tracing::warn!("requests did not finish in time");
        server.abort();
    }
    tracing::info!("bye");
    Ok(())
}

fn start(settings: &Settings, stores: Stores, lock: Option<DatabaseLock>) -> Result<Running, ServeError> {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let mint: SharedMint = Arc::new(SystemMint);
    let (promotions, persistence) = (Arbiter::new(), Arbiter::new());
    let secret = secret(settings)?;
    let previous = settings.jwt_previous_secret.as_deref();
    let auth = Arc::new(Auth::new(&secret, previous, settings.access_token_seconds));
    let hubs = Hubs::new(Arc::new(Json), settings.sessions_max);
    let feed: Arc<dyn Feed> = hubs.clone();
    let engine = Engine::start(EngineParts {
        store: stores.store.clone(),
        accounts: stores.accounts.clone(),
        feed: feed.clone(),
        clock,
        mint,
        promotions: promotions.handle(),
        persistence: persistence.handle(),
        timers: true,
    });
    let metrics = Arc::new(Metrics::new().map_err(|error| ServeError::Start(error.to_string()))?);
    measure(&metrics, &engine, &hubs);
    let notices = Arc::new(NoticeCounts::default());
    count_notices(&metrics, notices.clone());
    let job_counts = Arc::new(JobCounts::default());
    count_jobs(&metrics, job_counts.clone());
    let outbox_waits = Arc::new(OutboxWaits::default());
    metrics.watch_outbox(outbox_waits.clone());
    let state = Arc::new(HttpState {
        engine,
        store: stores.store.clone(),
        accounts: stores.accounts.clone(),
        catalogue: stores.catalogue.clone(),
        inbox: stores.inbox.clone(),
        webhooks: stores.webhooks.clone(),
        webhook_allowed: Box::new({
            let allow_private = settings.webhooks_allow_private;
            move |address| is_allowed(address, allow_private)
        }),
        jobs: stores.jobs.clone(),
        feed,
        auth,
        passwords: Passwords::new(std::thread::available_parallelism().map_or(1, usize::from)),
        rates: Rates::default(),
        metrics,
        draining: AtomicBool::new(false),
        bench: settings.bench,
        cors_origins: settings.cors_origins.clone(),
        map_style_url: settings.map_style_url.clone(),
    });
    let rates = state.clone();
    let live = LiveEdge::new(LiveState {
        engine: state.engine.clone(),
        catalogue: stores.catalogue.clone(),
        inbox: stores.inbox.clone(),
        auth: state.auth.clone(),
        hubs: hubs.clone(),
        metrics: state.metrics.clone(),
        claim_rate: Arc::new(move |user| {
            rates.rates.claim(user).err().map(|too_often| too_often.retry_after_ms)
        }),
        settings: LiveSettings {
            allow_anonymous: settings.allow_anonymous,
            origins: settings.cors_origins.clone(),
            bench: settings.bench,
        },
    });
    Ok(Running {
        state,
        hubs,
        live,
        stores,
        notices,
        job_counts,
        outbox_waits,
        arbiters: vec![promotions, persistence],
        _lock: lock,
    })
}

/// Shows what became of jobs.
fn count_jobs(metrics: &Metrics, counts: Arc<JobCounts>) {
    const NAMES: [[&str; 2]; 3] = [
        ["flash_job_check_done_total", "flash_job_check_failed_total"],
        ["flash_job_cleanup_done_total", "flash_job_cleanup_failed_total"],
        ["flash_job_notifications_done_total", "flash_job_notifications_failed_total"],
    ];
    metrics.also(Box::new(move |lines| {
        for (nth, [done, failed]) in NAMES.into_iter().enumerate() {
            lines.push((
                done,
                "Runs of the job that did what they should",
                counts.done[nth].load(Ordering::Relaxed),
            ));
            lines.push((failed, "Runs of the job that failed", counts.failed[nth].load(Ordering::Relaxed)));
        }
    }));
}

/// Shows what became of notices.
fn count_notices(metrics: &Metrics, counts: Arc<NoticeCounts>) {
    metrics.also(Box::new(move |lines| {
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        lines.push(("flash_notices_total", "Notices taken in", read(&counts.notices)));
        lines.push(("flash_notified_people_total", "People whom a notice reached", read(&counts.told)));
        lines.push(("flash_notices_poisoned_total", "Notices given up", read(&counts.poison)));
    }));
}

/// Shows the histograms that the engine and the hubs keep.
fn measure(metrics: &Metrics, engine: &Engine, hubs: &Arc<Hubs>) {
    let (commits, batches, starts) = (engine.clone(), engine.clone(), engine.clone());
    let (lags, depths) = (hubs.clone(), hubs.clone());
    let distributions = [
        Distribution {
            name: "flash_commit_duration_seconds",
            help: "How long a transaction of the engine took",
            unit: Unit::Microseconds,
            read: Box::new(move || commits.commit_counts().durations.snapshot()),
        },
        Distribution {
            name: "flash_commit_batch_claims",
            help: "Claims in one transaction of the engine",
            unit: Unit::Number,
            read: Box::new(move || batches.commit_counts().batch_claims.snapshot()),
        },
        Distribution {
            name: "flash_start_lateness_seconds",
            help: "From a scheduled promotion's start to its owner's deciding that it has started",
            unit: Unit::Microseconds,
            read: Box::new(move || starts.start_lateness()),
        },
        Distribution {
            name: "flash_live_delivery_lag_seconds",
            help: "From an update's publishing to a worker's having written it to its sockets",
            unit: Unit::Microseconds,
            read: Box::new(move || lags.counts().delivery_lags.snapshot()),
        },
        Distribution {
            name: "flash_live_inbox_depth",
            help: "Updates that a worker found waiting when it looked",
            unit: Unit::Number,
            read: Box::new(move || depths.counts().inbox_depths.snapshot()),
        },
    ];
    distributions.into_iter().for_each(|distribution| metrics.also_distribution(distribution));
    let of = |name, help, number: fn(&WorkerLoad) -> u64| {
        let hubs = hubs.clone();
        metrics.also_by_worker(ByWorker {
            name,
            help,
            read: Box::new(move || hubs.workers().iter().map(number).collect()),
        });
    };
    of("flash_worker_sessions", "Live sessions of a worker thread now", |load| load.sessions);
    of("flash_worker_frames_total", "Frames that a worker thread wrote by fan-out", |load| load.frames);
    of("flash_worker_inbox_waiting", "Updates that wait for a worker thread now", |load| load.waiting);
}

/// The notifier of the outbox: the topic, whose queue is consumed here, or the intake itself. Starts pushing where there are
/// platform applications.
async fn connect(
    settings: &AwsSettings,
    notices: NoticeParts,
    clock: SharedClock,
) -> Result<Arc<dyn Notifier>, ServeError> {
    let applications = settings.applications();
    if settings.sns_topic_arn.is_none() && applications.is_empty() {
        return Ok(Arc::new(Intake(notices)));
    }
    let way = aws::configuration(settings.region.as_deref(), settings.endpoint_url.as_deref()).await;
    let way = way.map_err(ServeError::Start)?;
    if !applications.is_empty() {
        let pusher = Arc::new(SnsPusher::new(&way, applications));
        let inbox = notices.inbox.clone();
        actix_rt::spawn(sender(PushParts { inbox, pusher, clock, mint: Arc::new(SystemMint) }));
    }
    let intake = Arc::new(Intake(notices));
    match (&settings.sns_topic_arn, &settings.sqs_queue_url) {
        (Some(topic), Some(queue)) => {
            actix_rt::spawn(Queue::new(&way, queue.clone()).consume(intake));
            Ok(Arc::new(SnsNotifier::new(&way, topic.clone())))
        }
        _ => Ok(intake),
    }
}

async fn start_jobs(settings: &Settings, running: &Running) -> Result<(), ServeError> {
    let clock: SharedClock = Arc::new(EngineClock(running.state.engine.clone()));
    let mint: SharedMint = Arc::new(SystemMint);
    let parts = JobParts {
        engine: Some(running.state.engine.clone()),
        catalogue: running.stores.catalogue.clone(),
        accounts: running.stores.accounts.clone(),
        log: running.stores.jobs.clone(),
        counts: running.job_counts.clone(),
        inbox: running.stores.inbox.clone(),
        webhooks: running.stores.webhooks.clone(),
        ending_soon_ms: settings.notifications.ending_soon.as_millis() as i64,
        clock: clock.clone(),
        mint,
    };
    Jobs::new(parts.clone(), Job::Check, settings.check_period).start();
    Jobs::new(parts.clone(), Job::Cleanup, settings.cleanup_period).start();
    Jobs::new(parts, Job::Notifications, settings.notifications.period).start();
    let notices = NoticeParts {
        store: running.stores.store.clone(),
        catalogue: running.stores.catalogue.clone(),
        inbox: running.stores.inbox.clone(),
        webhooks: running.stores.webhooks.clone(),
        rfc3339: crate::wire::time::format,
        feed: running.hubs.clone(),
        clock: clock.clone(),
        caps: Caps {
            per_day: settings.notifications.per_day,
            per_store_and_day: settings.notifications.per_store_and_day,
        },
        pushes: !settings.aws.applications().is_empty(),
        counts: running.notices.clone(),
        bell: Arc::default(),
    };
    actix_rt::spawn(teller(notices.clone()));
    match WebhookCaller::new(settings.webhooks_allow_private) {
        Ok(sends) => drop(actix_rt::spawn(webhooks::caller(WebhookParts {
            webhooks: running.stores.webhooks.clone(),
            caller: Arc::new(sends),
            clock: clock.clone(),
            mint: Arc::new(SystemMint),
        }))),
        Err(error) => tracing::error!(error, "webhooks are not called"),
    }
    let notifier = connect(&settings.aws, notices, clock.clone()).await?;
    OutboxRelay::new(running.stores.store.clone(), notifier, clock)
        .measuring(running.outbox_waits.clone())
        .start();
    let state = running.state.clone();
    actix_rt::spawn(async move {
        loop {
            tokio::time::sleep(limits::FORGET_QUIET_PERIOD).await;
            state.rates.forget_quiet();
            state.auth.forget_expired(state.engine.now().wall);
        }
    });
    Ok(())
}

/// The engine's clock, for whoever only has the engine.
struct EngineClock(Engine);

impl Clock for EngineClock {
    fn now(&self) -> flash_domain::time::Now {
        self.0.now()
    }
}

fn database_name(settings: &Settings) -> &'static str {
    match settings.database {
        DatabaseUrl::Sqlite(_) => "sqlite",
        DatabaseUrl::Postgres(_) => "postgres",
    }
}

/// The soft file limit is raised to the hard one: sessions are files.
fn raise_file_limit() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the file limit could not be raised");
    }
}

/// What ends the server: caught from early on, so that a signal while it starts ends it in order too.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> Result<Self, ServeError> {
        let catch = |kind| signal(kind).map_err(|error| ServeError::Start(error.to_string()));
        Ok(Self { terminate: catch(SignalKind::terminate())?, interrupt: catch(SignalKind::interrupt())? })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
