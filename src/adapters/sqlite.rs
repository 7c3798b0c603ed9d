//! The embedded store: one SQLite file. One connection writes, so that writers queue in memory instead of on the file's
//! lock; a few connections read beside it (WAL).

mod bulk;
mod by_user;
mod checkpoint;
mod commit;
mod place;
mod plain;
mod writer;

#[path = "sql/accounts.rs"]
mod accounts;
#[path = "sql/audit.rs"]
mod audit;
#[path = "sql/catalogue.rs"]
mod catalogue;
#[path = "sql/deliver.rs"]
mod deliver;
#[path = "sql/engine.rs"]
mod engine;
#[path = "sql/inbox.rs"]
mod inbox;
#[path = "sql/inbox_port.rs"]
mod inbox_port;
#[path = "sql/keys.rs"]
mod keys;
#[path = "sql/nearest.rs"]
mod nearest;
#[path = "sql/occurrences.rs"]
mod occurrences;
#[path = "sql/people_inbox.rs"]
mod people_inbox;
#[path = "sql/places.rs"]
mod places;
#[path = "sql/promotions.rs"]
mod promotions;
#[path = "sql/rows.rs"]
mod rows;
#[path = "sql/webhooks.rs"]
mod webhooks;

use super::errors::{certain, unsure};
use super::{Embedded, OpenError, migrations};
use bulk::Bulk;
use by_user::ByUser;
use flash_actors::ports::{Page, PortError};
use flash_domain::claim::Claim;
use flash_domain::ids::PromotionId;
use plain::Place;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Row, SqlitePool};
use std::path::Path;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use uuid::Uuid;
use writer::Writer;

type Db = sqlx::Sqlite;
type DbRow = sqlx::sqlite::SqliteRow;
type DbConnection = sqlx::SqliteConnection;
type DbTransaction<'a> = place::Transaction<'a>;

/// SQLite has no row locks: the single writer holds them all.
const FOR_UPDATE: &str = "";
const FOR_UPDATE_OF_F: &str = "";
const FOR_SHARE_OF_SP: &str = "";
const FOR_SHARE_OF_U: &str = "";

/// The claims of shopper `$1`; `$2` is [`Adapter::recent_claims`].
const OWN_CLAIMS: &str = "position IN (SELECT position FROM claims_by_user WHERE user_id = $1 \
     UNION SELECT value FROM json_each($2))";

/// Connections that read beside the writer; more would only queue for the two cores this is made for.
const READERS: u32 = 4;
/// Every connection's settings. The log is moved into the file by `checkpoint`; what is written beside the committing
/// thread moves it only where that lags far behind.
const PRAGMAS: &[(&str, &str)] = &[
    ("journal_mode", "WAL"),
    // A commit is on the disk when it answers.
    ("synchronous", "FULL"),
    ("foreign_keys", "ON"),
    ("cache_size", "-65536"),
    ("wal_autocheckpoint", "32000"),
    ("journal_size_limit", "134217728"),
    ("mmap_size", "268435456"),
];
/// How long somebody waits for a connection, or for the place of who writes.
const PLACE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a statement waits for another process's lock on the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The embedded store.
pub struct Adapter {
    /// Whose turn it is to write. A pool's own queue would do, but asks a connection that is given back whether it still
    /// works: four changes of threads for each commit.
    place: Mutex<()>,
    /// One connection, for who writes beside the commits.
    write: SqlitePool,
    read: SqlitePool,
    commits: Writer,
    bulk: Bulk,
    by_user: OnceCell<ByUser>,
}

impl Adapter {
    /// Opens the file, creating it and its directory where absent.
    ///
    /// # Errors
    /// [`OpenError`] names the path and the reason.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory)
                .map_err(|error| OpenError::Unreachable(format!("{}: {error}", directory.display())))?;
        }
        let mut options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .busy_timeout(BUSY_TIMEOUT)
            .optimize_on_close(true, None)
            .statement_cache_capacity(256);
        for (name, value) in PRAGMAS {
            options = options.pragma(*name, *value);
        }
        let unreachable = |error| OpenError::Unreachable(format!("{}: {error}", path.display()));
        let pool = |size| {
            SqlitePoolOptions::new()
                .max_connections(size)
                .acquire_timeout(PLACE_TIMEOUT)
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let write = pool(1).connect_with(options.clone()).await.map_err(unreachable)?;
        let read = pool(READERS).connect_with(options).await.map_err(unreachable)?;
        let place = Place { path: path.to_owned(), pragmas: PRAGMAS, busy_timeout: BUSY_TIMEOUT };
        let bulk = Bulk::new(place.clone());
        let commits = Writer::start(place)
            .map_err(|error| OpenError::Unreachable(format!("{}: {error}", path.display())))?;
        Ok(Self { place: Mutex::default(), write, read, commits, bulk, by_user: OnceCell::new() })
    }

    fn reader(&self) -> &SqlitePool {
        &self.read
    }

    /// A connection to write with, when nobody else writes.
    async fn writer(&self) -> Result<place::Placed<'_, PoolConnection<Db>>, PortError> {
        let place = self.place().await?;
        Ok(place::Placed::new(self.write.acquire().await.map_err(certain)?, Some(place)))
    }

    /// A transaction that writes, when nobody else writes.
    async fn begin(&self) -> Result<DbTransaction<'_>, PortError> {
        let place = self.place().await?;
        let begun = self.write.begin_with("BEGIN IMMEDIATE").await.map_err(certain)?;
        Ok(place::Transaction::new(begun, Some(place)))
    }

    /// Waits until nobody else writes. So no connection ever waits for another's lock on the file.
    async fn place(&self) -> Result<MutexGuard<'_, ()>, PortError> {
        let late = |_| PortError::Unavailable("others write for too long".to_owned());
        tokio::time::timeout(PLACE_TIMEOUT, self.place.lock()).await.map_err(late)
    }

    /// Every claim of a promotion.
    async fn claims_of(&self, id: PromotionId) -> Result<Vec<Claim>, PortError> {
        self.bulk.claims(id).await
    }

    /// A read transaction: everything read in it is of one moment.
    async fn snapshot(&self) -> Result<DbTransaction<'static>, PortError> {
        Ok(place::Transaction::new(self.read.begin().await.map_err(certain)?, None))
    }
}

impl Embedded for Adapter {
    fn schema(&self) -> super::Ask<'_, migrations::State> {
        Box::pin(async move { migrations::state(&self.write, migrations::SQLITE).await })
    }

    fn migrate(&self) -> super::Ask<'_, ()> {
        Box::pin(async move { migrations::run(&self.write, migrations::SQLITE).await })
    }

    fn close(&self) -> flash_actors::ports::Answer<'_, ()> {
        Box::pin(async move {
            self.bulk.close();
            self.commits.close();
            self.read.close().await;
            self.write.close().await;
        })
    }
}

fn id(row: &DbRow, column: &str) -> Result<Uuid, PortError> {
    row.try_get(column).map_err(|_| rows::corrupt(column))
}

fn page<T>(
    found: Vec<DbRow>,
    limit: u32,
    read: impl Fn(&DbRow) -> Result<T, PortError>,
) -> Result<Page<T>, PortError> {
    super::page(found, limit, read)
}
