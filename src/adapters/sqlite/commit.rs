//! Group commit on SQLite: one transaction in the store's only place for writers.

use super::writer::Job;
use super::{Adapter, ByUser};
use flash_actors::ports::PortError;
use flash_actors::ports::store::{Commit, Committed};
use std::sync::Arc;
use uuid::Uuid;

impl Adapter {
    pub(super) async fn commit_batch(&self, batch: Vec<Arc<Commit>>) -> Result<Committed, PortError> {
        let by_user = self.by_user().await?;
        let claims = batch.iter().map(|commit| commit.claims.len()).sum();
        let _place = self.place().await?;
        let done = self.commits.commit(Job { batch, slice: by_user.slice(claims) })?;
        by_user.note(&done.made);
        if let Some(slice) = &done.slice {
            by_user.merged(slice);
        }
        Ok(done.committed)
    }

    /// The part of the index by shopper that is in memory, read at its first use.
    async fn by_user(&self) -> Result<&ByUser, PortError> {
        self.by_user.get_or_try_init(|| ByUser::load(&self.bulk)).await
    }

    /// What `OWN_CLAIMS` needs beside the shopper's id.
    pub(super) async fn recent_claims(&self, user: Uuid) -> Result<String, PortError> {
        Ok(self.by_user().await?.recent(user))
    }
}
