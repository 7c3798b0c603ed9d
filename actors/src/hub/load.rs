//! How busy one worker's hub is: numbers that its thread writes and any thread may read. Knows no session.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// What a hub says of itself.
#[derive(Debug, Default)]
pub struct Load {
    sessions: AtomicUsize,
    frames: AtomicU64,
}

impl Load {
    /// Notes how many sessions there are now.
    pub(super) fn has(&self, sessions: usize) {
        self.sessions.store(sessions, Relaxed);
    }

    /// Notes frames that were written by fan-out.
    pub(super) fn wrote(&self, frames: u64) {
        self.frames.fetch_add(frames, Relaxed);
    }

    /// The numbers, with what waits in the hub's inbox.
    pub(super) fn with_waiting(&self, waiting: usize) -> WorkerLoad {
        WorkerLoad {
            sessions: self.sessions.load(Relaxed) as u64,
            frames: self.frames.load(Relaxed),
            waiting: waiting as u64,
        }
    }
}

/// How busy a worker is at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerLoad {
    /// Sessions now.
    pub sessions: u64,
    /// Frames written by fan-out since the start.
    pub frames: u64,
    /// Promotions, claims and orders that wait in its inbox now.
    pub waiting: u64,
}
