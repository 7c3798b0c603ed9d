//! One `serve` per embedded database, held by a lock on a file beside it. The lock ends with the process, however it
//! ends; a pid file would not.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Holds the lock until it is dropped.
#[derive(Debug)]
pub struct DatabaseLock {
    _file: File,
}

/// Why the lock was not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process serves this database.
    #[error("another process serves this database (it holds {})", .0.display())]
    Held(PathBuf),
    /// The lock file can't be made or locked.
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Io(PathBuf, std::io::Error),
}

impl DatabaseLock {
    /// Takes the lock of a database file, waiting up to `patience` for one that is just being left.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn acquire(database: &Path, patience: Duration) -> Result<Self, LockError> {
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let io = |error| LockError::Io(path.clone(), error);
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory).map_err(io)?;
        }
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(error)) => return Err(io(error)),
                Err(TryLockError::WouldBlock) if begun.elapsed() >= patience => {
                    return Err(LockError::Held(path));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}
