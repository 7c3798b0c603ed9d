//! What a driver's error means for the change that was under way: certainly nothing, or nobody knows.

use flash_actors::ports::PortError;

/// An error of a statement before the commit: nothing of the transaction is there.
pub fn certain(error: sqlx::Error) -> PortError {
    match &error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => PortError::Unavailable(error.to_string()),
        sqlx::Error::Database(cause) if is_passing(cause.as_ref()) => {
            PortError::Unavailable(error.to_string())
        }
        _ => PortError::Broken(error.to_string()),
    }
}

/// An error of a statement that commits by itself, or of COMMIT where the transaction's driver sends it: a broken
/// connection leaves the outcome open, an answer of the database does not.
pub fn unsure(error: sqlx::Error) -> PortError {
    match &error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_) => {
            PortError::OutcomeUnknown(error.to_string())
        }
        sqlx::Error::Database(cause) if is_shutdown(cause.as_ref()) => {
            PortError::OutcomeUnknown(error.to_string())
        }
        _ => certain(error),
    }
}

/// PostgreSQL ends the session (57P01) or crashes (57P02). In the extended protocol a statement commits only when Sync
/// is handled, after it was reported as complete: such an error may come after the commit.
fn is_shutdown(cause: &dyn sqlx::error::DatabaseError) -> bool {
    matches!(cause.code().as_deref(), Some("57P01" | "57P02"))
}

/// Busy, locked, a failed write or a full disk (SQLite's primary codes): may be better the next time.
pub fn sqlite_passes(code: i32) -> bool {
    matches!(code, 5 | 6 | 10 | 13)
}

/// The same of either database; PostgreSQL's are serialization, deadlock, timeouts, shutdown, too many connections, full
/// disk.
fn is_passing(cause: &dyn sqlx::error::DatabaseError) -> bool {
    let Some(code) = cause.code() else { return false };
    match code.len() {
        5 => matches!(&code[..2], "40" | "53" | "55" | "57" | "58") || code == "25P02",
        _ => code.parse::<i32>().is_ok_and(|code| sqlite_passes(code & 0xff)),
    }
}
