//! Moves the log into the file beside the commits, not between them.
//!
//! A checkpoint of a full log takes the better part of a second, and commits would wait for it. Another connection may
//! do it while commits go on; only its end, when the log begins again, needs a moment without them: the committing
//! connection then moves the few pages that came meanwhile.

use rusqlite::Connection;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Pages (of 4 KiB) in the log before they are moved. The more at once, the fewer are moved twice.
const PAGES: i32 = 8_000;
/// Pages at which the committing connection moves them itself, should the other one be stuck.
const PAGES_MAX: i32 = 64_000;

thread_local! {
    /// Pages in the log after this thread's last commit.
    static IN_LOG: Cell<i32> = const { Cell::new(0) };
}

/// The thread that moves the log. Dropping it ends the thread.
pub struct Checkpoints {
    signal: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Whether nearly everything is moved and the committing connection should move the rest.
    nearly: Arc<AtomicBool>,
}

impl Checkpoints {
    /// Starts the thread, with a connection that it opens when it first needs it.
    ///
    /// # Errors
    /// The system's, when it has no more threads.
    pub fn start(
        open: impl Fn() -> Result<Connection, rusqlite::Error> + Send + 'static,
    ) -> std::io::Result<Self> {
        let (signal, signals) = sync_channel::<()>(1);
        let nearly = Arc::new(AtomicBool::new(false));
        let done = nearly.clone();
        let work = move || {
            let mut connection = None;
            while signals.recv().is_ok() {
                let open = connection.take().map_or_else(&open, Ok);
                // The second round moves what came during the first.
                match open.and_then(|open| checkpoint(&open).and_then(|()| checkpoint(&open)).map(|()| open))
                {
                    Ok(open) => connection = Some(open),
                    Err(error) => {
                        tracing::warn!(%error, "the log could not be moved into the file; it grows")
                    }
                }
                done.store(true, Ordering::Release);
            }
        };
        let thread = std::thread::Builder::new().name("sqlite-log".to_owned()).spawn(work)?;
        Ok(Self { signal: Some(signal), thread: Some(thread), nearly })
    }

    /// Makes a committing connection count the log's pages instead of moving them.
    pub fn watch(connection: &Connection) {
        connection.wal_hook(Some(|_, pages| {
            IN_LOG.set(pages);
            Ok(())
        }));
    }

    /// Call it after each commit of a watched connection, on its thread.
    pub fn after_commit(&self, connection: &Connection) {
        let pages = IN_LOG.get();
        if self.nearly.swap(false, Ordering::AcqRel) || pages > PAGES_MAX {
            if let Err(error) = checkpoint(connection) {
                tracing::warn!(%error, "the log could not be moved into the file; it grows");
            }
        } else if pages > PAGES
            && let Some(signal) = &self.signal
        {
            // Full: it is at it already.
            let _at_it = signal.try_send(());
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.signal = None;
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// Moves what can be moved without waiting for anybody.
fn checkpoint(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?.query_row([], |_| Ok(()))
}
