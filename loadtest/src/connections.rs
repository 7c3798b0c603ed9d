//! Keep-alive connections with one request in flight on each, and their answers, in one epoll set.
//!
//! The closed and the open loop are two ways of choosing when to send. It knows HTTP/1.1 and nothing of what is asked.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::error::{Context, Error, Result};
use crate::http::parse_head;
use crate::net::{Socket, connect_from, source};

/// Longest answer, in bytes; answers of the measured routes take less than 2 KiB.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// One answer.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The moment that was given with its request.
    pub since: Instant,
    /// When it was there.
    pub at: Instant,
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: &'a [u8],
    /// All of it.
    pub bytes: &'a [u8],
}

struct Connection {
    socket: Socket,
    since: Instant,
}

/// The connections.
pub struct Connections {
    poll: Poll,
    events: Events,
    all: Vec<Connection>,
    /// Those that have something to read.
    ready: Vec<usize>,
    buffer: Vec<u8>,
}

impl Connections {
    /// Opens so many.
    ///
    /// # Errors
    /// The server cannot be reached, or the system refuses a socket.
    pub fn open(server: SocketAddr, count: usize) -> Result<Self> {
        let poll = Poll::new().context("epoll")?;
        let mut all = Vec::with_capacity(count);
        for index in 0..count {
            let mut stream = connect_from(source(index), server)?;
            poll.registry().register(&mut stream, Token(index), Interest::READABLE).context("epoll")?;
            all.push(Connection { socket: Socket::new(stream), since: Instant::now() });
        }
        let buffer = vec![0; ANSWER_BYTES_MAX];
        Ok(Self { poll, events: Events::with_capacity(1024), all, ready: Vec::new(), buffer })
    }

    /// Sends a whole request; it is far smaller than an empty send buffer, so that a short write is a fault.
    ///
    /// `since` comes back with its answer.
    ///
    /// # Errors
    /// The connection fails.
    pub fn send(&mut self, index: usize, request: &[u8], since: Instant) -> Result<()> {
        let Some(connection) = self.all.get_mut(index) else { return Ok(()) };
        connection.since = since;
        connection.socket.send(request)
    }

    /// Waits until some connections have something to read, for at most this long; returns how many have.
    ///
    /// # Errors
    /// epoll fails.
    pub fn wait(&mut self, most: Duration) -> Result<usize> {
        self.ready.clear();
        while let Err(error) = self.poll.poll(&mut self.events, Some(most)) {
            if error.kind() != ErrorKind::Interrupted {
                return Err(error).context("epoll");
            }
        }
        self.ready.extend(self.events.iter().map(|event| event.token().0));
        Ok(self.ready.len())
    }

    /// Reads from the `nth` connection that is ready; returns its number and its answer, once that is complete.
    ///
    /// # Errors
    /// The connection fails or is closed, or the answer is unreadable or too long.
    pub fn answer(&mut self, nth: usize) -> Result<Option<(usize, Answer<'_>)>> {
        let Some(&index) = self.ready.get(nth) else { return Ok(None) };
        let Some(connection) = self.all.get_mut(index) else { return Ok(None) };
        let Some((filled, _)) = connection.socket.fill(&mut self.buffer)? else { return Ok(None) };
        let bytes = self.buffer.get(..filled).unwrap_or_default();
        let Some(head) = parse_head(bytes)?.filter(|head| head.end <= bytes.len()) else {
            connection.socket.keep(bytes);
            return Ok(None);
        };
        if bytes.len() > head.end {
            return Err(Error::Unexpected("more bytes than one answer".to_owned()));
        }
        let body = bytes.get(head.body_start..head.end).unwrap_or_default();
        let (since, at) = (connection.since, Instant::now());
        Ok(Some((index, Answer { since, at, status: head.status, body, bytes })))
    }
}
