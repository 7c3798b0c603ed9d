//! A closed loop over keep-alive connections: one request in flight on each, the next one as soon as it is answered.
//!
//! One thread and one epoll set drive all connections, with requests that are encoded once and of which only the
//! idempotency key changes, because client and server share the machine: what the client spends is missing from both
//! sides of a ratio and pulls it towards 1. A closed loop says how much work gets done, not how long an arriving
//! shopper waits under a given load (it omits what was not sent); the open loop is `flash-loadtest`'s work.
//! It deliberately does not know what the requests mean.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::connections::{Answer, Connections};
use crate::error::{Error, Result};
use crate::http::Request;

/// Nothing answered for this long ends the run.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// Largest latency that is told apart, in microseconds.
const LATENCY_US_MAX: u64 = 60_000_000;

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
        Self::of("POST", host, (path, tokens, body), status, must_contain)
    }

    /// The same with another method.
    ///
    /// # Errors
    /// As [`Workload::new`].
    pub fn of(
        method: &str,
        host: SocketAddr,
        (path, tokens, body): (&str, &[String], &str),
        status: u16,
        must_contain: &str,
    ) -> Result<Self> {
        let key = format!("{:016x}{:016x}", uuid::Uuid::now_v7().as_u64_pair().1, 0);
        let host = host.to_string();
        let encode = |token: &String| {
            Request { method, path, token: Some(token), key: Some(&key), body }.encode(&host)
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

    /// Tells whether the body of an expected answer has what it must.
    fn check(&self, body: &[u8]) -> Result<()> {
        if memchr::memmem::find(body, &self.must_contain).is_some() {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(body);
        Err(Error::Unexpected(format!("an answer without what it must contain: {shown}")))
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
    fn new(elapsed: Duration) -> Result<Self> {
        let latency_us = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)
            .map_err(|error| Error::Setup(error.to_string()))?;
        Ok(Self {
            completed: 0,
            expected: 0,
            elapsed,
            latency_us,
            other_statuses: BTreeMap::new(),
            body_bytes: 0,
            other_sample: None,
        })
    }

    fn take(&mut self, workload: &Workload, answer: &Answer<'_>, is_counted: bool) {
        if answer.status != workload.status {
            *self.other_statuses.entry(answer.status).or_default() += 1;
            self.other_sample = Some(String::from_utf8_lossy(answer.bytes).into_owned());
            return;
        }
        self.expected += 1;
        self.body_bytes = answer.body.len();
        if is_counted {
            self.completed += 1;
            let waited_us = answer.at.duration_since(answer.since).as_micros();
            self.latency_us.saturating_record(u64::try_from(waited_us).unwrap_or(u64::MAX));
        }
    }

    /// A connection that failed, with what was wrong before.
    fn explain(&self, error: Error) -> Error {
        match &self.other_sample {
            Some(sample) => Error::Unexpected(format!("{error}, after: {sample}")),
            None => error,
        }
    }

    /// Returns the completed requests per second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.completed as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
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
    let mut pool = Connections::open(server, connections)?;
    let mut is_checked = vec![false; connections];
    let start = Instant::now();
    for index in 0..connections {
        pool.send(index, workload.next_request(), start)?;
    }
    let counted_from = start + warm_up;
    let counted_to = counted_from + counted;
    let mut slice = Slice::new(counted)?;
    let mut in_flight = connections;
    while in_flight > 0 {
        let ready = pool.wait(SILENCE_MAX)?;
        if ready == 0 {
            return Err(Error::TimedOut(format!("{in_flight} requests without an answer")));
        }
        for nth in 0..ready {
            let answer = pool.answer(nth).map_err(|error| slice.explain(error))?;
            let Some((index, answer)) = answer else { continue };
            let now = answer.at;
            let is_counted = now >= counted_from && now < counted_to;
            slice.take(workload, &answer, is_counted);
            if let Some(checked) = is_checked.get_mut(index)
                && !*checked
                && answer.status == workload.status
            {
                *checked = true;
                workload.check(answer.body)?;
            }
            if now < counted_to {
                pool.send(index, workload.next_request(), now)?;
            } else {
                in_flight -= 1;
            }
        }
    }
    Ok(slice)
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
