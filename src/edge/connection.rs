//! A client's connection, which ends when its client keeps it waiting: with a head after the first, which actix-http gives
//! as long as it likes; with the rest of a body that nobody reads any more; with taking in what it asked for.
//!
//! Sees bytes go by and is told when requests are being handled. Knows nothing of HTTP.

use crate::limits::{CLIENT_PATIENCE, QUIET_MAX};
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// A connection with deadlines. Both directions fail with [`io::ErrorKind::TimedOut`] when
///
/// * something came [`CLIENT_PATIENCE`] ago, nothing was written since, and no request is being handled: the client has
///   begun what it does not complete;
/// * nothing of what was to be written could be for [`CLIENT_PATIENCE`];
/// * nothing went either way for [`QUIET_MAX`], and no request is being handled.
pub(super) struct Connection<T> {
    io: T,
    progress: Rc<Progress>,
    /// Since when nothing can be written.
    blocked_since: Option<Instant>,
    /// Wakes at the deadline or earlier, never later: moving it at each request would cost more than a look too many.
    timer: Option<Pin<Box<Sleep>>>,
}

/// What a connection and the requests on it tell each other.
pub(super) struct Progress {
    /// Requests that are being handled.
    handling: Cell<u32>,
    /// Whether something came since the last write.
    heard: Cell<bool>,
    /// When that began, or else when the last write was.
    since: Cell<Instant>,
}

/// A request that is being handled, until it is dropped.
pub(super) struct Handling(Rc<Progress>);

impl Progress {
    /// Has the server take its time.
    pub(super) fn handle(self: &Rc<Self>) -> Handling {
        self.handling.set(self.handling.get() + 1);
        Handling(self.clone())
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        self.0.handling.set(self.0.handling.get() - 1);
        // What took long was the server; its answer still has to be written.
        self.0.since.set(Instant::now());
    }
}

impl<T> Connection<T> {
    /// Begins to watch a connection.
    pub(super) fn new(io: T) -> Self {
        let progress =
            Progress { handling: Cell::new(0), heard: Cell::new(false), since: Cell::new(Instant::now()) };
        Self { io, progress: Rc::new(progress), blocked_since: None, timer: None }
    }

    /// What requests on it tell when they are being handled.
    pub(super) fn progress(&self) -> Rc<Progress> {
        self.progress.clone()
    }

    /// The connection underneath.
    pub(super) fn io(&self) -> &T {
        &self.io
    }

    fn deadline(&self, now: Instant) -> Instant {
        let Progress { handling, heard, since } = &*self.progress;
        let next = match (handling.get(), heard.get()) {
            (0, true) => since.get() + CLIENT_PATIENCE,
            (0, false) => since.get() + QUIET_MAX,
            _ => now + CLIENT_PATIENCE,
        };
        self.blocked_since.map_or(next, |since| next.min(since + CLIENT_PATIENCE))
    }

    /// Waits for the client, who still has time.
    fn wait<R>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<R>> {
        let now = Instant::now();
        if self.timer.as_ref().is_some_and(|timer| timer.deadline() > now) {
            return Poll::Pending;
        }
        let deadline = self.deadline(now);
        if deadline <= now {
            tracing::debug!("a client kept its connection waiting");
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let wake_at = deadline.min(now + CLIENT_PATIENCE);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(wake_at)));
        timer.as_mut().reset(wake_at);
        // Polled once it stays registered, but a task that has used up its budget would not register it.
        if Pin::new(&mut tokio::task::unconstrained(timer.as_mut())).poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl From<Connection<TcpStream>> for TcpStream {
    fn from(connection: Connection<TcpStream>) -> Self {
        connection.io
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Connection<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = bytes.filled().len();
        if Pin::new(&mut self.io).poll_read(context, bytes)?.is_pending() {
            return self.wait(context);
        }
        let progress = &self.progress;
        if bytes.filled().len() > before && !progress.heard.replace(true) {
            progress.since.set(Instant::now());
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Connection<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(written) = Pin::new(&mut self.io).poll_write(context, bytes)? else {
            self.blocked_since.get_or_insert_with(Instant::now);
            return self.wait(context);
        };
        self.blocked_since = None;
        self.progress.heard.set(false);
        self.progress.since.set(Instant::now());
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
