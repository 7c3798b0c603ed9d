//! Group commit on SQLite: one transaction, a handful of statements, each prepared once.

use super::Adapter;
use crate::adapters::errors::{certain, commit_failed};
use flash_actors::ports::PortError;
use flash_actors::ports::store::{Commit, Committed, OutboxEvent};
use flash_domain::claim::Claim;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use std::sync::LazyLock;

/// Rows per statement. Few sizes, so that every statement is prepared once and found again.
const CHUNKS: [usize; 4] = [64, 16, 4, 1];
const CLAIM_COLUMNS: usize = 16;

const EVENT_COLUMNS: usize = 5;

static UPSERTS: LazyLock<[String; CHUNKS.len()]> = LazyLock::new(|| CHUNKS.map(upsert));
static NOTES: LazyLock<[String; CHUNKS.len()]> = LazyLock::new(|| CHUNKS.map(note));

fn note(rows: usize) -> String {
    let row = format!("({})", ["?"; EVENT_COLUMNS].join(", "));
    let rows = vec![row; rows].join(", ");
    format!("INSERT INTO outbox (id, promotion_id, v, event, created_at) VALUES {rows}")
}

fn upsert(rows: usize) -> String {
    let row = format!("({})", ["?"; CLAIM_COLUMNS].join(", "));
    format!(
        "INSERT INTO claims (id, promotion_id, store_id, user_id, status, quantity, unit_amount, currency, \
         hold_expires_at, redemption_code, idempotency_key, first_v, v, created_at, confirmed_at, closed_at) VALUES {} \
         ON CONFLICT (id) DO UPDATE SET status = excluded.status, v = excluded.v, \
         confirmed_at = excluded.confirmed_at, closed_at = excluded.closed_at",
        vec![row; rows].join(", ")
    )
}

impl Adapter {
    pub(super) async fn commit_batch(&self, batch: Vec<Commit>) -> Result<Committed, PortError> {
        let mut connection = self.write.acquire().await.map_err(certain)?;
        let begun = sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await;
        begun.map_err(certain)?;
        match apply(&mut connection, batch).await {
            Ok(committed) => {
                if let Err(error) = sqlx::query("COMMIT").execute(&mut *connection).await {
                    let error = commit_failed(error);
                    // Whatever state the connection is in, nobody uses it again.
                    let _gone = connection.detach().close_hard().await;
                    return Err(error);
                }
                Ok(committed)
            }
            Err(error) => {
                if sqlx::query("ROLLBACK").execute(&mut *connection).await.is_err() {
                    let _gone = connection.detach().close_hard().await;
                }
                Err(error)
            }
        }
    }
}

async fn apply(connection: &mut SqliteConnection, batch: Vec<Commit>) -> Result<Committed, PortError> {
    let mut committed = Committed::default();
    let mut claims = Vec::new();
    let mut events = Vec::new();
    for commit in batch {
        if update_promotion(connection, &commit).await? {
            claims.extend(commit.claims);
            events.extend(commit.events);
        } else {
            committed.stale.push(commit.promotion_id);
        }
    }
    upsert_claims(connection, &claims).await?;
    note_events(connection, &events).await?;
    Ok(committed)
}

/// Applies counters and terms if epoch and sequence are the ones that the commit names.
async fn update_promotion(connection: &mut SqliteConnection, commit: &Commit) -> Result<bool, PortError> {
    let counters = &commit.counters;
    if let Some(terms) = &commit.terms {
        // Before the counters, under the same condition: the check on them looks at the new stock.
        let edited = sqlx::query(
            "UPDATE promotions SET price_amount = ?, stock = ?, per_shopper_limit = ?, starts_at = ?, ends_at = ?, \
             reach_m = ?, claim_within_m = ?, hold_seconds = ?, segments = ?, category = ?, held = ?, sold = ? \
             WHERE id = ? AND epoch = ? AND commit_seq = ?",
        )
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
        .bind(i64::from(counters.held))
        .bind(i64::from(counters.sold))
        .bind(commit.promotion_id.0)
        .bind(commit.epoch)
        .bind(commit.base_seq)
        .execute(&mut *connection)
        .await
        .map_err(certain)?;
        if edited.rows_affected() == 0 {
            return Ok(false);
        }
    }
    let updated = sqlx::query(
        "UPDATE promotions SET status = ?, held = ?, sold = ?, v = ?, decided_at = ?, commit_seq = ? \
         WHERE id = ? AND epoch = ? AND commit_seq = ?",
    )
    .bind(i64::from(counters.status.as_i16()))
    .bind(i64::from(counters.held))
    .bind(i64::from(counters.sold))
    .bind(counters.v as i64)
    .bind(counters.decided_at.0)
    .bind(commit.seq)
    .bind(commit.promotion_id.0)
    .bind(commit.epoch)
    .bind(commit.base_seq)
    .execute(&mut *connection)
    .await
    .map_err(certain)?;
    Ok(updated.rows_affected() == 1)
}

async fn upsert_claims(connection: &mut SqliteConnection, claims: &[Claim]) -> Result<(), PortError> {
    let mut rest = claims;
    for (size, sql) in CHUNKS.iter().zip(UPSERTS.iter()) {
        while rest.len() >= *size {
            let (chunk, more) = rest.split_at(*size);
            rest = more;
            let mut query = sqlx::query(AssertSqlSafe(sql.as_str()));
            for claim in chunk {
                query = query
                    .bind(claim.id.0)
                    .bind(claim.promotion_id.0)
                    .bind(claim.store_id.0)
                    .bind(claim.user_id.0)
                    .bind(i64::from(claim.status.as_i16()))
                    .bind(i64::from(claim.quantity))
                    .bind(claim.unit_price.amount)
                    .bind(claim.unit_price.currency.as_str().to_owned())
                    .bind(claim.hold_expires_at.map(|at| at.0))
                    .bind(claim.redemption_code.to_string())
                    .bind(claim.idempotency_key.to_string())
                    .bind(claim.first_v as i64)
                    .bind(claim.v as i64)
                    .bind(claim.created_at.0)
                    .bind(claim.confirmed_at.map(|at| at.0))
                    .bind(claim.closed_at.map(|at| at.0));
            }
            query.execute(&mut *connection).await.map_err(certain)?;
        }
    }
    Ok(())
}

async fn note_events(connection: &mut SqliteConnection, events: &[OutboxEvent]) -> Result<(), PortError> {
    let mut rest = events;
    for (size, sql) in CHUNKS.iter().zip(NOTES.iter()) {
        while rest.len() >= *size {
            let (chunk, more) = rest.split_at(*size);
            rest = more;
            let mut query = sqlx::query(AssertSqlSafe(sql.as_str()));
            for event in chunk {
                let text = serde_json::to_string(&event.event).map_err(|_| super::rows::corrupt("event"))?;
                query = query
                    .bind(event.id.0)
                    .bind(event.promotion_id.0)
                    .bind(event.v as i64)
                    .bind(text)
                    .bind(event.created_at.0);
            }
            query.execute(&mut *connection).await.map_err(certain)?;
        }
    }
    Ok(())
}
