//! The store's only place for writers, and what is done in it through the asynchronous driver.

use super::{Db, DbConnection};
use std::ops::{Deref, DerefMut};
use tokio::sync::MutexGuard;

/// A connection or a transaction; one that writes has its place until it is over.
pub(super) struct Placed<'a, C> {
    inner: C,
    _place: Option<MutexGuard<'a, ()>>,
}

/// A transaction, in its place if it writes.
pub(super) type Transaction<'a> = Placed<'a, sqlx::Transaction<'static, Db>>;

impl<'a, C> Placed<'a, C> {
    /// Puts both together.
    pub(super) fn new(inner: C, place: Option<MutexGuard<'a, ()>>) -> Self {
        Self { inner, _place: place }
    }
}

impl Transaction<'_> {
    /// Commits.
    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        self.inner.commit().await
    }
}

impl<C: Deref<Target = DbConnection>> Deref for Placed<'_, C> {
    type Target = DbConnection;

    fn deref(&self) -> &DbConnection {
        &self.inner
    }
}

impl<C: DerefMut<Target = DbConnection>> DerefMut for Placed<'_, C> {
    fn deref_mut(&mut self) -> &mut DbConnection {
        &mut self.inner
    }
}
