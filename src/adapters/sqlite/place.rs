//! The store's only place for writers, and what is done in it through the asynchronous driver.

use super::{Db, DbConnection};
use sqlx::pool::PoolConnection;
use std::ops::{Deref, DerefMut};
use tokio::sync::MutexGuard;

/// A connection that writes, with the place that it writes in.
pub(super) struct Writing<'a> {
    connection: PoolConnection<Db>,
    _place: MutexGuard<'a, ()>,
}

impl<'a> Writing<'a> {
    /// Puts both together.
    pub(super) fn new(connection: PoolConnection<Db>, place: MutexGuard<'a, ()>) -> Self {
        Self { connection, _place: place }
    }
}

impl Deref for Writing<'_> {
    type Target = DbConnection;

    fn deref(&self) -> &DbConnection {
        &self.connection
    }
}

impl DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut DbConnection {
        &mut self.connection
    }
}

/// A transaction; one that writes has its place until it is over.
pub(super) struct Transaction<'a> {
    transaction: sqlx::Transaction<'static, Db>,
    _place: Option<MutexGuard<'a, ()>>,
}

impl<'a> Transaction<'a> {
    /// Puts both together.
    pub(super) fn new(
        transaction: sqlx::Transaction<'static, Db>,
        place: Option<MutexGuard<'a, ()>>,
    ) -> Self {
        Self { transaction, _place: place }
    }

    /// Commits.
    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        self.transaction.commit().await
    }
}

impl Deref for Transaction<'_> {
    type Target = DbConnection;

    fn deref(&self) -> &DbConnection {
        &self.transaction
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut DbConnection {
        &mut self.transaction
    }
}
