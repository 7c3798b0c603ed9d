//! Notices, their audience and their delivery, in SQL that both databases understand. Compiled once per driver.
//!
//! Lists of people go into one statement each, so a page costs a handful of statements however many people are on it.

use super::rows::{self, int, text};
use super::{Adapter, Db, DbRow, certain, unsure};
use flash_actors::ports::PortError;
use flash_actors::ports::accounts::Accounts;
use flash_actors::ports::inbox::*;
use flash_domain::event::Event;
use flash_domain::geo::{Location, SessionCells};
use flash_domain::ids::{EventId, PromotionId, StoreId, UserId};
use flash_domain::notice::{Notice, NoticeKind};
use flash_domain::time::UnixMillis;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, QueryBuilder, Row};
use std::collections::HashMap;
use uuid::Uuid;

/// The stored form of a status: its place among all.
pub(super) fn code(status: DeliveryStatus) -> i64 {
    DeliveryStatus::ALL.iter().position(|known| *known == status).unwrap_or_default() as i64
}

/// A notice from its `content`.
pub(super) fn notice(row: &DbRow) -> Result<Notice, PortError> {
    serde_json::from_str(&text(row, "content")?).map_err(|_| rows::corrupt("content"))
}

/// The cells of a place in the order of the columns `cell_8`, `cell_6`, `cell_4`.
pub(super) fn cells(place: Option<Location>) -> [Option<i64>; 3] {
    let cells = place.map(|place| SessionCells::of(place).as_array().map(|cell| u64::from(cell) as i64));
    cells.map_or([None; 3], |cells| cells.map(Some))
}

/// The smallest UUID of version 7 of a moment.
fn first_id(at: UnixMillis) -> Uuid {
    Uuid::from_u128((u128::from(at.0.max(0) as u64) << 80) | (7 << 76))
}

/// Adds `($n, $n+1, …)` with every id.
pub(super) fn push_ids(query: &mut QueryBuilder<Db>, ids: impl IntoIterator<Item = Uuid>) {
    query.push("(");
    let mut list = query.separated(", ");
    for id in ids {
        list.push_bind(id);
    }
    query.push(")");
}

impl Adapter {
    pub(super) async fn insert_notices(&self, notices: Vec<Notice>) -> Result<u64, PortError> {
        if notices.is_empty() {
            return Ok(0);
        }
        let mut query = QueryBuilder::<Db>::new(
            "INSERT INTO notices (id, promotion_id, store_id, kind, content, created_at, stage, after, told, tries, \
             lease_until, finished_at) ",
        );
        let contents = notices.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
        let contents = contents.map_err(|_| rows::corrupt("content"))?;
        query.push_values(notices.iter().zip(contents), |mut row, (notice, content)| {
            row.push_bind(notice.id.0)
                .push_bind(notice.promotion_id.0)
                .push_bind(notice.store_id.0)
                .push_bind(notice.kind.as_str())
                .push_bind(content)
                .push_bind(notice.created_at.0)
                .push("0")
                .push_bind(Uuid::nil())
                .push("0, 0, 0, NULL");
        });
        query.push(" ON CONFLICT (id) DO NOTHING");
        let done = query.build().execute(&mut *self.writer().await?).await.map_err(unsure)?;
        Ok(done.rows_affected())
    }

    pub(super) async fn fetch_latest_notice(
        &self,
        promotion: PromotionId,
        kind: NoticeKind,
    ) -> Result<Option<UnixMillis>, PortError> {
        let row = sqlx::query(
            "SELECT created_at FROM notices WHERE promotion_id = $1 AND kind = $2 ORDER BY id DESC LIMIT 1",
        )
        .bind(promotion.0)
        .bind(kind.as_str())
        .fetch_optional(self.reader())
        .await
        .map_err(certain)?;
        row.map(|row| int(&row, "created_at").map(UnixMillis)).transpose()
    }

    /// A look first: most of the time there is nothing, and looking does not take the writer's place.
    pub(super) async fn lease_notice(
        &self,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<Option<Work>, PortError> {
        let found = sqlx::query(
            "SELECT n.id FROM notices n WHERE n.finished_at IS NULL AND n.lease_until <= $1 AND NOT EXISTS \
             (SELECT 1 FROM notices e WHERE e.promotion_id = n.promotion_id AND e.id < n.id AND e.finished_at IS NULL) \
             ORDER BY n.tries, n.id LIMIT 1",
        )
        .bind(now.0)
        .fetch_optional(self.reader())
        .await
        .map_err(certain)?;
        let Some(found) = found else { return Ok(None) };
        let taken = sqlx::query(
            "UPDATE notices SET lease_until = $2, tries = tries + 1 WHERE id = $3 AND finished_at IS NULL \
             AND lease_until <= $1 RETURNING content, stage, after, tries",
        )
        .bind(now.0)
        .bind(until.0)
        .bind(super::id(&found, "id")?)
        .fetch_all(&mut *self.writer().await?)
        .await
        .map_err(unsure)?;
        let work = |row: &DbRow| {
            Ok(Work {
                notice: notice(row)?,
                cursor: Cursor { stage: int(row, "stage")? as u32, after: super::id(row, "after")? },
                tries: int(row, "tries")? as u32 - 1,
            })
        };
        taken.first().map(work).transpose()
    }

    pub(super) async fn end_leases(&self) -> Result<(), PortError> {
        sqlx::query("UPDATE notices SET lease_until = 0 WHERE finished_at IS NULL")
            .execute(&mut *self.writer().await?)
            .await
            .map_err(unsure)?;
        Ok(())
    }

    pub(super) async fn fetch_audience(&self, ask: AudienceAsk) -> Result<Vec<Candidate>, PortError> {
        let query = match ask.from {
            AudienceFrom::Followers(store) => sqlx::query(
                "SELECT u.id, u.preferences, u.last_lat, u.last_lng FROM store_follows f JOIN users u \
                 ON u.id = f.user_id WHERE f.store_id = $1 AND f.user_id > $2 AND u.forgotten_at IS NULL \
                 ORDER BY f.user_id LIMIT $3",
            )
            .bind(store.0),
            AudienceFrom::Cell { resolution, index } => {
                let sql = format!(
                    "SELECT id, preferences, last_lat, last_lng FROM users WHERE cell_{resolution} = $1 AND id > $2 \
                     AND forgotten_at IS NULL ORDER BY id LIMIT $3"
                );
                sqlx::query(AssertSqlSafe(sql)).bind(index as i64)
            }
        };
        let found = query.bind(ask.after).bind(i64::from(ask.limit)).fetch_all(self.reader()).await;
        let mut people = found.map_err(certain)?.iter().map(candidate).collect::<Result<Vec<_>, _>>()?;
        if !people.is_empty() {
            self.add_told(&mut people, ask.since).await?;
            if ask.segments {
                self.add_segments(&mut people, ask.now).await?;
            }
        }
        Ok(people)
    }

    async fn add_told(&self, people: &mut [Candidate], since: UnixMillis) -> Result<(), PortError> {
        let mut query = QueryBuilder::<Db>::new(
            "SELECT i.user_id, n.created_at, n.store_id FROM inbox i JOIN notices n ON n.id = i.notice_id \
             WHERE i.counted AND i.notice_id >= ",
        );
        query.push_bind(first_id(since)).push(" AND i.user_id IN ");
        push_ids(&mut query, people.iter().map(|person| person.user_id.0));
        let found = query.build().fetch_all(self.reader()).await.map_err(certain)?;
        let mut told: HashMap<Uuid, Vec<(UnixMillis, StoreId)>> = HashMap::new();
        for row in &found {
            let entry = (UnixMillis(int(row, "created_at")?), StoreId(super::id(row, "store_id")?));
            told.entry(super::id(row, "user_id")?).or_default().push(entry);
        }
        for person in people {
            person.told = told.remove(&person.user_id.0).unwrap_or_default();
        }
        Ok(())
    }

    /// One by one: how a person's claims are found is each driver's own, and few promotions ask for segments.
    async fn add_segments(&self, people: &mut [Candidate], now: UnixMillis) -> Result<(), PortError> {
        for person in people {
            person.segment = Some(self.segment(person.user_id, now).await?);
        }
        Ok(())
    }

    pub(super) async fn finish_notice(&self, notice: EventId, at: UnixMillis) -> Result<(), PortError> {
        sqlx::query("UPDATE notices SET finished_at = $2 WHERE id = $1 AND finished_at IS NULL")
            .bind(notice.0)
            .bind(at.0)
            .execute(&mut *self.writer().await?)
            .await
            .map_err(unsure)?;
        Ok(())
    }

    /// Starts of sales follow from stored state and time: a stored `scheduled` may be live already.
    pub(super) async fn note_ends(&self, now: UnixMillis, until: UnixMillis) -> Result<u64, PortError> {
        let found = sqlx::query(
            "SELECT id, v, ends_at FROM promotions WHERE (status IN (1, 2, 3) OR held > 0) AND status IN (1, 2) \
             AND starts_at <= $1 AND ends_at > $1 AND ends_at <= $2",
        )
        .bind(now.0)
        .bind(until.0)
        .fetch_all(self.reader())
        .await
        .map_err(certain)?;
        let event = serde_json::to_string(&Event::EndingSoon).map_err(|_| rows::corrupt("event"))?;
        let mut noted = 0;
        for row in &found {
            let (promotion, ends_at) = (super::id(row, "id")?, int(row, "ends_at")?);
            let id = id_of_end(promotion, ends_at, until.0 - now.0);
            let done = sqlx::query(
                "INSERT INTO outbox (id, promotion_id, v, event, created_at) SELECT $1, $2, $3, $4, $5 \
                 WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE id = $1) \
                 AND NOT EXISTS (SELECT 1 FROM notices WHERE id = $1)",
            )
            .bind(id)
            .bind(promotion)
            .bind(int(row, "v")?)
            .bind(event.as_str())
            .bind(now.0)
            .execute(&mut *self.writer().await?)
            .await
            .map_err(unsure)?;
            noted += done.rows_affected();
        }
        Ok(noted)
    }
}

/// The same id whoever computes it: the time when the warning is due, and a digest of promotion and end.
fn id_of_end(promotion: Uuid, ends_at: i64, lead_ms: i64) -> Uuid {
    let mut digest = Sha256::new();
    digest.update(promotion.as_bytes());
    digest.update(ends_at.to_be_bytes());
    let digest: [u8; 32] = digest.finalize().into();
    let mut random = [0; 10];
    random.copy_from_slice(&digest[..10]);
    let at = u64::try_from(ends_at - lead_ms).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(at, &random).into_uuid()
}

fn candidate(row: &DbRow) -> Result<Candidate, PortError> {
    let read = |column: &str| row.try_get::<Option<f64>, _>(column).map_err(|_| rows::corrupt(column));
    let place = match (read("last_lat")?, read("last_lng")?) {
        (Some(lat), Some(lng)) => Some(Location::new(lat, lng).map_err(|_| rows::corrupt("last_lat"))?),
        _ => None,
    };
    let (user_id, preferences) = (UserId(super::id(row, "id")?), text(row, "preferences")?);
    Ok(Candidate { user_id, preferences, place, segment: None, told: Vec::new() })
}
