//! Promotions, series and claims as documents, in SQL that both databases understand. Compiled once per driver.

use super::rows::{self, CLAIM, PROMOTION, SERIES, int};
use super::{Adapter, DbTransaction, OWN_CLAIMS, certain, unsure};
use flash_actors::ports::catalogue::*;
use flash_actors::ports::store::OutboxEvent;
use flash_actors::ports::{KeyUse, Page, PortError};
use flash_domain::claim::{Claim, ClaimStatus};
use flash_domain::code;
use flash_domain::geo::SessionCells;
use flash_domain::ids::*;
use flash_domain::promotion::{PromotionRecord, Status};
use flash_domain::time::UnixMillis;
use sqlx::{AssertSqlSafe, QueryBuilder};
use uuid::Uuid;

const INSERT_PROMOTION: &str = "INSERT INTO promotions (id, series_id, series_date, store_id, store_name, store_lat, \
     store_lng, cell_8, cell_6, cell_4, product_id, product_name, product_image_url, price_amount, currency, \
     original_amount, stock, per_shopper_limit, starts_at, ends_at, reach_m, claim_within_m, hold_seconds, segments, \
     category, status, held, sold, v, decided_at, created_at, search_text, epoch, commit_seq) SELECT $1, $2, $3, s.id, $5, $6, $7, \
     $8, $9, $10, p.id, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, \
     $31, $32, 0, 0 FROM stores s, products p WHERE s.id = $4 AND s.deleted_at IS NULL AND p.id = $11 \
     AND p.deleted_at IS NULL AND p.store_id = s.id";

async fn insert_promotion(
    transaction: &mut DbTransaction<'_>,
    record: PromotionRecord,
    series_date: Option<String>,
) -> Result<bool, PortError> {
    let [cell_8, cell_6, cell_4] =
        SessionCells::of(record.store.location).as_array().map(|cell| u64::from(cell) as i64);
    let (terms, counters) = (record.terms, record.counters);
    let search_text = format!("{}\n{}", record.product.name.to_lowercase(), record.store.name.to_lowercase());
    // Store and product are locked: they can't be deleted until this is committed.
    let sql = format!(
        "{INSERT_PROMOTION}{} ON CONFLICT (series_id, series_date) DO NOTHING",
        super::FOR_SHARE_OF_SP
    );
    let done = sqlx::query(AssertSqlSafe(sql))
        .bind(record.id.0)
        .bind(record.series_id.map(|id| id.0))
        .bind(series_date)
        .bind(record.store.id.0)
        .bind(record.store.name)
        .bind(record.store.location.lat())
        .bind(record.store.location.lng())
        .bind(cell_8)
        .bind(cell_6)
        .bind(cell_4)
        .bind(record.product.id.0)
        .bind(record.product.name)
        .bind(record.product.image_url)
        .bind(terms.price.amount)
        .bind(terms.price.currency.as_str().to_owned())
        .bind(terms.original_price.amount)
        .bind(i64::from(terms.stock))
        .bind(terms.per_shopper_limit.map(i64::from))
        .bind(terms.starts_at.0)
        .bind(terms.ends_at.0)
        .bind(i64::from(terms.reach_m))
        .bind(terms.claim_within_m.map(i64::from))
        .bind(i64::from(terms.hold_seconds))
        .bind(i64::from(terms.segments.bits()))
        .bind(terms.category)
        .bind(i64::from(counters.status.as_i16()))
        .bind(i64::from(counters.held))
        .bind(i64::from(counters.sold))
        .bind(counters.v as i64)
        .bind(counters.decided_at.0)
        .bind(record.created_at.0)
        .bind(search_text)
        .execute(&mut **transaction)
        .await
        .map_err(certain)?;
    Ok(done.rows_affected() == 1)
}

/// Writes events to the outbox within a transaction.
pub(super) async fn insert_events(
    transaction: &mut super::DbConnection,
    events: Vec<OutboxEvent>,
) -> Result<(), PortError> {
    for event in events {
        let text = serde_json::to_string(&event.event).map_err(|_| rows::corrupt("event"))?;
        sqlx::query(
            "INSERT INTO outbox (id, promotion_id, v, event, created_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(event.id.0)
        .bind(event.promotion_id.0)
        .bind(event.v as i64)
        .bind(text)
        .bind(event.created_at.0)
        .execute(&mut *transaction)
        .await
        .map_err(certain)?;
    }
    Ok(())
}

impl Adapter {
    pub(super) async fn insert_launch(
        &self,
        record: PromotionRecord,
        series_date: Option<String>,
        events: Vec<OutboxEvent>,
        key: Option<KeyUse>,
    ) -> Result<Created, PortError> {
        let mut transaction = self.begin().await?;
        if let Some(before) = super::keys::claim_key(&mut transaction, key).await? {
            return Ok(Created::Before(before));
        }
        let series = record.series_id.zip(series_date.clone());
        if let Some((id, date)) = &series
            && !super::occurrences::is_due(&mut transaction, &record, *id, date).await?
        {
            return Ok(Created::Conflict);
        }
        if !insert_promotion(&mut transaction, record, series_date).await? {
            return Ok(Created::Conflict);
        }
        if let Some((id, date)) = series {
            sqlx::query("UPDATE series SET last_date = $2 WHERE id = $1")
                .bind(id.0)
                .bind(date)
                .execute(&mut *transaction)
                .await
                .map_err(certain)?;
        }
        insert_events(&mut transaction, events).await?;
        transaction.commit().await.map_err(unsure)?;
        Ok(Created::Fresh)
    }

    pub(super) async fn insert_series(
        &self,
        series: SeriesRow,
        first: Option<(PromotionRecord, String)>,
        events: Vec<OutboxEvent>,
        key: Option<KeyUse>,
    ) -> Result<Created, PortError> {
        let mut transaction = self.begin().await?;
        if let Some(before) = super::keys::claim_key(&mut transaction, key).await? {
            return Ok(Created::Before(before));
        }
        let sql = format!(
            "SELECT 1 FROM stores s, products p WHERE s.id = $1 AND s.deleted_at IS NULL AND p.id = $2 \
             AND p.deleted_at IS NULL AND p.store_id = s.id{}",
            super::FOR_SHARE_OF_SP
        );
        let there = sqlx::query(AssertSqlSafe(sql)).bind(series.store_id.0).bind(series.product_id.0);
        if there.fetch_all(&mut *transaction).await.map_err(certain)?.is_empty() {
            return Ok(Created::Conflict);
        }
        let terms = series.terms;
        let window = serde_json::to_string(&series.window).map_err(|_| rows::corrupt("daily_window"))?;
        let last_date = first.as_ref().map(|(_, date)| date.clone()).or(series.last_date);
        sqlx::query(
            "INSERT INTO series (id, store_id, product_id, price_amount, currency, original_amount, stock, \
             per_shopper_limit, reach_m, claim_within_m, hold_seconds, segments, category, daily_window, last_date, \
             cancelled, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        )
        .bind(series.id.0)
        .bind(series.store_id.0)
        .bind(series.product_id.0)
        .bind(terms.price.amount)
        .bind(terms.price.currency.as_str().to_owned())
        .bind(terms.original_price.amount)
        .bind(i64::from(terms.stock))
        .bind(terms.per_shopper_limit.map(i64::from))
        .bind(i64::from(terms.reach_m))
        .bind(terms.claim_within_m.map(i64::from))
        .bind(i64::from(terms.hold_seconds))
        .bind(i64::from(terms.segments.bits()))
        .bind(terms.category)
        .bind(window)
        .bind(last_date)
        .bind(series.cancelled)
        .bind(series.created_at.0)
        .execute(&mut *transaction)
        .await
        .map_err(certain)?;
        if let Some((record, date)) = first
            && !insert_promotion(&mut transaction, record, Some(date)).await?
        {
            return Ok(Created::Conflict);
        }
        insert_events(&mut transaction, events).await?;
        transaction.commit().await.map_err(unsure)?;
        Ok(Created::Fresh)
    }

    pub(super) async fn fetch_series(&self, id: SeriesId) -> Result<Option<SeriesRow>, PortError> {
        let sql = format!("SELECT {SERIES} FROM series WHERE id = $1");
        let row = sqlx::query(AssertSqlSafe(sql)).bind(id.0).fetch_optional(self.reader()).await;
        row.map_err(certain)?.as_ref().map(rows::series).transpose()
    }

    pub(super) async fn change_series(&self, series: SeriesRow) -> Result<bool, PortError> {
        let window = serde_json::to_string(&series.window).map_err(|_| rows::corrupt("daily_window"))?;
        let terms = series.terms;
        let done = sqlx::query(
            "UPDATE series SET price_amount = $2, currency = $3, original_amount = $4, stock = $5, \
             per_shopper_limit = $6, reach_m = $7, claim_within_m = $8, hold_seconds = $9, segments = $10, \
             category = $11, daily_window = $12, cancelled = $13 WHERE id = $1",
        )
        .bind(series.id.0)
        .bind(terms.price.amount)
        .bind(terms.price.currency.as_str().to_owned())
        .bind(terms.original_price.amount)
        .bind(i64::from(terms.stock))
        .bind(terms.per_shopper_limit.map(i64::from))
        .bind(i64::from(terms.reach_m))
        .bind(terms.claim_within_m.map(i64::from))
        .bind(i64::from(terms.hold_seconds))
        .bind(i64::from(terms.segments.bits()))
        .bind(terms.category)
        .bind(window)
        .bind(series.cancelled)
        .execute(&mut *self.writer().await?)
        .await
        .map_err(unsure)?;
        Ok(done.rows_affected() == 1)
    }

    pub(super) async fn fetch_running_series(
        &self,
        after: Option<SeriesId>,
        limit: u32,
    ) -> Result<Vec<SeriesRow>, PortError> {
        let sql = format!("SELECT {SERIES} FROM series WHERE NOT cancelled AND id > $1 ORDER BY id LIMIT $2");
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(after.map_or(Uuid::nil(), |id| id.0))
            .bind(i64::from(limit))
            .fetch_all(self.reader())
            .await
            .map_err(certain)?;
        found.iter().map(rows::series).collect()
    }

    pub(super) async fn drop_draft(&self, id: PromotionId) -> Result<bool, PortError> {
        let done = sqlx::query("DELETE FROM promotions WHERE id = $1 AND status = 0")
            .bind(id.0)
            .execute(&mut *self.writer().await?)
            .await
            .map_err(unsure)?;
        Ok(done.rows_affected() == 1)
    }

    pub(super) async fn fetch_promotion(
        &self,
        id: PromotionId,
    ) -> Result<Option<PromotionRecord>, PortError> {
        let sql = format!("SELECT {PROMOTION} FROM promotions WHERE id = $1");
        let row = sqlx::query(AssertSqlSafe(sql)).bind(id.0).fetch_optional(self.reader()).await;
        row.map_err(certain)?.as_ref().map(rows::promotion).transpose()
    }

    pub(super) async fn fetch_promotions(
        &self,
        filter: PromotionFilter,
        now: UnixMillis,
        before: Option<PromotionId>,
        limit: u32,
    ) -> Result<Page<PromotionRecord>, PortError> {
        let mut query =
            QueryBuilder::<super::Db>::new(format!("SELECT {PROMOTION} FROM promotions WHERE 1 = 1"));
        push_filter(&mut query, &filter, now);
        if let Some(before) = before {
            query.push(" AND id < ").push_bind(before.0);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(limit) + 1);
        let found = query.build().fetch_all(self.reader()).await.map_err(certain)?;
        super::page(found, limit, rows::promotion)
    }

    pub(super) async fn fetch_claim(&self, id: ClaimId) -> Result<Option<Claim>, PortError> {
        let sql = format!("SELECT {CLAIM} FROM claims WHERE id = $1");
        let row = sqlx::query(AssertSqlSafe(sql)).bind(id.0).fetch_optional(self.reader()).await;
        row.map_err(certain)?.as_ref().map(rows::claim).transpose()
    }

    pub(super) async fn fetch_claims_of(
        &self,
        user: UserId,
        key: Option<String>,
        before: Option<ClaimId>,
        limit: u32,
    ) -> Result<Page<Claim>, PortError> {
        let sql = format!(
            "SELECT {CLAIM} FROM claims WHERE {OWN_CLAIMS} AND id < $3 \
             AND ($4 IS NULL OR idempotency_key = $4) ORDER BY id DESC LIMIT $5"
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(user.0)
            .bind(self.recent_claims(user.0).await?)
            .bind(before.map_or(Uuid::max(), |id| id.0))
            .bind(key)
            .bind(i64::from(limit) + 1)
            .fetch_all(self.reader())
            .await
            .map_err(certain)?;
        super::page(found, limit, rows::claim)
    }

    pub(super) async fn fetch_open_claims(&self, user: UserId, limit: u32) -> Result<Vec<Claim>, PortError> {
        let sql = format!(
            "SELECT {CLAIM} FROM claims WHERE {OWN_CLAIMS} AND status IN (0, 1) ORDER BY id DESC LIMIT $3"
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(user.0)
            .bind(self.recent_claims(user.0).await?)
            .bind(i64::from(limit))
            .fetch_all(self.reader())
            .await
            .map_err(certain)?;
        found.iter().map(rows::claim).collect()
    }

    pub(super) async fn fetch_claims_on(
        &self,
        promotion: PromotionId,
        order: Order,
        after: Option<ClaimId>,
        limit: u32,
    ) -> Result<Page<(Claim, String)>, PortError> {
        let (beyond, direction, begin) = match order {
            Order::Oldest => (">", "ASC", Uuid::nil()),
            Order::Newest => ("<", "DESC", Uuid::max()),
        };
        let columns =
            CLAIM.split(", ").map(|column| format!("c.{}", column.trim())).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT {columns}, u.display_name FROM claims c JOIN users u ON u.id = c.user_id \
             WHERE c.promotion_id = $1 AND c.id {beyond} $2 ORDER BY c.id {direction} LIMIT $3"
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(promotion.0)
            .bind(after.map_or(begin, |id| id.0))
            .bind(i64::from(limit) + 1)
            .fetch_all(self.reader())
            .await
            .map_err(certain)?;
        super::page(found, limit, |row| Ok((rows::claim(row)?, rows::text(row, "display_name")?)))
    }

    pub(super) async fn count_claims(&self, promotion: PromotionId) -> Result<Vec<StatusCount>, PortError> {
        let found = sqlx::query(
            "SELECT status, COUNT(*) AS claims, CAST(SUM(quantity) AS BIGINT) AS units FROM claims \
             WHERE promotion_id = $1 GROUP BY status ORDER BY status",
        )
        .bind(promotion.0)
        .fetch_all(self.reader())
        .await
        .map_err(certain)?;
        let count = |row| {
            let status = i16::try_from(int(row, "status")?).ok().and_then(ClaimStatus::from_i16);
            Ok(StatusCount {
                status: status.ok_or_else(|| rows::corrupt("status"))?,
                claims: int(row, "claims")? as u64,
                units: int(row, "units")? as u64,
            })
        };
        found.iter().map(count).collect()
    }

    pub(super) async fn fetch_claim_by_code(
        &self,
        store: StoreId,
        code: &str,
        now: UnixMillis,
    ) -> Result<Option<Claim>, PortError> {
        // Codes and ids begin with the moment they were made.
        for at in code::moments(code, now) {
            let (from, to) = (first_id_of(at), first_id_of(at.plus_ms(1)));
            let sql = format!(
                "SELECT {CLAIM} FROM claims WHERE id >= $1 AND id < $2 AND store_id = $3 AND redemption_code = $4 \
                 LIMIT 1"
            );
            let query = sqlx::query(AssertSqlSafe(sql)).bind(from).bind(to).bind(store.0).bind(code);
            if let Some(row) = query.fetch_optional(self.reader()).await.map_err(certain)? {
                return rows::claim(&row).map(Some);
            }
        }
        let sql = format!(
            "SELECT {CLAIM} FROM claims WHERE id = (SELECT claim_id FROM codes_before \
             WHERE store_id = $1 AND redemption_code = $2)"
        );
        let row =
            sqlx::query(AssertSqlSafe(sql)).bind(store.0).bind(code).fetch_optional(self.reader()).await;
        row.map_err(certain)?.as_ref().map(rows::claim).transpose()
    }
}

/// The least UUIDv7 of a moment.
fn first_id_of(at: UnixMillis) -> Uuid {
    Uuid::from_u128((at.0.max(0) as u128) << 80)
}

/// Restricts to what a filter asks for, with the states of now.
pub(super) fn push_filter(query: &mut QueryBuilder<super::Db>, filter: &PromotionFilter, now: UnixMillis) {
    if let Some(store) = filter.store_id {
        query.push(" AND store_id = ").push_bind(store.0);
    }
    if let Some(series) = filter.series_id {
        query.push(" AND series_id = ").push_bind(series.0);
    }
    push_status(query, filter, now);
    if let Some(category) = &filter.category {
        query.push(" AND category = ").push_bind(category.clone());
    }
    if let Some(text) = &filter.text {
        let pattern = format!(
            "%{}%",
            text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
        );
        query.push(" AND search_text LIKE ").push_bind(pattern).push(" ESCAPE '\\'");
    }
}

/// Restricts to promotions that are in a state *now*: a stored one lags behind its start and end.
fn push_status(query: &mut QueryBuilder<super::Db>, filter: &PromotionFilter, now: UnixMillis) {
    let now = now.0;
    match filter.status {
        Some(Status::Draft) => query.push(if filter.drafts { " AND status = 0" } else { " AND 1 = 0" }),
        Some(Status::Scheduled) => query.push(format!(" AND status = 1 AND starts_at > {now}")),
        Some(Status::Live) => query
            .push(format!(" AND (status = 2 OR (status = 1 AND starts_at <= {now})) AND ends_at > {now}")),
        Some(Status::Paused) => query.push(format!(" AND status = 3 AND ends_at > {now}")),
        Some(Status::Ended) => {
            query.push(format!(" AND (status = 4 OR (status IN (1, 2, 3) AND ends_at <= {now}))"))
        }
        Some(Status::Cancelled) => {
            query.push(if filter.drafts { " AND status = 5" } else { " AND status = 5 AND NOT withdrawn" })
        }
        None => query,
    };
    match (filter.status.is_none() && filter.current_only, filter.drafts) {
        (true, true) => query.push(format!(" AND (status = 0 OR status IN (1, 2, 3) AND ends_at > {now})")),
        // Without an OR, so that the index by cell and end serves.
        (true, false) => query.push(format!(" AND status IN (1, 2, 3) AND ends_at > {now}")),
        (false, true) => query,
        (false, false) => query.push(" AND status <> 0 AND NOT withdrawn"),
    };
}
