//! Reads claims by the hundred thousand: what a hot promotion's owner is made of after a restart.
//!
//! A row costs a tenth of what the asynchronous driver takes for it, and nothing of it on the threads of the actors:
//! docs/decisions/0010-storage.md. Each reading has a connection and a blocking thread for itself.

use super::plain::{Place, certain};
use super::rows::{CLAIM, corrupt};
use flash_actors::ports::PortError;
use flash_domain::claim::{Claim, ClaimStatus};
use flash_domain::ids::{ClaimId, PromotionId, StoreId, UserId};
use flash_domain::money::{Currency, Money};
use flash_domain::time::UnixMillis;
use rusqlite::{Connection, Row};
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// Connections that are kept for the next reading; as many as read at once when nothing is wrong.
const IDLE_MAX: usize = 4;

/// The reader of many claims. Clones are cheap and share their connections.
#[derive(Clone)]
pub struct Bulk(Arc<Inner>);

struct Inner {
    place: Place,
    idle: Mutex<Vec<Connection>>,
}

impl Bulk {
    /// Opens its connections when they are first needed.
    pub fn new(place: Place) -> Self {
        Self(Arc::new(Inner { place, idle: Mutex::default() }))
    }

    /// Every claim of a promotion, in the order in which they were made.
    ///
    /// # Errors
    /// SQLite's, or `Broken` when a value is not understood.
    pub async fn claims(&self, id: PromotionId) -> Result<Vec<Claim>, PortError> {
        self.read(move |connection| {
            let sql = format!("SELECT {CLAIM} FROM claims WHERE promotion_id = ?");
            let mut statement = connection.prepare_cached(&sql).map_err(|error| certain(&error))?;
            let mut rows = statement.query([id.0.as_bytes()]).map_err(|error| certain(&error))?;
            let mut claims = Vec::new();
            let mut currency = None;
            while let Some(row) = rows.next().map_err(|error| certain(&error))? {
                claims.push(claim(row, &mut currency)?);
            }
            Ok(claims)
        })
        .await
    }

    /// Shopper and position of the claims that the index by shopper does not have yet, by position.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn beyond_the_mark(&self) -> Result<Vec<(Uuid, i64)>, PortError> {
        self.read(|connection| {
            let sql = "SELECT user_id, position FROM claims \
                 WHERE position > (SELECT position FROM claims_by_user_mark) ORDER BY position";
            let mut statement = connection.prepare_cached(sql).map_err(|error| certain(&error))?;
            let mut rows = statement.query([]).map_err(|error| certain(&error))?;
            let mut found = Vec::new();
            while let Some(row) = rows.next().map_err(|error| certain(&error))? {
                found.push((uuid(row, 0)?, int(row, 1)?));
            }
            Ok(found)
        })
        .await
    }

    /// Closes what is kept open.
    pub fn close(&self) {
        self.idle().clear();
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        let bulk = self.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let idle = bulk.idle().pop();
            let connection = idle.map_or_else(|| bulk.0.place.open(), Ok).map_err(|error| certain(&error))?;
            let found = read(&connection)?;
            let mut idle = bulk.idle();
            if idle.len() < IDLE_MAX {
                idle.push(connection);
            }
            Ok(found)
        });
        reading.await.map_err(|_| PortError::Unavailable("reading claims was broken off".to_owned()))?
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A claim from a row with the columns of [`CLAIM`], by position; `currency` is the one of the row before.
fn claim(row: &Row<'_>, currency: &mut Option<Currency>) -> Result<Claim, PortError> {
    let status = i16::try_from(int(row, 4)?).ok().and_then(ClaimStatus::from_i16);
    let time = |at| int_or_null(row, at).map(|ms| ms.map(UnixMillis));
    let count = |at| u64::try_from(int(row, at)?).map_err(|_| unreadable(at));
    let code = text(row, 7)?;
    let currency = match currency {
        Some(known) if known.as_str() == code => *known,
        _ => *currency.insert(code.parse().map_err(|_| unreadable(7))?),
    };
    Ok(Claim {
        id: ClaimId(uuid(row, 0)?),
        promotion_id: PromotionId(uuid(row, 1)?),
        store_id: StoreId(uuid(row, 2)?),
        user_id: UserId(uuid(row, 3)?),
        status: status.ok_or_else(|| unreadable(4))?,
        quantity: u32::try_from(int(row, 5)?).map_err(|_| unreadable(5))?,
        unit_price: Money { amount: int(row, 6)?, currency },
        hold_expires_at: time(8)?,
        redemption_code: text(row, 9)?.into(),
        idempotency_key: text(row, 10)?.into(),
        first_v: count(11)?,
        v: count(12)?,
        created_at: UnixMillis(int(row, 13)?),
        confirmed_at: time(14)?,
        closed_at: time(15)?,
    })
}

fn unreadable(at: usize) -> PortError {
    corrupt(&format!("column {at} of a claim"))
}

fn uuid(row: &Row<'_>, at: usize) -> Result<Uuid, PortError> {
    let bytes = row.get_ref(at).ok().and_then(|value| value.as_blob().ok());
    bytes.and_then(|bytes| Uuid::from_slice(bytes).ok()).ok_or_else(|| unreadable(at))
}

fn text<'a>(row: &'a Row<'_>, at: usize) -> Result<&'a str, PortError> {
    row.get_ref(at).ok().and_then(|value| value.as_str().ok()).ok_or_else(|| unreadable(at))
}

fn int(row: &Row<'_>, at: usize) -> Result<i64, PortError> {
    int_or_null(row, at)?.ok_or_else(|| unreadable(at))
}

fn int_or_null(row: &Row<'_>, at: usize) -> Result<Option<i64>, PortError> {
    row.get_ref(at).ok().and_then(|value| value.as_i64_or_null().ok()).ok_or_else(|| unreadable(at))
}
