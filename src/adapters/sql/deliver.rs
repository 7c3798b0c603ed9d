//! Writing a page of a notice's audience: inboxes, log, pushes and the cursor in one transaction. Compiled once per driver.
//!
//! Knows nothing of why somebody is told.

use super::inbox::code;
use super::{Adapter, DbTransaction, certain, unsure};
use flash_actors::ports::PortError;
use flash_actors::ports::inbox::*;
use flash_domain::ids::UserId;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// Channel 0 of the log: the inbox.
const INBOX: i64 = 0;
/// Channel 1 of the log: devices.
const PUSH: i64 = 1;

impl Adapter {
    /// The cursor moves first, which also locks the notice's row; if it was elsewhere, nothing is written.
    pub(super) async fn deliver_page(&self, page: Told) -> Result<Option<Vec<UserId>>, PortError> {
        let mut transaction = self.begin().await?;
        let to = page.to.unwrap_or(page.from);
        let moved = sqlx::query(
            "UPDATE notices SET stage = $4, after = $5, lease_until = $6, finished_at = $7 \
             WHERE id = $1 AND stage = $2 AND after = $3 AND finished_at IS NULL",
        )
        .bind(page.notice.0)
        .bind(i64::from(page.from.stage))
        .bind(page.from.after)
        .bind(i64::from(to.stage))
        .bind(to.after)
        .bind(page.lease_until.0)
        .bind(page.to.is_none().then_some(page.at.0))
        .execute(&mut *transaction)
        .await
        .map_err(certain)?;
        if moved.rows_affected() == 0 {
            return Ok(None);
        }
        let mut fresh = Vec::new();
        for status in [DeliveryStatus::Stored, DeliveryStatus::Quiet] {
            fresh.extend(put_in(&mut transaction, &page, status).await?);
        }
        for status in
            [DeliveryStatus::Stored, DeliveryStatus::Quiet, DeliveryStatus::Muted, DeliveryStatus::Capped]
        {
            log(&mut transaction, &page, INBOX, status, &with_status(&page, status)).await?;
        }
        queue_pushes(&mut transaction, &page, &fresh).await?;
        if !fresh.is_empty() {
            sqlx::query("UPDATE notices SET told = told + $2 WHERE id = $1")
                .bind(page.notice.0)
                .bind(fresh.len() as i64)
                .execute(&mut *transaction)
                .await
                .map_err(certain)?;
        }
        transaction.commit().await.map_err(unsure)?;
        Ok(Some(fresh))
    }
}

fn with_status(page: &Told, status: DeliveryStatus) -> Vec<Uuid> {
    page.verdicts.iter().filter(|verdict| verdict.status == status).map(|verdict| verdict.user_id.0).collect()
}

/// `$3, $4, …`, each within `before` and `after`, separated by commas.
fn places(count: usize, before: &str, after: &str) -> String {
    let one = |nth: usize| format!("{before}${}{after}", nth + 3);
    (0..count).map(one).collect::<Vec<_>>().join(", ")
}

/// Puts the notice into inboxes; the people who did not have it.
async fn put_in(
    transaction: &mut DbTransaction<'_>,
    page: &Told,
    status: DeliveryStatus,
) -> Result<Vec<UserId>, PortError> {
    let people = with_status(page, status);
    if people.is_empty() {
        return Ok(Vec::new());
    }
    let counted = if status == DeliveryStatus::Stored { "TRUE" } else { "FALSE" };
    let sql = format!(
        "INSERT INTO inbox (user_id, notice_id, created_at, counted) VALUES {} \
         ON CONFLICT (user_id, notice_id) DO NOTHING RETURNING user_id",
        places(people.len(), "(", &format!(", $1, $2, {counted})"))
    );
    let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(page.notice.0).bind(page.at.0);
    for person in people {
        query = query.bind(person);
    }
    let found = query.fetch_all(&mut **transaction).await.map_err(certain)?;
    found.iter().map(|row| Ok(UserId(super::id(row, "user_id")?))).collect()
}

async fn log(
    transaction: &mut DbTransaction<'_>,
    page: &Told,
    channel: i64,
    status: DeliveryStatus,
    people: &[Uuid],
) -> Result<(), PortError> {
    if people.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO deliveries (notice_id, user_id, channel, status, at) VALUES {} \
         ON CONFLICT (notice_id, user_id, channel) DO NOTHING",
        places(people.len(), "($1, ", &format!(", {channel}, {}, $2)", code(status)))
    );
    let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(page.notice.0).bind(page.at.0);
    for person in people {
        query = query.bind(*person);
    }
    query.execute(&mut **transaction).await.map_err(certain)?;
    Ok(())
}

/// A push for every device of those who are to hear of it, once.
async fn queue_pushes(
    transaction: &mut DbTransaction<'_>,
    page: &Told,
    fresh: &[UserId],
) -> Result<(), PortError> {
    let fresh: std::collections::HashSet<&UserId> = fresh.iter().collect();
    let rings = page.verdicts.iter().filter(|verdict| verdict.push && fresh.contains(&verdict.user_id));
    let people: Vec<Uuid> = rings.map(|verdict| verdict.user_id.0).collect();
    if people.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO pushes (notice_id, device_id, user_id, tries, due_at) SELECT $1, id, user_id, 0, $2 FROM devices \
         WHERE disabled_at IS NULL AND user_id IN ({}) ON CONFLICT (notice_id, device_id) DO NOTHING \
         RETURNING user_id",
        places(people.len(), "", "")
    );
    let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(page.notice.0).bind(page.at.0);
    for person in people {
        query = query.bind(person);
    }
    let found = query.fetch_all(&mut **transaction).await.map_err(certain)?;
    let mut queued = found.iter().map(|row| super::id(row, "user_id")).collect::<Result<Vec<_>, _>>()?;
    queued.sort_unstable();
    queued.dedup();
    log(transaction, page, PUSH, DeliveryStatus::Queued, &queued).await
}
