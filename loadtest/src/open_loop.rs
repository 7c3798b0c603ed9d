//! An open loop over keep-alive connections: requests are due at a fixed rate, whatever becomes of them.
//!
//! A request that finds no free connection waits for one, and its time counts from when it was due. epoll waits for
//! whole milliseconds; where the next request is due before, the loop looks, and sleeps for a moment. What that is late
//! by adds to what is measured and never takes any away. It does not know what the requests mean.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::closed_loop::Workload;
use crate::error::{Context, Error, Result};
use crate::http::parse_head;

/// Nothing answered for this long ends the run.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// The shortest time for which epoll waits, and the longest for which the loop looks away from the answers instead.
const WAIT_MIN: Duration = Duration::from_millis(1);
const LOOK_AWAY: Duration = Duration::from_micros(100);
/// Size of a connection's receive buffer, in bytes.
const BUFFER_BYTES: usize = 16 << 10;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Connections, each with at most one request in flight.
    pub connections: usize,
    /// Requests that are due per second.
    pub per_second: f64,
    /// For how long.
    pub duration: Duration,
}

/// One answer.
#[derive(Debug)]
pub struct Answer<'a> {
    /// When its request was due.
    pub due: Instant,
    /// When it was there.
    pub at: Instant,
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: &'a [u8],
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    due: Instant,
}

/// Sends `workload` at the given pace and hands over every answer; ends when the last one is there.
///
/// # Errors
/// A connection fails or is closed, an answer is unreadable, nothing is answered for 15 s, or what takes the answers
/// fails.
pub fn run(
    server: SocketAddr,
    workload: &mut Workload,
    pace: &Pace,
    take: &mut dyn FnMut(&Answer<'_>) -> Result<()>,
) -> Result<()> {
    let mut poll = Poll::new().context("epoll")?;
    let mut pool = connect(server, pace.connections, &poll)?;
    let mut idle: Vec<usize> = (0..pool.len()).collect();
    let mut waiting: VecDeque<Instant> = VecDeque::new();
    let mut events = Events::with_capacity(1024);
    let start = Instant::now();
    let all = (pace.per_second * pace.duration.as_secs_f64()).round() as u64;
    let due_at = |nth: u64| start + Duration::from_secs_f64(nth as f64 / pace.per_second);
    let (mut next, mut answered) = (0, 0);
    while answered < all {
        let now = Instant::now();
        while next < all && due_at(next) <= now {
            waiting.push_back(due_at(next));
            next += 1;
        }
        while !waiting.is_empty()
            && let Some(connection) = idle.pop().and_then(|index| pool.get_mut(index))
        {
            connection.due = waiting.pop_front().unwrap_or(now);
            send(connection, workload.next_request())?;
        }
        let wait = if next < all { due_at(next).saturating_duration_since(now) } else { SILENCE_MAX };
        let waits = wait >= WAIT_MIN;
        match poll.poll(&mut events, Some(if waits { wait } else { Duration::ZERO })) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other.context("epoll")?,
        }
        if events.is_empty() && !waits {
            std::thread::sleep(wait.min(LOOK_AWAY));
        } else if events.is_empty() && next >= all {
            return Err(Error::TimedOut(format!("{} requests without an answer", all - answered)));
        }
        for event in &events {
            let index = event.token().0;
            let Some(connection) = pool.get_mut(index) else { continue };
            if receive(connection, take)? {
                answered += 1;
                idle.push(index);
            }
        }
    }
    Ok(())
}

fn connect(server: SocketAddr, connections: usize, poll: &Poll) -> Result<Vec<Connection>> {
    let mut pool = Vec::with_capacity(connections);
    for index in 0..connections {
        let stream = std::net::TcpStream::connect(server).context(format!("connect to {server}"))?;
        stream.set_nodelay(true).context("nodelay")?;
        stream.set_nonblocking(true).context("nonblocking")?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(index), Interest::READABLE).context("epoll")?;
        pool.push(Connection { stream, buffer: vec![0; BUFFER_BYTES], filled: 0, due: Instant::now() });
    }
    Ok(pool)
}

fn send(connection: &mut Connection, request: &[u8]) -> Result<()> {
    let written = connection.stream.write(request).context("send a request")?;
    if written == request.len() {
        Ok(())
    } else {
        Err(Error::Unexpected("the send buffer is full with one request in flight".to_owned()))
    }
}

/// Reads what is there; returns whether the answer is complete and was handed over.
fn receive(connection: &mut Connection, take: &mut dyn FnMut(&Answer<'_>) -> Result<()>) -> Result<bool> {
    let space = connection.buffer.get_mut(connection.filled..).unwrap_or_default();
    match connection.stream.read(space) {
        Ok(0) => return Err(Error::Unexpected("the server closed a connection in use".to_owned())),
        Ok(read) => connection.filled += read,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            return Ok(false);
        }
        Err(error) => return Err(error).context("receive an answer"),
    }
    let bytes = connection.buffer.get(..connection.filled).unwrap_or_default();
    let Some(head) = parse_head(bytes)? else { return Ok(false) };
    if bytes.len() < head.end {
        return Ok(false);
    }
    let body = bytes.get(head.body_start..head.end).unwrap_or_default();
    take(&Answer { due: connection.due, at: Instant::now(), status: head.status, body })?;
    connection.filled = 0;
    Ok(true)
}
