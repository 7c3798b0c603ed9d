//! Uses of idempotency keys, and the record of jobs. Compiled once per driver.

use super::rows::{self, int, text};
use super::{Adapter, DbRow, DbTransaction, certain, unsure};
use flash_actors::ports::jobs::{Bid, JobLog, JobRun, Turn};
use flash_actors::ports::{Answer, KeyUse, PortError};
use flash_domain::ids::UserId;
use flash_domain::time::UnixMillis;
use sqlx::Row;
use uuid::Uuid;

const SELECT_KEY: &str = "SELECT user_id, route, key, fingerprint, status, body, created_at FROM key_uses \
     WHERE user_id = $1 AND route = $2 AND key = $3";

fn key_use(row: &DbRow) -> Result<KeyUse, PortError> {
    let fingerprint: Vec<u8> = row.try_get("fingerprint").map_err(|_| rows::corrupt("fingerprint"))?;
    Ok(KeyUse {
        user_id: UserId(super::id(row, "user_id")?),
        route: text(row, "route")?,
        key: text(row, "key")?,
        fingerprint: fingerprint.try_into().map_err(|_| rows::corrupt("fingerprint"))?,
        status: u16::try_from(int(row, "status")?).map_err(|_| rows::corrupt("status"))?,
        body: text(row, "body")?,
        created_at: UnixMillis(int(row, "created_at")?),
    })
}

/// Records a key's use within a transaction; gives the earlier use if there was one. The insert comes first: of two
/// concurrent requests the second waits for the first's transaction here, and then reads its answer.
pub(super) async fn claim_key(
    transaction: &mut DbTransaction<'_>,
    key: Option<KeyUse>,
) -> Result<Option<KeyUse>, PortError> {
    let Some(key) = key else { return Ok(None) };
    let done = sqlx::query(
        "INSERT INTO key_uses (user_id, route, key, fingerprint, status, body, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (user_id, route, key) DO NOTHING",
    )
    .bind(key.user_id.0)
    .bind(key.route.clone())
    .bind(key.key.clone())
    .bind(key.fingerprint.to_vec())
    .bind(i64::from(key.status))
    .bind(key.body)
    .bind(key.created_at.0)
    .execute(&mut **transaction)
    .await
    .map_err(certain)?;
    if done.rows_affected() == 1 {
        return Ok(None);
    }
    let row = sqlx::query(SELECT_KEY)
        .bind(key.user_id.0)
        .bind(key.route)
        .bind(key.key)
        .fetch_one(&mut **transaction)
        .await
        .map_err(certain)?;
    key_use(&row).map(Some)
}

impl Adapter {
    pub(super) async fn fetch_key(
        &self,
        user: UserId,
        route: &str,
        key: &str,
    ) -> Result<Option<KeyUse>, PortError> {
        let row = sqlx::query(SELECT_KEY)
            .bind(user.0)
            .bind(route)
            .bind(key)
            .fetch_optional(self.reader())
            .await
            .map_err(certain)?;
        row.as_ref().map(key_use).transpose()
    }

    pub(super) async fn delete_keys(&self, before: UnixMillis) -> Result<u64, PortError> {
        let done = sqlx::query("DELETE FROM key_uses WHERE created_at < $1")
            .bind(before.0)
            .execute(&mut *self.writer().await?)
            .await
            .map_err(unsure)?;
        Ok(done.rows_affected())
    }
}

impl Adapter {
    /// A start in the future is a clock that was set back: it does not hold the job up.
    async fn bid_for_job(&self, bid: Bid) -> Result<Turn, PortError> {
        let done = sqlx::query(
            "INSERT INTO job_leases (name, holder, started_at, held_until) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, started_at = excluded.started_at, \
             held_until = excluded.held_until WHERE job_leases.held_until <= $3 \
             AND (job_leases.started_at <= $5 OR job_leases.started_at > $3)",
        )
        .bind(bid.name.clone())
        .bind(bid.holder)
        .bind(bid.now.0)
        .bind(bid.held_until.0)
        .bind(bid.now.0 - bid.period_ms)
        .execute(&mut *self.writer().await?)
        .await
        .map_err(unsure)?;
        if done.rows_affected() == 1 {
            return Ok(Turn::Yours);
        }
        let row = sqlx::query("SELECT started_at, held_until FROM job_leases WHERE name = $1")
            .bind(bid.name)
            .fetch_one(&mut *self.writer().await?)
            .await
            .map_err(certain)?;
        let due = (int(&row, "started_at")? + bid.period_ms).max(int(&row, "held_until")?);
        Ok(Turn::NotBefore(UnixMillis(due)))
    }
}

impl JobLog for Adapter {
    fn begin(&self, bid: Bid) -> Answer<'_, Result<Turn, PortError>> {
        Box::pin(self.bid_for_job(bid))
    }

    fn renew(&self, name: String, holder: Uuid, until: UnixMillis) -> Answer<'_, Result<bool, PortError>> {
        Box::pin(async move {
            let done = sqlx::query("UPDATE job_leases SET held_until = $3 WHERE name = $1 AND holder = $2")
                .bind(name)
                .bind(holder)
                .bind(until.0)
                .execute(&mut *self.writer().await?)
                .await
                .map_err(unsure)?;
            Ok(done.rows_affected() == 1)
        })
    }

    fn end(&self, name: String, holder: Uuid) -> Answer<'_, Result<(), PortError>> {
        Box::pin(async move {
            sqlx::query("UPDATE job_leases SET held_until = 0 WHERE name = $1 AND holder = $2")
                .bind(name)
                .bind(holder)
                .execute(&mut *self.writer().await?)
                .await
                .map_err(unsure)?;
            Ok(())
        })
    }

    fn record(&self, run: JobRun) -> Answer<'_, Result<(), PortError>> {
        Box::pin(async move {
            sqlx::query(
                "INSERT INTO job_runs (id, name, started_at, finished_at, ok, detail) VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(run.id)
            .bind(run.name)
            .bind(run.started_at.0)
            .bind(run.finished_at.0)
            .bind(run.ok)
            .bind(run.detail)
            .execute(&mut *self.writer().await?)
            .await
            .map_err(unsure)?;
            Ok(())
        })
    }

    fn recent(&self, limit: u32) -> Answer<'_, Result<Vec<JobRun>, PortError>> {
        Box::pin(async move {
            let found = sqlx::query(
                "SELECT id, name, started_at, finished_at, ok, detail FROM job_runs ORDER BY id DESC LIMIT $1",
            )
            .bind(i64::from(limit))
            .fetch_all(self.reader())
            .await
            .map_err(certain)?;
            let run = |row: &DbRow| {
                Ok(JobRun {
                    id: super::id(row, "id")?,
                    name: text(row, "name")?,
                    started_at: UnixMillis(int(row, "started_at")?),
                    finished_at: UnixMillis(int(row, "finished_at")?),
                    ok: row.try_get("ok").map_err(|_| rows::corrupt("ok"))?,
                    detail: text(row, "detail")?,
                })
            };
            found.iter().map(run).collect()
        })
    }

    fn purge(&self, before: UnixMillis) -> Answer<'_, Result<u64, PortError>> {
        Box::pin(async move {
            let done = sqlx::query("DELETE FROM job_runs WHERE started_at < $1")
                .bind(before.0)
                .execute(&mut *self.writer().await?)
                .await
                .map_err(unsure)?;
            Ok(done.rows_affected())
        })
    }
}
