//! Group commit on PostgreSQL: the whole batch is ONE statement over arrays, so it is one round trip and one implicit
//! transaction. Edited terms, which are rare, take an explicit transaction of two statements.

use super::{Adapter, DbConnection};
use crate::adapters::errors::{certain, unsure};
use flash_actors::ports::PortError;
use flash_actors::ports::store::{Commit, Committed};
use flash_domain::claim::Claim;
use flash_domain::ids::PromotionId;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Row};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

/// Longer than the server's own statement timeout: only a dead network gets here.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(12);
/// Below the time after which those who wait are told that nobody knows.
const READY_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection that was idle for longer is tried before it is used: then nothing is in doubt if it is dead.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// Promotions whose epoch and sequence match are updated; only their claims and events are written. Answers the ids that
/// were updated. What claims share with their promotion comes from there.
static COMMIT: LazyLock<String> = LazyLock::new(|| {
    statement(
        "INSERT INTO claims (id, promotion_id, store_id, user_id, status, quantity, unit_amount, currency, hold_expires_at,
        redemption_code, idempotency_key, first_v, created_at, v, confirmed_at, closed_at)
    SELECT c.id, c.promotion_id, u.store_id, c.user_id, c.status, c.quantity, c.unit_amount, u.currency, c.hold_expires_at,
        c.redemption_code, c.idempotency_key, c.first_v, c.created_at, c.v, c.confirmed_at, c.closed_at
    FROM UNNEST($15::uuid[], $16::uuid[], $17::uuid[], $18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[],
        $22::text[], $23::text[], $24::bigint[], $25::bigint[], $26::bigint[], $27::bigint[], $28::bigint[])
        AS c (id, promotion_id, user_id, status, quantity, unit_amount, hold_expires_at, redemption_code,
        idempotency_key, first_v, created_at, v, confirmed_at, closed_at)
    JOIN updated u ON u.id = c.promotion_id
    ON CONFLICT (id) DO UPDATE SET status = excluded.status, v = excluded.v,
        confirmed_at = excluded.confirmed_at, closed_at = excluded.closed_at",
    )
});
/// The same where every claim is as it was made: what follows from the rest is not sent, and an insertion that may meet
/// its own row costs about a third more.
static COMMIT_NEW: LazyLock<String> = LazyLock::new(|| {
    statement(
        "INSERT INTO claims (id, promotion_id, store_id, user_id, status, quantity, unit_amount, currency, hold_expires_at,
        redemption_code, idempotency_key, first_v, created_at, v, confirmed_at)
    SELECT c.id, c.promotion_id, u.store_id, c.user_id, c.status, c.quantity, c.unit_amount, u.currency, c.hold_expires_at,
        c.redemption_code, c.idempotency_key, c.first_v, c.created_at, c.first_v,
        CASE WHEN c.hold_expires_at IS NULL THEN c.created_at END
    FROM UNNEST($15::uuid[], $16::uuid[], $17::uuid[], $18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[],
        $22::text[], $23::text[], $24::bigint[], $25::bigint[])
        AS c (id, promotion_id, user_id, status, quantity, unit_amount, hold_expires_at, redemption_code,
        idempotency_key, first_v, created_at)
    JOIN updated u ON u.id = c.promotion_id",
    )
});

fn statement(claimed: &str) -> String {
    format!(
        "WITH wanted AS (
    SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::bigint[], $9::bigint[])
        AS w (id, epoch, base_seq, seq, status, held, sold, v, decided_at)
), updated AS (
    UPDATE promotions p SET status = w.status, held = w.held, sold = w.sold, v = w.v, decided_at = w.decided_at,
        commit_seq = w.seq
    FROM wanted w WHERE p.id = w.id AND p.epoch = w.epoch AND p.commit_seq = w.base_seq
    RETURNING p.id, p.store_id, p.currency
), claimed AS (
    {claimed}
), noted AS (
    INSERT INTO outbox (id, promotion_id, v, event, created_at)
    SELECT e.id, e.promotion_id, e.v, e.event, e.created_at
    FROM UNNEST($10::uuid[], $11::uuid[], $12::bigint[], $13::text[], $14::bigint[]) WITH ORDINALITY
        AS e (id, promotion_id, v, event, created_at, place)
    WHERE e.promotion_id IN (SELECT id FROM updated) ORDER BY e.place
)
SELECT id FROM updated"
    )
}

/// The connection that commits. It stays open from one commit to the next: a pool would ask the server after each whether
/// it still is.
pub(super) struct Commits {
    options: PgConnectOptions,
    /// With its last use. `None` after an error, until the next commit opens it afresh; nobody asks what state it is in.
    connection: Mutex<Option<(DbConnection, Instant)>>,
}

impl Commits {
    /// Connects.
    pub(super) async fn open(options: PgConnectOptions) -> Result<Self, sqlx::Error> {
        let connection = DbConnection::connect_with(&options).await?;
        Ok(Self { options, connection: Mutex::new(Some((connection, Instant::now()))) })
    }

    /// Says good-bye to the server.
    pub(super) async fn close(&self) {
        if let Some((connection, _)) = self.connection.lock().await.take() {
            let _gone = connection.close().await;
        }
    }

    /// The connection that is open, if it still is, else a new one.
    async fn ready(&self, open: Option<(DbConnection, Instant)>) -> Result<DbConnection, PortError> {
        if let Some((mut connection, used)) = open
            && (used.elapsed() < IDLE_MAX || connection.ping().await.is_ok())
        {
            return Ok(connection);
        }
        DbConnection::connect_with(&self.options).await.map_err(certain)
    }
}

#[derive(Default)]
struct Columns<'a> {
    id: Vec<Uuid>,
    epoch: Vec<i64>,
    base_seq: Vec<i64>,
    seq: Vec<i64>,
    status: Vec<i64>,
    held: Vec<i64>,
    sold: Vec<i64>,
    v: Vec<i64>,
    decided_at: Vec<i64>,
    claims: Claims<'a>,
    events: Events,
}

#[derive(Default)]
struct Claims<'a> {
    id: Vec<Uuid>,
    promotion_id: Vec<Uuid>,
    user_id: Vec<Uuid>,
    status: Vec<i64>,
    quantity: Vec<i64>,
    unit_amount: Vec<i64>,
    hold_expires_at: Vec<Option<i64>>,
    redemption_code: Vec<&'a str>,
    idempotency_key: Vec<&'a str>,
    first_v: Vec<i64>,
    created_at: Vec<i64>,
    /// This and the following ones only where some claim has changed since it was made.
    v: Vec<i64>,
    confirmed_at: Vec<Option<i64>>,
    closed_at: Vec<Option<i64>>,
}

#[derive(Default)]
struct Events {
    id: Vec<Uuid>,
    promotion_id: Vec<Uuid>,
    v: Vec<i64>,
    event: Vec<String>,
    created_at: Vec<i64>,
}

impl Adapter {
    /// Every claim is in the index by shopper when it is committed.
    pub(super) async fn recent_claims(&self, _user: Uuid) -> Result<&'static str, PortError> {
        Ok("")
    }

    pub(super) async fn commit_batch(&self, batch: Vec<Arc<Commit>>) -> Result<Committed, PortError> {
        let mut place = self.commits.connection.lock().await;
        let ready = tokio::time::timeout(READY_TIMEOUT, self.commits.ready(place.take())).await;
        let late = || PortError::Unavailable("the database takes no connection".to_owned());
        let mut connection = ready.map_err(|_| late())??;
        let edits = batch.iter().any(|commit| commit.terms.is_some());
        let work = async {
            if edits {
                with_terms(&mut connection, &batch).await
            } else {
                apply(&mut connection, &batch, unsure).await
            }
        };
        let result = match tokio::time::timeout(COMMIT_TIMEOUT, work).await {
            Ok(result) => result,
            Err(_) => Err(PortError::OutcomeUnknown("no answer from the database".to_owned())),
        };
        match result {
            Ok(updated) => {
                *place = Some((connection, Instant::now()));
                let stale = batch
                    .iter()
                    .map(|commit| commit.promotion_id)
                    .filter(|id| !updated.contains(id))
                    .collect();
                Ok(Committed { stale })
            }
            Err(error) => {
                let _gone = connection.close_hard().await;
                Err(error)
            }
        }
    }
}

async fn with_terms(
    connection: &mut DbConnection,
    batch: &[Arc<Commit>],
) -> Result<Vec<PromotionId>, PortError> {
    sqlx::query("BEGIN").execute(&mut *connection).await.map_err(certain)?;
    for commit in batch {
        let Some(terms) = &commit.terms else { continue };
        sqlx::query(
            "UPDATE promotions SET price_amount = $4, stock = $5, per_shopper_limit = $6, starts_at = $7, ends_at = $8, \
             reach_m = $9, claim_within_m = $10, hold_seconds = $11, segments = $12, category = $13, held = $14, \
             sold = $15, limit_v = CASE WHEN per_shopper_limit IS NOT DISTINCT FROM $6 THEN limit_v ELSE $16 END, \
             withdrawn = $17 \
             WHERE id = $1 AND epoch = $2 AND commit_seq = $3",
        )
        .bind(commit.promotion_id.0)
        .bind(commit.epoch)
        .bind(commit.base_seq)
        .bind(terms.price.amount)
        .bind(i64::from(terms.stock))
        .bind(terms.per_shopper_limit.map(i64::from))
        .bind(terms.starts_at.0)
        .bind(terms.ends_at.0)
        .bind(i64::from(terms.reach_m))
        .bind(terms.claim_within_m.map(i64::from))
        .bind(i64::from(terms.hold_seconds))
        .bind(i64::from(terms.segments.bits()))
        .bind(terms.category.clone())
        .bind(i64::from(commit.counters.held))
        .bind(i64::from(commit.counters.sold))
        .bind(commit.counters.v as i64)
        .bind(commit.counters.withdrawn)
        .execute(&mut *connection)
        .await
        .map_err(certain)?;
    }
    let updated = apply(connection, batch, certain).await?;
    sqlx::query("COMMIT").execute(&mut *connection).await.map_err(unsure)?;
    Ok(updated)
}

async fn apply(
    connection: &mut DbConnection,
    batch: &[Arc<Commit>],
    classify: fn(sqlx::Error) -> PortError,
) -> Result<Vec<PromotionId>, PortError> {
    let all_new = batch.iter().flat_map(|commit| &commit.claims).all(Claim::is_new);
    let columns = columns(batch, all_new)?;
    let (claims, events) = (columns.claims, columns.events);
    let sql = if all_new { &COMMIT_NEW } else { &COMMIT };
    let mut query = sqlx::query(AssertSqlSafe(sql.as_str()))
        .bind(columns.id)
        .bind(columns.epoch)
        .bind(columns.base_seq)
        .bind(columns.seq)
        .bind(columns.status)
        .bind(columns.held)
        .bind(columns.sold)
        .bind(columns.v)
        .bind(columns.decided_at)
        .bind(events.id)
        .bind(events.promotion_id)
        .bind(events.v)
        .bind(events.event)
        .bind(events.created_at)
        .bind(claims.id)
        .bind(claims.promotion_id)
        .bind(claims.user_id)
        .bind(claims.status)
        .bind(claims.quantity)
        .bind(claims.unit_amount)
        .bind(claims.hold_expires_at)
        .bind(claims.redemption_code)
        .bind(claims.idempotency_key)
        .bind(claims.first_v)
        .bind(claims.created_at);
    if !all_new {
        query = query.bind(claims.v).bind(claims.confirmed_at).bind(claims.closed_at);
    }
    let updated = query.fetch_all(&mut *connection).await.map_err(classify)?;
    updated
        .iter()
        .map(|row| Ok(PromotionId(row.try_get(0).map_err(|_| super::rows::corrupt("id"))?)))
        .collect()
}

fn columns(batch: &[Arc<Commit>], all_new: bool) -> Result<Columns<'_>, PortError> {
    let mut columns = Columns::default();
    for commit in batch {
        columns.id.push(commit.promotion_id.0);
        columns.epoch.push(commit.epoch);
        columns.base_seq.push(commit.base_seq);
        columns.seq.push(commit.seq);
        columns.status.push(i64::from(commit.counters.status.as_i16()));
        columns.held.push(i64::from(commit.counters.held));
        columns.sold.push(i64::from(commit.counters.sold));
        columns.v.push(commit.counters.v as i64);
        columns.decided_at.push(commit.counters.decided_at.0);
        let claims = &mut columns.claims;
        for claim in &commit.claims {
            claims.id.push(claim.id.0);
            claims.promotion_id.push(claim.promotion_id.0);
            claims.user_id.push(claim.user_id.0);
            claims.status.push(i64::from(claim.status.as_i16()));
            claims.quantity.push(i64::from(claim.quantity));
            claims.unit_amount.push(claim.unit_price.amount);
            claims.hold_expires_at.push(claim.hold_expires_at.map(|at| at.0));
            claims.redemption_code.push(&claim.redemption_code);
            claims.idempotency_key.push(&claim.idempotency_key);
            claims.first_v.push(claim.first_v as i64);
            claims.created_at.push(claim.created_at.0);
            if !all_new {
                claims.v.push(claim.v as i64);
                claims.confirmed_at.push(claim.confirmed_at.map(|at| at.0));
                claims.closed_at.push(claim.closed_at.map(|at| at.0));
            }
        }
        let events = &mut columns.events;
        for event in &commit.events {
            events.id.push(event.id.0);
            events.promotion_id.push(event.promotion_id.0);
            events.v.push(event.v as i64);
            events
                .event
                .push(serde_json::to_string(&event.event).map_err(|_| super::rows::corrupt("event"))?);
            events.created_at.push(event.created_at.0);
        }
    }
    Ok(columns)
}
