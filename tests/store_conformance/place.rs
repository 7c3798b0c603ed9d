//! Where a test keeps its state: a database of its own on either side, opened as often as the test likes.

use flash_promos::adapters::{DatabaseUrl, Stores};
use sqlx::{AssertSqlSafe, Connection};
use uuid::Uuid;

/// An empty database and how to reach it.
pub struct Place {
    url: String,
    /// Keeps the SQLite file's directory until the test is over.
    _directory: Option<tempfile::TempDir>,
}

impl Place {
    /// A new SQLite file, in a directory that does not exist yet.
    pub async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("made/on/opening/flash.db").display());
        Self { url, _directory: Some(directory) }
    }

    /// A new database on the private server.
    pub async fn postgres() -> Self {
        let server = tokio::task::spawn_blocking(crate::cluster::url).await.unwrap();
        let name = format!("conformance_{}", Uuid::now_v7().simple());
        let mut connection = sqlx::PgConnection::connect(server).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let (base, options) = server.split_once('?').unwrap_or((server, "sslmode=disable"));
        let (server, _) = base.rsplit_once('/').unwrap();
        Self { url: format!("{server}/{name}?{options}"), _directory: None }
    }

    /// The `DATABASE_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Opens it as it is.
    pub async fn open(&self) -> Stores {
        Stores::open(&DatabaseUrl::parse(&self.url).unwrap()).await.unwrap()
    }

    /// Opens it and brings the schema up to date.
    pub async fn ready(&self) -> Stores {
        let stores = self.open().await;
        stores.migrate().await.unwrap();
        stores
    }

    /// Runs a statement behind the adapter's back.
    pub async fn meddle(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        if let Some(path) = self.url.strip_prefix("sqlite://") {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
            let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    }

    /// An id as a literal of this database's SQL.
    pub fn literal(&self, id: Uuid) -> String {
        if self.url.starts_with("sqlite") { format!("X'{}'", id.simple()) } else { format!("'{id}'") }
    }
}
