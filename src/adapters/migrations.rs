//! The schemas, embedded, and how a database gets to the current one. Append-only: a migration that was released never
//! changes.

use super::OpenError;
use sqlx::migrate::{Migrate, Migration, MigrationType, Migrator};
use std::borrow::Cow;

/// Version, description, SQL.
type Source = &'static [(i64, &'static str, &'static str)];

/// The embedded store's.
pub const SQLITE: Source = &[
    (1, "initial", include_str!("../../migrations/sqlite/0001_initial.sql")),
    (2, "search", include_str!("../../migrations/sqlite/0002_search.sql")),
    (3, "outbox by id", include_str!("../../migrations/sqlite/0003_outbox_by_id.sql")),
    (9, "claims in order", include_str!("../../migrations/sqlite/0009_claims_in_order.sql")),
    (10, "nearest", include_str!("../../migrations/sqlite/0010_nearest.sql")),
    (11, "limit since", include_str!("../../migrations/sqlite/0011_limit_since.sql")),
    (15, "withdrawn", include_str!("../../migrations/sqlite/0015_withdrawn.sql")),
    (16, "notifications", include_str!("../../migrations/sqlite/0016_notifications.sql")),
    (17, "job leases", include_str!("../../migrations/sqlite/0017_job_leases.sql")),
    (18, "webhooks", include_str!("../../migrations/sqlite/0018_webhooks.sql")),
];
/// PostgreSQL's.
pub const POSTGRES: Source = &[
    (1, "initial", include_str!("../../migrations/postgres/0001_initial.sql")),
    (2, "search", include_str!("../../migrations/postgres/0002_search.sql")),
    (3, "outbox by id", include_str!("../../migrations/postgres/0003_outbox_by_id.sql")),
    (9, "claims in order", include_str!("../../migrations/postgres/0009_claims_in_order.sql")),
    (10, "nearest", include_str!("../../migrations/postgres/0010_nearest.sql")),
    (11, "limit since", include_str!("../../migrations/postgres/0011_limit_since.sql")),
    (15, "withdrawn", include_str!("../../migrations/postgres/0015_withdrawn.sql")),
    (16, "notifications", include_str!("../../migrations/postgres/0016_notifications.sql")),
    (17, "job leases", include_str!("../../migrations/postgres/0017_job_leases.sql")),
    (18, "webhooks", include_str!("../../migrations/postgres/0018_webhooks.sql")),
];

/// How a database's schema relates to this program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The same.
    Current,
    /// Nothing there yet.
    Empty,
    /// Some migrations are missing.
    Old {
        /// How many.
        missing: usize,
    },
    /// A newer program has been here.
    Newer,
}

fn migrator(source: Source) -> Migrator {
    let migrations = source
        .iter()
        .map(|(version, description, sql)| {
            let sql = sqlx::AssertSqlSafe(*sql);
            Migration::new(
                *version,
                Cow::Borrowed(*description),
                MigrationType::Simple,
                sqlx::SqlSafeStr::into_sql_str(sql),
                false,
            )
        })
        .collect::<Vec<_>>();
    Migrator::with_migrations(migrations)
}

/// Brings the schema up to date; does nothing where it is.
///
/// # Errors
/// The database's.
pub async fn run<D>(pool: &sqlx::Pool<D>, source: Source) -> Result<(), OpenError>
where
    D: sqlx::Database,
    D::Connection: Migrate,
{
    let mut connection = pool.acquire().await.map_err(|error| OpenError::Unreachable(error.to_string()))?;
    migrator(source)
        .run_direct(None, &mut *connection, false)
        .await
        .map_err(|error| OpenError::Migration(error.to_string()))
}

/// Compares the schema with this program's.
///
/// # Errors
/// The database's.
pub async fn state<D>(pool: &sqlx::Pool<D>, source: Source) -> Result<State, OpenError>
where
    D: sqlx::Database,
    D::Connection: Migrate,
{
    let mut connection = pool.acquire().await.map_err(|error| OpenError::Unreachable(error.to_string()))?;
    let Ok(applied) = connection.list_applied_migrations("_sqlx_migrations").await else {
        return Ok(State::Empty);
    };
    let newest = source.last().map_or(0, |(version, _, _)| *version);
    if applied.iter().any(|migration| migration.version > newest) {
        return Ok(State::Newer);
    }
    let missing = source
        .iter()
        .filter(|(version, _, _)| !applied.iter().any(|there| there.version == *version))
        .count();
    Ok(match missing {
        0 => State::Current,
        all if all == source.len() => State::Empty,
        missing => State::Old { missing },
    })
}
