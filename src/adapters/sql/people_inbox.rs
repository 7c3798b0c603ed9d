//! People's inboxes, devices, pushes and the numbers of deliveries, in SQL that both databases understand. Compiled once per
//! driver.

use super::inbox::{cells, code, notice, push_ids};
use super::rows::{self, int, int_or_null, text, text_or_null};
use super::{Adapter, Db, DbRow, certain, unsure};
use flash_actors::ports::catalogue::Created;
use flash_actors::ports::inbox::*;
use flash_actors::ports::{KeyUse, Page, PortError};
use flash_domain::geo::Location;
use flash_domain::ids::{EventId, StoreId, UserId};
use flash_domain::notice::NoticeKind;
use flash_domain::time::UnixMillis;
use sqlx::{AssertSqlSafe, QueryBuilder, Row};
use std::collections::BTreeMap;
use uuid::Uuid;

const DAY_MS: i64 = 86_400_000;

impl Adapter {
    pub(super) async fn fetch_items(
        &self,
        user: UserId,
        unread_only: bool,
        before: Option<EventId>,
        limit: u32,
    ) -> Result<Page<InboxItem>, PortError> {
        let unread = if unread_only { "AND i.read_at IS NULL " } else { "" };
        let sql = format!(
            "SELECT n.content, i.created_at, i.read_at FROM inbox i JOIN notices n ON n.id = i.notice_id \
             WHERE i.user_id = $1 AND i.notice_id < $2 {unread}ORDER BY i.notice_id DESC LIMIT $3"
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(user.0)
            .bind(before.map_or(Uuid::max(), |id| id.0))
            .bind(i64::from(limit) + 1)
            .fetch_all(self.reader())
            .await
            .map_err(certain)?;
        super::page(found, limit, |row: &DbRow| {
            Ok(InboxItem {
                notice: notice(row)?,
                created_at: UnixMillis(int(row, "created_at")?),
                read_at: int_or_null(row, "read_at")?.map(UnixMillis),
            })
        })
    }

    pub(super) async fn count_unread(&self, user: UserId) -> Result<u64, PortError> {
        let row = sqlx::query("SELECT COUNT(*) AS unread FROM inbox WHERE user_id = $1 AND read_at IS NULL")
            .bind(user.0)
            .fetch_one(self.reader())
            .await
            .map_err(certain)?;
        Ok(int(&row, "unread")? as u64)
    }

    pub(super) async fn set_read(
        &self,
        user: UserId,
        which: ReadWhich,
        at: UnixMillis,
    ) -> Result<(), PortError> {
        let mut query = QueryBuilder::<Db>::new("UPDATE inbox SET read_at = ");
        query.push_bind(at.0).push(" WHERE user_id = ").push_bind(user.0).push(" AND read_at IS NULL");
        if let ReadWhich::Ids(ids) = which {
            if ids.is_empty() {
                return Ok(());
            }
            query.push(" AND notice_id IN ");
            push_ids(&mut query, ids.into_iter().map(|id| id.0));
        }
        query.push(" RETURNING notice_id");
        let mut transaction = self.begin().await?;
        let read = query.build().fetch_all(&mut *transaction).await.map_err(certain)?;
        if !read.is_empty() {
            let ids = read.iter().map(|row| super::id(row, "notice_id")).collect::<Result<Vec<_>, _>>()?;
            let mut seen = QueryBuilder::<Db>::new("UPDATE deliveries SET status = ");
            seen.push_bind(code(DeliveryStatus::Delivered)).push(" WHERE channel = 0 AND status = ");
            seen.push_bind(code(DeliveryStatus::Stored)).push(" AND user_id = ").push_bind(user.0);
            seen.push(" AND notice_id IN ");
            push_ids(&mut seen, ids);
            seen.build().execute(&mut *transaction).await.map_err(certain)?;
        }
        transaction.commit().await.map_err(unsure)
    }

    pub(super) async fn find_device(&self, user: UserId, token: String) -> Result<Option<Uuid>, PortError> {
        let row = sqlx::query("SELECT id FROM devices WHERE token = $1 AND user_id = $2")
            .bind(token)
            .bind(user.0)
            .fetch_optional(self.reader())
            .await
            .map_err(certain)?;
        row.map(|row| super::id(&row, "id")).transpose()
    }

    /// A token belongs to whoever registered it last: a phone that changes hands does not tell its former owner's news.
    pub(super) async fn put_device(&self, device: Device, key: Option<KeyUse>) -> Result<Created, PortError> {
        let mut transaction = self.begin().await?;
        if let Some(before) = super::keys::claim_key(&mut transaction, key).await? {
            return Ok(Created::Before(before));
        }
        sqlx::query(
            "DELETE FROM pushes WHERE device_id IN (SELECT id FROM devices WHERE token = $1 AND id <> $2)",
        )
        .bind(device.token.clone())
        .bind(device.id)
        .execute(&mut *transaction)
        .await
        .map_err(certain)?;
        sqlx::query(
            "INSERT INTO devices (id, user_id, platform, token, endpoint_arn, created_at, disabled_at) \
             VALUES ($1, $2, $3, $4, NULL, $5, NULL) ON CONFLICT (token) DO UPDATE SET id = excluded.id, \
             user_id = excluded.user_id, platform = excluded.platform, disabled_at = NULL",
        )
        .bind(device.id)
        .bind(device.user_id.0)
        .bind(device.platform)
        .bind(device.token)
        .bind(device.created_at.0)
        .execute(&mut *transaction)
        .await
        .map_err(certain)?;
        transaction.commit().await.map_err(unsure)?;
        Ok(Created::Fresh)
    }

    pub(super) async fn delete_device(&self, user: UserId, id: Uuid) -> Result<bool, PortError> {
        let mut transaction = self.begin().await?;
        let done = sqlx::query("DELETE FROM devices WHERE id = $1 AND user_id = $2")
            .bind(id)
            .bind(user.0)
            .execute(&mut *transaction)
            .await
            .map_err(certain)?;
        if done.rows_affected() > 0 {
            sqlx::query("DELETE FROM pushes WHERE device_id = $1")
                .bind(id)
                .execute(&mut *transaction)
                .await
                .map_err(certain)?;
        }
        transaction.commit().await.map_err(unsure)?;
        Ok(done.rows_affected() > 0)
    }

    pub(super) async fn take_pushes(
        &self,
        now: UnixMillis,
        until: UnixMillis,
        limit: u32,
    ) -> Result<Vec<Push>, PortError> {
        let found = sqlx::query(
            "SELECT n.content, p.tries, p.device_id, p.user_id, d.platform, d.token, d.endpoint_arn, d.created_at, \
             u.language FROM pushes p JOIN notices n ON n.id = p.notice_id JOIN devices d ON d.id = p.device_id \
             JOIN users u ON u.id = p.user_id WHERE p.due_at <= $1 ORDER BY p.due_at, p.notice_id LIMIT $2",
        )
        .bind(now.0)
        .bind(i64::from(limit))
        .fetch_all(self.reader())
        .await
        .map_err(certain)?;
        let mut pushes = Vec::new();
        for row in &found {
            let push = push(row)?;
            let taken = sqlx::query(
                "UPDATE pushes SET due_at = $3, tries = tries + 1 WHERE notice_id = $1 AND device_id = $2 AND due_at <= $4",
            )
            .bind(push.notice.id.0)
            .bind(push.device.id)
            .bind(until.0)
            .bind(now.0)
            .execute(&mut *self.writer().await?)
            .await
            .map_err(unsure)?;
            if taken.rows_affected() == 1 {
                pushes.push(push);
            }
        }
        Ok(pushes)
    }

    /// A push that was given up gives the person's number for the day back, unless another device got it.
    pub(super) async fn settle_push(
        &self,
        notice: EventId,
        device: Uuid,
        endpoint: Option<String>,
        outcome: PushOutcome,
        at: UnixMillis,
    ) -> Result<(), PortError> {
        let mut transaction = self.begin().await?;
        if let Some(endpoint) = endpoint {
            sqlx::query("UPDATE devices SET endpoint_arn = $2 WHERE id = $1")
                .bind(device)
                .bind(endpoint)
                .execute(&mut *transaction)
                .await
                .map_err(certain)?;
        }
        if let PushOutcome::Later(due_at) = outcome {
            sqlx::query("UPDATE pushes SET due_at = $3 WHERE notice_id = $1 AND device_id = $2")
                .bind(notice.0)
                .bind(device)
                .bind(due_at.0)
                .execute(&mut *transaction)
                .await
                .map_err(certain)?;
            return transaction.commit().await.map_err(unsure);
        }
        let found =
            sqlx::query("DELETE FROM pushes WHERE notice_id = $1 AND device_id = $2 RETURNING user_id")
                .bind(notice.0)
                .bind(device)
                .fetch_all(&mut *transaction)
                .await
                .map_err(certain)?;
        if outcome == PushOutcome::Disabled {
            sqlx::query("UPDATE devices SET disabled_at = $2, endpoint_arn = NULL WHERE id = $1")
                .bind(device)
                .bind(at.0)
                .execute(&mut *transaction)
                .await
                .map_err(certain)?;
        }
        let Some(user) = found.first().map(|row| super::id(row, "user_id")).transpose()? else {
            return transaction.commit().await.map_err(unsure);
        };
        // `sent` stays `sent`: one device that got it is enough.
        let (status, only) = if outcome == PushOutcome::Sent {
            (DeliveryStatus::Sent, "status IN (0, 4)")
        } else {
            (
                DeliveryStatus::Failed,
                "status = 0 AND NOT EXISTS (SELECT 1 FROM pushes WHERE notice_id = $1 AND user_id = $2)",
            )
        };
        let sql = format!(
            "UPDATE deliveries SET status = $3, at = $4 WHERE notice_id = $1 AND user_id = $2 AND channel = 1 AND {only}"
        );
        let logged = sqlx::query(AssertSqlSafe(sql))
            .bind(notice.0)
            .bind(user)
            .bind(code(status))
            .bind(at.0)
            .execute(&mut *transaction)
            .await
            .map_err(certain)?;
        if status == DeliveryStatus::Failed && logged.rows_affected() > 0 {
            sqlx::query("UPDATE inbox SET counted = FALSE WHERE user_id = $1 AND notice_id = $2")
                .bind(user)
                .bind(notice.0)
                .execute(&mut *transaction)
                .await
                .map_err(certain)?;
        }
        transaction.commit().await.map_err(unsure)
    }

    pub(super) async fn count_deliveries(
        &self,
        store: Option<StoreId>,
        since: UnixMillis,
    ) -> Result<DeliveryStats, PortError> {
        let only = if store.is_some() { "AND n.store_id = $2" } else { "" };
        let sql = format!(
            "SELECT n.kind, d.status, d.at / {DAY_MS} AS day, COUNT(*) AS deliveries FROM notices n \
             JOIN deliveries d ON d.notice_id = n.id WHERE n.created_at >= $1 {only} GROUP BY n.kind, d.status, d.at / {DAY_MS}"
        );
        let unique = format!(
            "SELECT COUNT(DISTINCT d.user_id) AS people FROM notices n JOIN deliveries d ON d.notice_id = n.id \
             WHERE n.created_at >= $1 {only}"
        );
        let mut snapshot = self.snapshot().await?;
        let ask = |sql: String| {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(since.0);
            if let Some(store) = store { query.bind(store.0) } else { query }
        };
        let found = ask(sql).fetch_all(&mut *snapshot).await.map_err(certain)?;
        let people = ask(unique).fetch_one(&mut *snapshot).await.map_err(certain)?;
        let (mut statuses, mut days, mut kinds) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut stats =
            DeliveryStats { unique_users: int(&people, "people")? as u64, ..DeliveryStats::default() };
        for row in &found {
            let count = int(row, "deliveries")? as u64;
            let status = DeliveryStatus::ALL.get(int(row, "status")? as usize);
            stats.total += count;
            *statuses.entry(*status.ok_or_else(|| rows::corrupt("status"))?).or_insert(0) += count;
            *days.entry(int(row, "day")?).or_insert(0) += count;
            *kinds.entry(text(row, "kind")?).or_insert(0) += count;
        }
        stats.by_status = statuses.into_iter().collect();
        stats.by_day = days.into_iter().map(|(day, count)| (UnixMillis(day * DAY_MS), count)).collect();
        for (kind, count) in kinds {
            stats.by_kind.push((NoticeKind::parse(&kind).ok_or_else(|| rows::corrupt("kind"))?, count));
        }
        Ok(stats)
    }

    /// One transaction per notice, which may have a hundred thousand people.
    pub(super) async fn delete_notices(&self, before: UnixMillis, limit: u32) -> Result<u64, PortError> {
        let found = sqlx::query(
            "SELECT id FROM notices WHERE created_at < $1 AND finished_at IS NOT NULL ORDER BY created_at LIMIT $2",
        )
        .bind(before.0)
        .bind(i64::from(limit))
        .fetch_all(self.reader())
        .await
        .map_err(certain)?;
        for row in &found {
            let notice = super::id(row, "id")?;
            let mut transaction = self.begin().await?;
            for statement in [
                "DELETE FROM inbox WHERE notice_id = $1 AND user_id IN (SELECT user_id FROM deliveries WHERE notice_id = $1)",
                "DELETE FROM pushes WHERE notice_id = $1",
                "DELETE FROM deliveries WHERE notice_id = $1",
                "DELETE FROM notices WHERE id = $1",
            ] {
                sqlx::query(statement).bind(notice).execute(&mut *transaction).await.map_err(certain)?;
            }
            transaction.commit().await.map_err(unsure)?;
        }
        Ok(found.len() as u64)
    }

    pub(super) async fn fill_cells(&self, limit: u32) -> Result<u64, PortError> {
        let found = sqlx::query(
            "SELECT id, last_lat, last_lng FROM users WHERE last_lat IS NOT NULL AND cell_8 IS NULL ORDER BY id LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.reader())
        .await
        .map_err(certain)?;
        let mut transaction = self.begin().await?;
        for row in &found {
            let read = |column: &str| row.try_get::<f64, _>(column).map_err(|_| rows::corrupt(column));
            let (lat, lng) = (read("last_lat")?, read("last_lng")?);
            let place = Location::new(lat, lng).map_err(|_| rows::corrupt("last_lat"))?;
            let [fine, middle, coarse] = cells(Some(place));
            // Only if the place is still the one that the cells were computed from.
            sqlx::query(
                "UPDATE users SET cell_8 = $2, cell_6 = $3, cell_4 = $4 WHERE id = $1 AND last_lat = $5 AND last_lng = $6",
            )
            .bind(super::id(row, "id")?)
            .bind(fine)
            .bind(middle)
            .bind(coarse)
            .bind(lat)
            .bind(lng)
            .execute(&mut *transaction)
            .await
            .map_err(certain)?;
        }
        transaction.commit().await.map_err(unsure)?;
        Ok(found.len() as u64)
    }
}

fn push(row: &DbRow) -> Result<Push, PortError> {
    Ok(Push {
        notice: notice(row)?,
        device: Device {
            id: super::id(row, "device_id")?,
            user_id: UserId(super::id(row, "user_id")?),
            platform: text(row, "platform")?,
            token: text(row, "token")?,
            endpoint_arn: text_or_null(row, "endpoint_arn")?,
            created_at: UnixMillis(int(row, "created_at")?),
        },
        language: text(row, "language")?,
        tries: int(row, "tries")? as u32,
    })
}
