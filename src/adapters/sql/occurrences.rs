//! Occurrences of series and their local dates, in SQL that both databases understand. Compiled once per driver.

use super::rows::{self, SERIES, text_or_null};
use super::{Adapter, DbTransaction, certain, unsure};
use flash_actors::ports::PortError;
use flash_domain::ids::{PromotionId, SeriesId};
use flash_domain::promotion::PromotionRecord;
use flash_domain::series::LocalDate;
use flash_domain::terms::Terms;
use flash_domain::time::UnixMillis;
use sqlx::AssertSqlSafe;

/// Whether an occurrence is still what its series would have on that date. The series is locked: an edit or its end waits
/// until the occurrence is committed, and then finds it; one that came first makes this `false`.
pub(super) async fn is_due(
    transaction: &mut DbTransaction<'_>,
    record: &PromotionRecord,
    series: SeriesId,
    date: &str,
) -> Result<bool, PortError> {
    let sql = format!("SELECT {SERIES} FROM series WHERE id = $1 AND NOT cancelled{}", super::FOR_UPDATE);
    let row = sqlx::query(AssertSqlSafe(sql)).bind(series.0).fetch_optional(&mut **transaction).await;
    let Some(row) = row.map_err(certain)? else { return Ok(false) };
    let series = rows::series(&row)?;
    let window = date.parse::<LocalDate>().ok().and_then(|date| series.window.occurrence_on(date));
    let bare = Terms { starts_at: UnixMillis(0), ends_at: UnixMillis(0), ..record.terms.clone() };
    Ok(bare == series.terms && window == Some((record.terms.starts_at, record.terms.ends_at)))
}

impl Adapter {
    pub(super) async fn fetch_last_date_but(
        &self,
        series: SeriesId,
        promotion: PromotionId,
    ) -> Result<Option<String>, PortError> {
        let row = sqlx::query(
            "SELECT MAX(series_date) AS last_date FROM promotions WHERE series_id = $1 AND id <> $2",
        )
        .bind(series.0)
        .bind(promotion.0)
        .fetch_one(self.reader())
        .await
        .map_err(certain)?;
        text_or_null(&row, "last_date")
    }

    pub(super) async fn change_date(
        &self,
        series: SeriesId,
        promotion: PromotionId,
        date: &str,
    ) -> Result<bool, PortError> {
        let mut transaction = self.begin().await?;
        let done = sqlx::query("UPDATE promotions SET series_date = $3 WHERE id = $1 AND series_id = $2")
            .bind(promotion.0)
            .bind(series.0)
            .bind(date)
            .execute(&mut *transaction)
            .await
            .map_err(certain)?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query("UPDATE series SET last_date = $2 WHERE id = $1")
            .bind(series.0)
            .bind(date)
            .execute(&mut *transaction)
            .await
            .map_err(certain)?;
        transaction.commit().await.map_err(unsure)?;
        Ok(true)
    }
}
