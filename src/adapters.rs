//! The adapters: one driver each, behind the engine's ports. Only the composition root names them.

// The SQL that both databases understand is written once, in sql/, and compiled once per driver.
#![allow(clippy::duplicate_mod)]

pub mod aws;
mod errors;
pub mod lock;
pub mod migrations;
mod postgres;
pub mod redis;
pub mod sns;
mod sqlite;
pub mod sqs;
pub mod webhook;

use flash_actors::ports::accounts::Accounts;
use flash_actors::ports::catalogue::Catalogue;
use flash_actors::ports::inbox::Inbox;
use flash_actors::ports::jobs::JobLog;
use flash_actors::ports::store::Store;
use flash_actors::ports::webhooks::Webhooks;
use flash_actors::ports::{Answer, Page, PortError};
use std::path::PathBuf;
use std::sync::Arc;

type Ask<'a, T> = Answer<'a, Result<T, OpenError>>;

/// Where the state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    Postgres(String),
}

/// Why a store can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The text is not a database URL that this program knows.
    #[error("DATABASE_URL: {0}")]
    Url(String),
    /// No connection.
    #[error("the database can't be reached: {0}")]
    Unreachable(String),
    /// A migration failed.
    #[error("the schema can't be brought up to date: {0}")]
    Migration(String),
}

impl DatabaseUrl {
    /// Understands `postgres://…`, `postgresql://…`, `sqlite:///abs/path`, `sqlite://relative`, `sqlite:relative`.
    ///
    /// # Errors
    /// [`OpenError::Url`] for anything else.
    pub fn parse(text: &str) -> Result<Self, OpenError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        let Some(rest) = text.strip_prefix("sqlite:") else {
            return Err(OpenError::Url("expected postgres://… or sqlite:…".to_owned()));
        };
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.is_empty() || path.contains(['?', ':', '\0']) {
            return Err(OpenError::Url("expected a file's path after sqlite:, without options".to_owned()));
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

/// The life of a store as a whole.
trait Embedded: Send + Sync {
    fn schema(&self) -> Ask<'_, migrations::State>;
    fn migrate(&self) -> Ask<'_, ()>;
    fn close(&self) -> Answer<'_, ()>;
}

/// One store behind all of its ports.
#[derive(Clone)]
pub struct Stores {
    /// The engine's.
    pub store: Arc<dyn Store>,
    /// People.
    pub accounts: Arc<dyn Accounts>,
    /// Stores, products, promotions as documents.
    pub catalogue: Arc<dyn Catalogue>,
    /// Notifications.
    pub inbox: Arc<dyn Inbox>,
    /// Webhooks.
    pub webhooks: Arc<dyn Webhooks>,
    /// What jobs did.
    pub jobs: Arc<dyn JobLog>,
    whole: Arc<dyn Embedded>,
}

impl Stores {
    /// Opens the store; the schema may be of any age.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(url: &DatabaseUrl) -> Result<Self, OpenError> {
        match url {
            DatabaseUrl::Sqlite(path) => Ok(Self::of(Arc::new(sqlite::Adapter::open(path).await?))),
            DatabaseUrl::Postgres(url) => Ok(Self::of(Arc::new(postgres::Adapter::open(url).await?))),
        }
    }

    fn of<A>(adapter: Arc<A>) -> Self
    where
        A: Store + Accounts + Catalogue + Inbox + JobLog + Webhooks + Embedded,
    {
        Self {
            store: adapter.clone(),
            accounts: adapter.clone(),
            catalogue: adapter.clone(),
            inbox: adapter.clone(),
            webhooks: adapter.clone(),
            jobs: adapter.clone(),
            whole: adapter,
        }
    }

    /// How old the schema is.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn schema(&self) -> Result<migrations::State, OpenError> {
        self.whole.schema().await
    }

    /// Brings the schema up to date.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn migrate(&self) -> Result<(), OpenError> {
        self.whole.migrate().await
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.whole.close().await;
    }
}

/// A page from one row more than asked for.
fn page<R, T>(
    mut found: Vec<R>,
    limit: u32,
    read: impl Fn(&R) -> Result<T, PortError>,
) -> Result<Page<T>, PortError> {
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let items = found.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Page { items, more })
}
