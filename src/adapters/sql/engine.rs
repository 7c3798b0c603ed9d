//! The engine's reads, its take-over and the audit, in SQL that both databases understand. How a batch is committed is
//! each driver's own. Compiled once per driver.

use super::rows::{self, int, text};
use super::{Adapter, certain, unsure};
use flash_actors::ports::store::*;
use flash_actors::ports::{Answer, PortError};
use flash_domain::ids::{ClaimId, EventId, PromotionId, UserId};
use flash_domain::promotion::PromotionRecord;
use flash_domain::time::UnixMillis;
use futures_util::TryStreamExt;
use std::sync::Arc;
use uuid::Uuid;

impl Adapter {
    /// Raises the epoch, commits that, then reads: whatever an earlier owner still has in flight changes nothing
    /// after this.
    async fn take_over(&self, id: PromotionId) -> Result<Option<Loaded>, PortError> {
        // Read to its end: SQLite commits when the statement is done, not when its first row is there.
        let raised =
            sqlx::query("UPDATE promotions SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch, commit_seq")
                .bind(id.0)
                .fetch_all(&mut *self.writer().await?)
                .await
                .map_err(unsure)?;
        let Some(raised) = raised.first() else { return Ok(None) };
        let Some(record) = self.fetch_promotion(id).await? else { return Ok(None) };
        let claims = self.claims_of(id).await?;
        Ok(Some(Loaded {
            record,
            claims,
            epoch: int(raised, "epoch")?,
            commit_seq: int(raised, "commit_seq")?,
        }))
    }

    async fn find_wakeful(
        &self,
        horizon: UnixMillis,
        after: Option<PromotionId>,
        limit: u32,
    ) -> Result<Vec<Wakeful>, PortError> {
        let found = sqlx::query(
            "SELECT id, status, starts_at FROM promotions WHERE (status IN (1, 2, 3) OR held > 0) \
             AND (status <> 1 OR starts_at < $1) AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(horizon.0)
        .bind(after.map_or(Uuid::nil(), |id| id.0))
        .bind(i64::from(limit))
        .fetch_all(self.reader())
        .await
        .map_err(certain)?;
        let wakeful = |row| {
            let at = if int(row, "status")? == 1 { int(row, "starts_at")? } else { 0 };
            Ok(Wakeful { id: PromotionId(super::id(row, "id")?), at: UnixMillis(at) })
        };
        found.iter().map(wakeful).collect()
    }

    async fn fetch_outbox(&self, limit: u32) -> Result<Vec<OutboxEvent>, PortError> {
        let found = sqlx::query(
            "SELECT id, promotion_id, v, event, created_at FROM outbox ORDER BY position LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.reader())
        .await
        .map_err(certain)?;
        let event = |row| {
            Ok(OutboxEvent {
                id: EventId(super::id(row, "id")?),
                promotion_id: PromotionId(super::id(row, "promotion_id")?),
                v: int(row, "v")? as u64,
                event: serde_json::from_str(&text(row, "event")?).map_err(|_| rows::corrupt("event"))?,
                created_at: UnixMillis(int(row, "created_at")?),
            })
        };
        found.iter().map(event).collect()
    }

    /// One read snapshot: held and sold of every promotion against the sum over its claims, limits, and keys.
    async fn run_audit(&self) -> Result<AuditReport, PortError> {
        let mut snapshot = self.snapshot().await?;
        let mut report = AuditReport::default();
        let mut found = sqlx::query(
            "SELECT p.id, p.status, p.stock, p.held, p.sold, \
             CAST(COALESCE(c.claims, 0) AS BIGINT) AS claims, CAST(COALESCE(c.held, 0) AS BIGINT) AS claims_held, \
             CAST(COALESCE(c.sold, 0) AS BIGINT) AS claims_sold FROM promotions p LEFT JOIN \
             (SELECT promotion_id, COUNT(*) AS claims, SUM(CASE WHEN status = 0 THEN quantity ELSE 0 END) AS held, \
             SUM(CASE WHEN status IN (1, 2) THEN quantity ELSE 0 END) AS sold FROM claims GROUP BY promotion_id) c \
             ON c.promotion_id = p.id ORDER BY p.id",
        )
        .fetch(&mut *snapshot);
        while let Some(row) = found.try_next().await.map_err(certain)? {
            report.promotions += 1;
            report.claims += int(&row, "claims")? as u64;
            let (stock, held, sold) = (int(&row, "stock")?, int(&row, "held")?, int(&row, "sold")?);
            let (claims_held, claims_sold) = (int(&row, "claims_held")?, int(&row, "claims_sold")?);
            if (held, sold) != (claims_held, claims_sold) || held < 0 || sold < 0 || held + sold > stock {
                let id = super::id(&row, "id")?;
                report.disagreement = Some(format!(
                    "promotion {id}: counters say stock {stock}, held {held}, sold {sold}; its claims say held \
                     {claims_held}, sold {claims_sold}"
                ));
                break;
            }
        }
        drop(found);
        if report.disagreement.is_none() {
            report.disagreement = audit_keys(&mut snapshot).await?;
        }
        if report.disagreement.is_none() {
            report.disagreement = super::audit::audit_limits(&mut snapshot).await?;
        }
        Ok(report)
    }
}

/// A key that was accepted twice, or a claim whose promotion is not there.
async fn audit_keys(connection: &mut super::DbConnection) -> Result<Option<String>, PortError> {
    let twice = sqlx::query(
        "SELECT promotion_id, user_id, COUNT(*) AS times FROM claims \
         GROUP BY promotion_id, user_id, idempotency_key HAVING COUNT(*) > 1 LIMIT 1",
    )
    .fetch_optional(&mut *connection)
    .await
    .map_err(certain)?;
    if let Some(row) = twice {
        return Ok(Some(format!(
            "promotion {}: user {} has {} claims with one idempotency key",
            super::id(&row, "promotion_id")?,
            super::id(&row, "user_id")?,
            int(&row, "times")?
        )));
    }
    let orphan = sqlx::query(
        "SELECT c.id, c.promotion_id FROM claims c LEFT JOIN promotions p ON p.id = c.promotion_id \
         WHERE p.id IS NULL LIMIT 1",
    )
    .fetch_optional(&mut *connection)
    .await
    .map_err(certain)?;
    orphan
        .map(|row| {
            let (claim, promotion) = (super::id(&row, "id")?, super::id(&row, "promotion_id")?);
            Ok(format!("claim {claim}: there is no promotion {promotion}"))
        })
        .transpose()
}

impl Store for Adapter {
    fn commit(&self, batch: Vec<Arc<Commit>>) -> Answer<'_, Result<Committed, PortError>> {
        Box::pin(self.commit_batch(batch))
    }

    fn load(&self, id: PromotionId) -> Answer<'_, Result<Option<Loaded>, PortError>> {
        Box::pin(self.take_over(id))
    }

    fn wakeful(
        &self,
        horizon: UnixMillis,
        after: Option<PromotionId>,
        limit: u32,
    ) -> Answer<'_, Result<Vec<Wakeful>, PortError>> {
        Box::pin(self.find_wakeful(horizon, after, limit))
    }

    fn peek(&self, id: PromotionId) -> Answer<'_, Result<Option<PromotionRecord>, PortError>> {
        Box::pin(self.fetch_promotion(id))
    }

    fn locate_claim(&self, id: ClaimId) -> Answer<'_, Result<Option<(PromotionId, UserId)>, PortError>> {
        Box::pin(async move {
            let row = sqlx::query("SELECT promotion_id, user_id FROM claims WHERE id = $1")
                .bind(id.0)
                .fetch_optional(self.reader())
                .await
                .map_err(certain)?;
            row.map(|row| {
                Ok((PromotionId(super::id(&row, "promotion_id")?), UserId(super::id(&row, "user_id")?)))
            })
            .transpose()
        })
    }

    fn outbox_waiting(&self, limit: u32) -> Answer<'_, Result<Vec<OutboxEvent>, PortError>> {
        Box::pin(self.fetch_outbox(limit))
    }

    /// What was handed over is not kept, so the time of it isn't either.
    fn outbox_done(&self, ids: Vec<EventId>, _at: UnixMillis) -> Answer<'_, Result<(), PortError>> {
        Box::pin(async move {
            let mut query = sqlx::QueryBuilder::<super::Db>::new("DELETE FROM outbox WHERE id IN (");
            let mut list = query.separated(", ");
            for id in &ids {
                list.push_bind(id.0);
            }
            query.push(")");
            if !ids.is_empty() {
                query.build().execute(&mut *self.writer().await?).await.map_err(unsure)?;
            }
            Ok(())
        })
    }

    fn audit(&self) -> Answer<'_, Result<AuditReport, PortError>> {
        Box::pin(self.run_audit())
    }

    fn ping(&self) -> Answer<'_, Result<(), PortError>> {
        Box::pin(async move {
            // Takes the writer's place in the queue: an answer means that a write would get through.
            sqlx::query("SELECT 1").execute(&mut *self.writer().await?).await.map_err(certain)?;
            Ok(())
        })
    }
}
