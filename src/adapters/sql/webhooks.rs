//! Webhooks and their messages, in SQL that both databases understand. Compiled once per driver.

use super::inbox::push_ids;
use super::rows::{self, int, int_or_null, text, text_or_null};
use super::{Adapter, Db, DbRow, certain, unsure};
use flash_actors::ports::catalogue::Created;
use flash_actors::ports::webhooks::*;
use flash_actors::ports::{Answer, KeyUse, Page, PortError};
use flash_domain::ids::{EventId, PromotionId, StoreId};
use flash_domain::time::UnixMillis;
use sqlx::QueryBuilder;
use uuid::Uuid;

type Ask<'a, T> = Answer<'a, Result<T, PortError>>;

fn webhook(row: &DbRow) -> Result<Webhook, PortError> {
    let previous = text_or_null(row, "previous_secret")?;
    let until = UnixMillis(int(row, "previous_until")?);
    Ok(Webhook {
        id: super::id(row, "id")?,
        store_id: StoreId(super::id(row, "store_id")?),
        url: text(row, "url")?,
        events: serde_json::from_str(&text(row, "events")?).map_err(|_| rows::corrupt("events"))?,
        secret: text(row, "secret")?,
        previous: previous.map(|secret| (secret, until)),
        created_at: UnixMillis(int(row, "webhook_created_at")?),
    })
}

const WEBHOOK: &str = "w.id, w.store_id, w.url, w.events, w.secret, w.previous_secret, w.previous_until, \
     w.created_at AS webhook_created_at";

fn message(row: &DbRow) -> Result<MessageState, PortError> {
    Ok(MessageState {
        message: NewMessage {
            webhook_id: super::id(row, "webhook_id")?,
            event_id: EventId(super::id(row, "event_id")?),
            kind: text(row, "kind")?,
            body: text(row, "body")?,
            created_at: UnixMillis(int(row, "created_at")?),
        },
        tries: int(row, "tries")? as u32,
        due_at: int_or_null(row, "due_at")?.map(UnixMillis),
        delivered_at: int_or_null(row, "delivered_at")?.map(UnixMillis),
        answer: text(row, "answer")?,
    })
}

impl Adapter {
    async fn insert_webhook(
        &self,
        webhook: Webhook,
        most: u32,
        key: Option<KeyUse>,
    ) -> Result<Created, PortError> {
        let mut transaction = self.begin().await?;
        if let Some(before) = super::keys::claim_key(&mut transaction, key).await? {
            return Ok(Created::Before(before));
        }
        let events = serde_json::to_string(&webhook.events).map_err(|_| rows::corrupt("events"))?;
        let done = sqlx::query(
            "INSERT INTO webhooks (id, store_id, url, events, secret, previous_secret, previous_until, created_at) \
             SELECT $1, $2, $3, $4, $5, NULL, 0, $6 WHERE (SELECT COUNT(*) FROM webhooks WHERE store_id = $2) < $7",
        )
        .bind(webhook.id)
        .bind(webhook.store_id.0)
        .bind(webhook.url)
        .bind(events)
        .bind(webhook.secret)
        .bind(webhook.created_at.0)
        .bind(i64::from(most))
        .execute(&mut *transaction)
        .await
        .map_err(certain)?;
        if done.rows_affected() == 0 {
            return Ok(Created::Conflict);
        }
        transaction.commit().await.map_err(unsure)?;
        Ok(Created::Fresh)
    }

    async fn find_listeners(
        &self,
        promotions: Vec<PromotionId>,
    ) -> Result<Vec<(PromotionId, Webhook)>, PortError> {
        if promotions.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::<Db>::new("SELECT p.id AS promotion_id, ");
        query
            .push(WEBHOOK)
            .push(" FROM webhooks w JOIN promotions p ON p.store_id = w.store_id WHERE p.id IN ");
        push_ids(&mut query, promotions.into_iter().map(|id| id.0));
        let found = query.build().fetch_all(self.reader()).await.map_err(certain)?;
        found.iter().map(|row| Ok((PromotionId(super::id(row, "promotion_id")?), webhook(row)?))).collect()
    }

    async fn insert_messages(&self, messages: Vec<NewMessage>) -> Result<u64, PortError> {
        if messages.is_empty() {
            return Ok(0);
        }
        let mut query = QueryBuilder::<Db>::new(
            "INSERT INTO webhook_messages (webhook_id, event_id, kind, body, created_at, tries, due_at, answer) ",
        );
        query.push_values(messages, |mut row, message| {
            row.push_bind(message.webhook_id)
                .push_bind(message.event_id.0)
                .push_bind(message.kind)
                .push_bind(message.body)
                .push_bind(message.created_at.0)
                .push("0, 0, ''");
        });
        query.push(" ON CONFLICT (webhook_id, event_id) DO NOTHING");
        let done = query.build().execute(&mut *self.writer().await?).await.map_err(unsure)?;
        Ok(done.rows_affected())
    }

    async fn take_messages(
        &self,
        now: UnixMillis,
        until: UnixMillis,
        limit: u32,
    ) -> Result<Vec<DueMessage>, PortError> {
        let sql = format!(
            "SELECT m.event_id, m.body, m.tries, {WEBHOOK} FROM webhook_messages m JOIN webhooks w ON w.id = m.webhook_id \
             WHERE m.due_at <= $1 ORDER BY m.due_at, m.event_id LIMIT $2"
        );
        let found = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(now.0)
            .bind(i64::from(limit))
            .fetch_all(self.reader())
            .await
            .map_err(certain)?;
        let mut due = Vec::new();
        for row in &found {
            let (webhook, event) = (webhook(row)?, super::id(row, "event_id")?);
            let taken = sqlx::query(
                "UPDATE webhook_messages SET due_at = $3, tries = tries + 1 WHERE webhook_id = $1 AND event_id = $2 \
                 AND due_at <= $4",
            )
            .bind(webhook.id)
            .bind(event)
            .bind(until.0)
            .bind(now.0)
            .execute(&mut *self.writer().await?)
            .await
            .map_err(unsure)?;
            if taken.rows_affected() == 1 {
                let (body, tries) = (text(row, "body")?, int(row, "tries")? as u32);
                due.push(DueMessage { webhook, event_id: EventId(event), body, tries });
            }
        }
        Ok(due)
    }

    async fn run(
        &self,
        query: sqlx::query::Query<'_, Db, <Db as sqlx::Database>::Arguments>,
    ) -> Result<bool, PortError> {
        let done = query.execute(&mut *self.writer().await?).await.map_err(unsure)?;
        Ok(done.rows_affected() > 0)
    }
}

impl Webhooks for Adapter {
    fn add_webhook(&self, webhook: Webhook, most: u32, key: Option<KeyUse>) -> Ask<'_, Created> {
        Box::pin(self.insert_webhook(webhook, most, key))
    }

    fn webhooks(&self, store: StoreId) -> Ask<'_, Vec<Webhook>> {
        Box::pin(async move {
            let sql = format!("SELECT {WEBHOOK} FROM webhooks w WHERE w.store_id = $1 ORDER BY w.id");
            let found = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(store.0).fetch_all(self.reader()).await;
            found.map_err(certain)?.iter().map(webhook).collect()
        })
    }

    fn remove_webhook(&self, store: StoreId, id: Uuid) -> Ask<'_, bool> {
        Box::pin(async move {
            let mut transaction = self.begin().await?;
            let done = sqlx::query("DELETE FROM webhooks WHERE id = $1 AND store_id = $2")
                .bind(id)
                .bind(store.0)
                .execute(&mut *transaction)
                .await
                .map_err(certain)?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query("DELETE FROM webhook_messages WHERE webhook_id = $1")
                .bind(id)
                .execute(&mut *transaction)
                .await
                .map_err(certain)?;
            transaction.commit().await.map_err(unsure)?;
            Ok(true)
        })
    }

    fn rotate_secret(
        &self,
        store: StoreId,
        id: Uuid,
        secret: String,
        previous_until: UnixMillis,
    ) -> Ask<'_, bool> {
        Box::pin(async move {
            let query = sqlx::query(
                "UPDATE webhooks SET previous_secret = secret, previous_until = $4, secret = $3 \
                 WHERE id = $1 AND store_id = $2",
            );
            self.run(query.bind(id).bind(store.0).bind(secret).bind(previous_until.0)).await
        })
    }

    fn listeners(&self, promotions: Vec<PromotionId>) -> Ask<'_, Vec<(PromotionId, Webhook)>> {
        Box::pin(self.find_listeners(promotions))
    }

    fn enqueue(&self, messages: Vec<NewMessage>) -> Ask<'_, u64> {
        Box::pin(self.insert_messages(messages))
    }

    fn messages_due(&self, now: UnixMillis, until: UnixMillis, limit: u32) -> Ask<'_, Vec<DueMessage>> {
        Box::pin(self.take_messages(now, until, limit))
    }

    fn settle_message(
        &self,
        webhook: Uuid,
        event: EventId,
        outcome: Outcome,
        answer: String,
        at: UnixMillis,
    ) -> Ask<'_, ()> {
        Box::pin(async move {
            let (due_at, delivered_at) = match outcome {
                Outcome::Delivered => (None, Some(at.0)),
                Outcome::Later(due_at) => (Some(due_at.0), None),
                Outcome::GivenUp => (None, None),
            };
            let query = sqlx::query(
                "UPDATE webhook_messages SET due_at = $3, delivered_at = $4, answer = $5 \
                 WHERE webhook_id = $1 AND event_id = $2",
            );
            let query = query.bind(webhook).bind(event.0).bind(due_at).bind(delivered_at).bind(answer);
            self.run(query).await.map(drop)
        })
    }

    fn messages(&self, webhook: Uuid, before: Option<EventId>, limit: u32) -> Ask<'_, Page<MessageState>> {
        Box::pin(async move {
            let found = sqlx::query(
                "SELECT webhook_id, event_id, kind, body, created_at, tries, due_at, delivered_at, answer \
                 FROM webhook_messages WHERE webhook_id = $1 AND event_id < $2 ORDER BY event_id DESC LIMIT $3",
            )
            .bind(webhook)
            .bind(before.map_or(Uuid::max(), |id| id.0))
            .bind(i64::from(limit) + 1)
            .fetch_all(self.reader())
            .await
            .map_err(certain)?;
            super::page(found, limit, message)
        })
    }

    fn replay(&self, webhook: Uuid, event: EventId, at: UnixMillis) -> Ask<'_, bool> {
        Box::pin(async move {
            let query = sqlx::query(
                "UPDATE webhook_messages SET due_at = $3, tries = 0, delivered_at = NULL \
                 WHERE webhook_id = $1 AND event_id = $2",
            );
            self.run(query.bind(webhook).bind(event.0).bind(at.0)).await
        })
    }

    fn purge_messages(&self, before: UnixMillis) -> Ask<'_, u64> {
        Box::pin(async move {
            let done = sqlx::query("DELETE FROM webhook_messages WHERE created_at < $1 AND due_at IS NULL")
                .bind(before.0)
                .execute(&mut *self.writer().await?)
                .await
                .map_err(unsure)?;
            Ok(done.rows_affected())
        })
    }
}
