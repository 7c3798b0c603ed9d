//! A closed loop over keep-alive connections: one request in flight on each, the next one as soon as it is answered.
//!
//! One thread and one epoll set drive all connections, with requests that are encoded once and of which only the
//! idempotency key changes, because client and server share the machine: what the client spends is missing from both
//! sides of a ratio and pulls it towards 1. A closed loop says how much work gets done, not how long an arriving
//! shopper waits under a given load (it omits what was not sent); the open loop is `flash-loadtest`'s work.
//! It deliberately does not know what the requests mean.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::error::{Context, Error, Result};
use crate::http::{Request, parse_head};

/// Nothing answered for this long ends the run.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// Largest latency that is told apart, in microseconds.
const LATENCY_US_MAX: u64 = 60_000_000;

/// Size of a connection's receive buffer, in bytes; answers of the measured routes take less than 2 KiB.
const BUFFER_BYTES: usize = 16 << 10;

/// Length of an idempotency key: 16 hexadecimal digits of the run, 16 of the request.
const KEY_CHARS: usize = 32;
const COUNTER_CHARS: usize = 16;

/// Requests of one kind, prepared for many shoppers, sent in turn.
#[derive(Debug)]
pub struct Workload {
    templates: Vec<Vec<u8>>,
    key_at: usize,
    next: u64,
    status: u16,
    must_contain: Vec<u8>,
}

impl Workload {
    /// Prepares one request per token.
    ///
    /// `status` is what each answer must have; `must_contain` is looked for in the first answer of every connection.
    ///
    /// # Errors
    /// There is no token, or the tokens do not all have the same length.
    pub fn new(
        host: SocketAddr,
        path: &str,
        tokens: &[String],
        body: &str,
        status: u16,
        must_contain: &str,
    ) -> Result<Self> {
        let key = format!("{:016x}{:016x}", uuid::Uuid::now_v7().as_u64_pair().1, 0);
        let host = host.to_string();
        let encode = |token: &String| {
            Request { method: "POST", path, token: Some(token), key: Some(&key), body }.encode(&host)
        };
        let templates: Vec<Vec<u8>> = tokens.iter().map(encode).collect();
        let places: Vec<Option<usize>> =
            templates.iter().map(|bytes| memchr::memmem::find(bytes, key.as_bytes())).collect();
        match places.first() {
            Some(&Some(key_at)) if places.iter().all(|place| *place == Some(key_at)) => {
                let must_contain = must_contain.as_bytes().to_vec();
                Ok(Self { templates, key_at, next: 0, status, must_contain })
            }
            _ => Err(Error::Setup(format!("{path}: needs access tokens of one length"))),
        }
    }

    /// Returns the next request, with a key that was never used before.
    pub(crate) fn next_request(&mut self) -> &[u8] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let turn = (self.next % self.templates.len() as u64) as usize;
        let counter_at = self.key_at + KEY_CHARS - COUNTER_CHARS;
        let mut rest = self.next;
        self.next += 1;
        let Some(template) = self.templates.get_mut(turn) else { return &[] };
        if let Some(counter) = template.get_mut(counter_at..counter_at + COUNTER_CHARS) {
            for digit in counter.iter_mut().rev() {
                *digit = DIGITS[(rest & 15) as usize];
                rest >>= 4;
            }
        }
        template
    }
}

/// What one slice of time brought.
#[derive(Debug, Clone)]
pub struct Slice {
    /// Answers with the expected status within the counted time.
    pub completed: u64,
    /// Answers with the expected status at any time, warm-up and drain included.
    pub expected: u64,
    /// The counted time.
    pub elapsed: Duration,
    /// Latencies of the counted answers, in microseconds.
    pub latency_us: Histogram<u64>,
    /// How often each other status came, warm-up and drain included.
    pub other_statuses: BTreeMap<u16, u64>,
    /// Size of the body of the last answer, in bytes.
    pub body_bytes: usize,
    /// An answer with another status, as it came, for the report.
    pub other_sample: Option<String>,
}

impl Slice {
    /// Returns the completed requests per second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.completed as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    sent_at: Instant,
    checked: bool,
}

/// Runs `workload` over `connections` fresh connections: `warm_up` uncounted, then `counted`, then what is in flight
/// is awaited.
///
/// # Errors
/// A connection fails or is closed, an answer is unreadable or lacks what it must contain, or nothing is answered
/// for 15 s. Answers with another status are counted, not errors: the caller decides.
pub fn run(
    server: SocketAddr,
    workload: &mut Workload,
    connections: usize,
    warm_up: Duration,
    counted: Duration,
) -> Result<Slice> {
    let mut poll = Poll::new().context("epoll")?;
    let mut pool = connect(server, connections, &poll)?;
    let start = Instant::now();
    for connection in &mut pool {
        send(connection, workload.next_request(), start)?;
    }
    let counted_from = start + warm_up;
    let counted_to = counted_from + counted;
    let mut slice = Slice {
        completed: 0,
        expected: 0,
        elapsed: counted,
        latency_us: Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)
            .map_err(|error| Error::Setup(error.to_string()))?,
        other_statuses: BTreeMap::new(),
        body_bytes: 0,
        other_sample: None,
    };
    let mut in_flight = pool.len();
    let mut events = Events::with_capacity(1024);
    while in_flight > 0 {
        match poll.poll(&mut events, Some(SILENCE_MAX)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other.context("epoll")?,
        }
        if events.is_empty() {
            return Err(Error::TimedOut(format!("{in_flight} requests without an answer")));
        }
        for event in &events {
            let Some(connection) = pool.get_mut(event.token().0) else { continue };
            let Some(status) = receive(connection, workload, &mut slice)? else { continue };
            let now = Instant::now();
            if status == workload.status {
                slice.expected += 1;
                if now >= counted_from && now < counted_to {
                    slice.completed += 1;
                    let waited_us = now.duration_since(connection.sent_at).as_micros();
                    slice.latency_us.saturating_record(u64::try_from(waited_us).unwrap_or(u64::MAX));
                }
            } else {
                *slice.other_statuses.entry(status).or_default() += 1;
            }
            if now < counted_to {
                send(connection, workload.next_request(), now)?;
            } else {
                in_flight -= 1;
            }
        }
    }
    Ok(slice)
}

fn connect(server: SocketAddr, connections: usize, poll: &Poll) -> Result<Vec<Connection>> {
    let mut pool = Vec::with_capacity(connections);
    for index in 0..connections {
        let stream = std::net::TcpStream::connect(server).context(format!("connect to {server}"))?;
        stream.set_nodelay(true).context("nodelay")?;
        stream.set_nonblocking(true).context("nonblocking")?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(index), Interest::READABLE).context("epoll")?;
        let buffer = vec![0; BUFFER_BYTES];
        pool.push(Connection { stream, buffer, filled: 0, sent_at: Instant::now(), checked: false });
    }
    Ok(pool)
}

/// Sends a whole request; it is far smaller than an empty send buffer, so that a short write is a fault.
fn send(connection: &mut Connection, request: &[u8], now: Instant) -> Result<()> {
    connection.sent_at = now;
    let written = connection.stream.write(request).context("send a request")?;
    if written == request.len() {
        Ok(())
    } else {
        Err(Error::Unexpected("the send buffer is full with one request in flight".to_owned()))
    }
}

/// Reads what is there; returns the status once the answer is complete. A read that does not fill the buffer has
/// emptied the socket (epoll(7)), which saves the second read.
fn receive(connection: &mut Connection, workload: &Workload, slice: &mut Slice) -> Result<Option<u16>> {
    let space = connection.buffer.get_mut(connection.filled..).unwrap_or_default();
    let read = match connection.stream.read(space) {
        Ok(0) => {
            let before = slice.other_sample.as_deref().map(|sample| format!(", after: {sample}"));
            let before = before.unwrap_or_default();
            return Err(Error::Unexpected(format!("the server closed a connection in use{before}")));
        }
        Ok(read) => read,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            return Ok(None);
        }
        Err(error) => return Err(error).context("receive an answer"),
    };
    connection.filled += read;
    let bytes = connection.buffer.get(..connection.filled).unwrap_or_default();
    let Some(head) = parse_head(bytes)? else { return Ok(None) };
    if head.end > BUFFER_BYTES {
        return Err(Error::Unexpected(format!("an answer of {} bytes", head.end)));
    }
    if bytes.len() < head.end {
        return Ok(None);
    }
    if bytes.len() > head.end {
        return Err(Error::Unexpected("more bytes than one answer".to_owned()));
    }
    if head.status != workload.status {
        slice.other_sample = Some(String::from_utf8_lossy(bytes).into_owned());
    } else {
        slice.body_bytes = head.end - head.body_start;
        if !connection.checked {
            connection.checked = true;
            let body = bytes.get(head.body_start..head.end).unwrap_or_default();
            if memchr::memmem::find(body, &workload.must_contain).is_none() {
                let shown = String::from_utf8_lossy(body);
                return Err(Error::Unexpected(format!("an answer without what it must contain: {shown}")));
            }
        }
    }
    connection.filled = 0;
    Ok(Some(head.status))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_tokens_take_turns() {
        let tokens = ["aaaa".to_owned(), "bbbb".to_owned()];
        let address = "127.0.0.1:1".parse().unwrap();
        let mut workload = Workload::new(address, "/p", &tokens, "{}", 201, "").unwrap();
        let sent: Vec<String> =
            (0..300).map(|_| String::from_utf8(workload.next_request().to_vec()).unwrap()).collect();
        assert!(sent[0].contains("Bearer aaaa") && sent[1].contains("Bearer bbbb"));
        let distinct: std::collections::BTreeSet<_> = sent.iter().collect();
        assert_eq!(distinct.len(), 300);
        assert!(sent[255].contains("00000000000000ff\r\n"));
    }

    #[test]
    fn tokens_of_different_lengths_are_refused() {
        let tokens = ["aaaa".to_owned(), "b".to_owned()];
        assert!(Workload::new("127.0.0.1:1".parse().unwrap(), "/p", &tokens, "{}", 201, "").is_err());
    }
}
