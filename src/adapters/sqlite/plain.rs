//! Connections of the plain driver, for what the asynchronous one is too slow for: how they are opened, and what their
//! errors mean. Knows no table.

use crate::adapters::errors::sqlite_passes;
use flash_actors::ports::PortError;
use rusqlite::{Connection, Error};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pages that a connection keeps, in KiB: those that commits write again and again. More would be found by nobody, cost
/// fresh memory for every page that is ever written, and be walked whole whenever a page is split in the middle of the
/// file.
const CACHE_KIB: i64 = 4_096;

/// How a connection is set up.
#[derive(Clone)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// `PRAGMA name = value`.
    pub pragmas: &'static [(&'static str, &'static str)],
    /// How long a statement waits for another process's lock on the file.
    pub busy_timeout: Duration,
}

impl Place {
    /// Opens a connection.
    ///
    /// # Errors
    /// SQLite's.
    pub fn open(&self) -> Result<Connection, Error> {
        let connection = Connection::open(Path::new(&self.path))?;
        connection.busy_timeout(self.busy_timeout)?;
        for (name, value) in self.pragmas {
            connection.pragma_update(None, name, value)?;
        }
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(connection)
    }
}

/// An error before COMMIT: nothing of the transaction is there.
pub fn certain(error: &Error) -> PortError {
    match primary_code(error) {
        Some(code) if sqlite_passes(code) => PortError::Unavailable(error.to_string()),
        _ => PortError::Broken(error.to_string()),
    }
}

/// An error of COMMIT: busy means not committed; anything else leaves open what reached the disk.
pub fn commit_failed(error: &Error) -> PortError {
    match primary_code(error) {
        Some(5 | 6) => certain(error),
        _ => PortError::OutcomeUnknown(error.to_string()),
    }
}

fn primary_code(error: &Error) -> Option<i32> {
    match error {
        Error::SqliteFailure(cause, _) => Some(cause.extended_code & 0xff),
        _ => None,
    }
}
