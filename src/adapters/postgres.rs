//! PostgreSQL 15 and later. Commits of promotions have a connection of their own; everything else shares a small pool
//! (a larger one makes contended rows slower).

mod commit;

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
use commit::Commits;
use flash_actors::ports::{Page, PortError};
use flash_domain::claim::Claim;
use flash_domain::ids::PromotionId;
use futures_util::TryStreamExt;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool, Row};
use std::str::FromStr;
use std::time::Duration;
use uuid::Uuid;

type Db = sqlx::Postgres;
type DbRow = sqlx::postgres::PgRow;
type DbConnection = sqlx::PgConnection;
type DbTransaction<'a> = sqlx::Transaction<'a, sqlx::Postgres>;

/// The claims of shopper `$1`; `$2` is [`Adapter::recent_claims`], which this database does not need.
const OWN_CLAIMS: &str = "user_id = $1 AND $2::text = ''";
const FOR_UPDATE: &str = " FOR UPDATE";
const FOR_UPDATE_OF_F: &str = " FOR UPDATE OF f";
const FOR_SHARE_OF_SP: &str = " FOR SHARE OF s, p";
const FOR_SHARE_OF_U: &str = " FOR SHARE OF u";

/// Connections for everything but the commits of promotions.
const POOL: u32 = 8;
/// A statement that takes longer is given up by the server; callers have given up before.
const STATEMENT_TIMEOUT_MS: &str = "8000";

/// The store on PostgreSQL.
pub struct Adapter {
    /// For group commit only.
    commits: Commits,
    pool: PgPool,
}

impl Adapter {
    /// Connects.
    ///
    /// # Errors
    /// [`OpenError`] with the server's or the network's reason.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| OpenError::Unreachable(error.to_string()))?
            .application_name("flash-promos")
            .statement_cache_capacity(256)
            .options([
                ("statement_timeout", STATEMENT_TIMEOUT_MS),
                ("lock_timeout", "4000"),
                ("idle_in_transaction_session_timeout", "30000"),
                ("synchronous_commit", "on"),
            ]);
        let unreachable = |error: sqlx::Error| OpenError::Unreachable(error.to_string());
        // One plan for every batch: planning each anew for the lengths of its arrays costs more than it finds.
        let steady = options.clone().options([("plan_cache_mode", "force_generic_plan"), ("jit", "off")]);
        let commits = Commits::open(steady).await.map_err(unreachable)?;
        let pool = PgPoolOptions::new()
            .max_connections(POOL)
            .acquire_timeout(Duration::from_secs(4))
            .max_lifetime(Duration::from_secs(3600))
            .connect_with(options)
            .await
            .map_err(unreachable)?;
        Ok(Self { commits, pool })
    }

    /// Every claim of a promotion.
    async fn claims_of(&self, id: PromotionId) -> Result<Vec<Claim>, PortError> {
        let sql = format!("SELECT {CLAIM} FROM claims WHERE promotion_id = $1", CLAIM = rows::CLAIM);
        let mut found = sqlx::query(AssertSqlSafe(sql)).bind(id.0).fetch(self.reader());
        let mut claims = Vec::new();
        while let Some(row) = found.try_next().await.map_err(certain)? {
            claims.push(rows::claim(&row)?);
        }
        Ok(claims)
    }

    fn reader(&self) -> &PgPool {
        &self.pool
    }

    async fn writer(&self) -> Result<PoolConnection<Db>, PortError> {
        self.pool.acquire().await.map_err(certain)
    }

    async fn begin(&self) -> Result<DbTransaction<'static>, PortError> {
        self.pool.begin().await.map_err(certain)
    }

    /// A read transaction: everything read in it is of one moment.
    async fn snapshot(&self) -> Result<DbTransaction<'static>, PortError> {
        let mut transaction =
            self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(certain)?;
        sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *transaction).await.map_err(certain)?;
        Ok(transaction)
    }
}

impl Embedded for Adapter {
    fn schema(&self) -> super::Ask<'_, migrations::State> {
        Box::pin(async move { migrations::state(&self.pool, migrations::POSTGRES).await })
    }

    fn migrate(&self) -> super::Ask<'_, ()> {
        Box::pin(async move { migrations::run(&self.pool, migrations::POSTGRES).await })
    }

    fn close(&self) -> flash_actors::ports::Answer<'_, ()> {
        Box::pin(async move {
            self.commits.close().await;
            self.pool.close().await;
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
