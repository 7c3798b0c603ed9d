//! The connection that commits: of the plain driver, every statement prepared once, on the caller's own thread.
//!
//! Measured against the same statements through the asynchronous driver, and on a thread of its own:
//! docs/decisions/0010-storage.md. Does not know who else writes; its caller holds the store's only place for writers.

use super::by_user::Slice;
use super::checkpoint::Checkpoints;
use super::plain::{Place, certain, commit_failed};
use flash_actors::ports::PortError;
use flash_actors::ports::store::{Commit, Committed, OutboxEvent};
use flash_domain::claim::Claim;
use rusqlite::{Connection, Error, params};
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// A batch.
pub struct Job {
    /// What to commit.
    pub batch: Vec<Arc<Commit>>,
    /// What to merge into the index by shopper beside it.
    pub slice: Option<Slice>,
}

/// What became of a job that is committed.
pub struct Done {
    /// For persistence.
    pub committed: Committed,
    /// Shopper and position of each claim that was made.
    pub made: Vec<(Uuid, i64)>,
    /// The job's slice, merged.
    pub slice: Option<Slice>,
}

/// The connection. It is opened for the first job, and again after a failure that leaves its state open.
pub struct Writer {
    place: Place,
    connection: Mutex<Option<Connection>>,
    checkpoints: Checkpoints,
}

impl Writer {
    /// Starts what moves the log beside the commits.
    ///
    /// # Errors
    /// The system's, when it has no more threads.
    pub fn start(place: Place) -> std::io::Result<Self> {
        let other = place.clone();
        let checkpoints = Checkpoints::start(move || other.open())?;
        Ok(Self { place, connection: Mutex::default(), checkpoints })
    }

    /// Commits a batch. The thread waits for the disk: whoever commits often has one of their own, as persistence does.
    ///
    /// # Errors
    /// See the store's port.
    pub fn commit(&self, job: Job) -> Result<Done, PortError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = match connection.take() {
            Some(open) => open,
            None => self.place.open().inspect(Checkpoints::watch).map_err(|error| certain(&error))?,
        };
        let (result, usable) = transact(&mut open, job);
        if usable {
            self.checkpoints.after_commit(&open);
            *connection = Some(open);
        }
        result
    }

    /// Closes the connection.
    pub fn close(&self) {
        drop(self.connection.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// The job's outcome, and whether the connection may be used again. After an unknown outcome nobody asks what state it
/// is in.
fn transact(connection: &mut Connection, job: Job) -> (Result<Done, PortError>, bool) {
    let applied = run(connection, "BEGIN IMMEDIATE").and_then(|()| apply(connection, job));
    let done = match applied {
        Ok(done) => done,
        Err(error) => {
            let error = certain(&error);
            let usable = connection.is_autocommit() || run(connection, "ROLLBACK").is_ok();
            return (Err(error), usable);
        }
    };
    match run(connection, "COMMIT") {
        Ok(()) => (Ok(done), true),
        Err(error) => (Err(commit_failed(&error)), false),
    }
}

fn run(connection: &Connection, sql: &str) -> Result<(), Error> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

fn apply(connection: &Connection, Job { batch, slice }: Job) -> Result<Done, Error> {
    let mut committed = Committed::default();
    let mut made = Vec::with_capacity(batch.iter().map(|commit| commit.claims.len()).sum());
    for commit in &batch {
        if update_promotion(connection, commit)? {
            write_claims(connection, &commit.claims, &mut made)?;
            note_events(connection, &commit.events)?;
        } else {
            committed.stale.push(commit.promotion_id);
        }
    }
    if let Some(Slice { entries, mark }) = &slice {
        // A run is merged again from its beginning when the server ended in the middle of it.
        let mut merge = connection.prepare_cached("INSERT OR IGNORE INTO claims_by_user VALUES (?, ?)")?;
        for (user, position) in entries {
            merge.execute(params![user.as_bytes(), position])?;
        }
        if let Some(mark) = mark {
            connection.prepare_cached("UPDATE claims_by_user_mark SET position = ?")?.execute([mark])?;
        }
    }
    Ok(Done { committed, made, slice })
}

/// Applies counters and terms if epoch and sequence are the ones that the commit names.
fn update_promotion(connection: &Connection, commit: &Commit) -> Result<bool, Error> {
    let counters = &commit.counters;
    let id = commit.promotion_id.0;
    if let Some(terms) = &commit.terms {
        // Before the counters, under the same condition: the check on them looks at the new stock.
        let edited = connection
            .prepare_cached(
                "UPDATE promotions SET price_amount = ?, stock = ?, per_shopper_limit = ?, starts_at = ?, ends_at = ?, \
                 reach_m = ?, claim_within_m = ?, hold_seconds = ?, segments = ?, category = ?, held = ?, sold = ?, \
                 limit_v = CASE WHEN per_shopper_limit IS ? THEN limit_v ELSE ? END, withdrawn = ? \
                 WHERE id = ? AND epoch = ? AND commit_seq = ?",
            )?
            .execute(params![
                terms.price.amount,
                terms.stock,
                terms.per_shopper_limit,
                terms.starts_at.0,
                terms.ends_at.0,
                terms.reach_m,
                terms.claim_within_m,
                terms.hold_seconds,
                terms.segments.bits(),
                terms.category,
                counters.held,
                counters.sold,
                terms.per_shopper_limit,
                counters.v as i64,
                counters.withdrawn,
                id.as_bytes(),
                commit.epoch,
                commit.base_seq,
            ])?;
        if edited == 0 {
            return Ok(false);
        }
    }
    let updated = connection
        .prepare_cached(
            "UPDATE promotions SET status = ?, held = ?, sold = ?, v = ?, decided_at = ?, commit_seq = ? \
             WHERE id = ? AND epoch = ? AND commit_seq = ?",
        )?
        .execute(params![
            counters.status.as_i16(),
            counters.held,
            counters.sold,
            counters.v as i64,
            counters.decided_at.0,
            commit.seq,
            id.as_bytes(),
            commit.epoch,
            commit.base_seq,
        ])?;
    Ok(updated == 1)
}

/// A claim that changed since it was made is most likely there already; one that did not is new.
fn write_claims(connection: &Connection, claims: &[Claim], made: &mut Vec<(Uuid, i64)>) -> Result<(), Error> {
    if claims.is_empty() {
        return Ok(());
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO claims (id, promotion_id, store_id, user_id, status, quantity, unit_amount, currency, \
         hold_expires_at, redemption_code, idempotency_key, first_v, v, created_at, confirmed_at, closed_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut update = connection.prepare_cached(
        "UPDATE claims SET status = ?, v = ?, confirmed_at = ?, closed_at = ? WHERE id = ?",
    )?;
    for claim in claims {
        let (status, v) = (claim.status.as_i16(), claim.v as i64);
        let (confirmed_at, closed_at) = (claim.confirmed_at.map(|at| at.0), claim.closed_at.map(|at| at.0));
        if !claim.is_new()
            && update.execute(params![status, v, confirmed_at, closed_at, claim.id.0.as_bytes()])? == 1
        {
            continue;
        }
        let position = insert.insert(params![
            claim.id.0.as_bytes(),
            claim.promotion_id.0.as_bytes(),
            claim.store_id.0.as_bytes(),
            claim.user_id.0.as_bytes(),
            status,
            claim.quantity,
            claim.unit_price.amount,
            claim.unit_price.currency.as_str(),
            claim.hold_expires_at.map(|at| at.0),
            claim.redemption_code,
            claim.idempotency_key,
            claim.first_v as i64,
            v,
            claim.created_at.0,
            confirmed_at,
            closed_at,
        ])?;
        made.push((claim.user_id.0, position));
    }
    Ok(())
}

fn note_events(connection: &Connection, events: &[OutboxEvent]) -> Result<(), Error> {
    for event in events {
        let text = serde_json::to_string(&event.event)
            .map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))?;
        connection
            .prepare_cached(
                "INSERT INTO outbox (id, promotion_id, v, event, created_at) VALUES (?, ?, ?, ?, ?)",
            )?
            .execute(params![
                event.id.0.as_bytes(),
                event.promotion_id.0.as_bytes(),
                event.v as i64,
                text,
                event.created_at.0,
            ])?;
    }
    Ok(())
}
