//! Claims over websocket rpc: sessions of many shoppers, a frame of several `claim` commands in flight on some of them.
//!
//! A closed loop like [`crate::closed_loop`], one thread and one epoll set, but the unit is a frame. Sessions take
//! turns, since one shopper may make only so many claims per second: a frame that is answered makes way for the next
//! session's. It knows the command `claim` and nothing else of the protocol.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};

use crate::error::{Context, Error, Result};
use crate::frames::{Frames, unexpected};
use crate::net::{Socket, connect_from, source, write_all};
use crate::ws::{self, Opcode};

/// Nothing answered for this long ends the run.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// Handshakes in flight while connecting.
const HANDSHAKES_MAX: usize = 256;
/// Size of the buffer that all sessions share for reading, in bytes.
const BUFFER_BYTES: usize = 256 << 10;
const PATH: &str = "/api/v1/live";
/// Length of an idempotency key: 16 hexadecimal digits of the run, 16 of the claim.
const COUNTER_CHARS: usize = 16;
/// Largest latency that is told apart, in microseconds.
const LATENCY_US_MAX: u64 = 60_000_000;

/// A frame of `claim` commands, of which only the idempotency keys change.
struct Template {
    frame: Vec<u8>,
    /// Where each command's counter is.
    counters_at: Vec<usize>,
    next: u64,
}

impl Template {
    fn new(promotion: &str, commands: usize) -> Self {
        let run = uuid::Uuid::now_v7().as_u64_pair().1;
        let key = format!("{run:016x}{:016x}", 0);
        let command = |id: usize| {
            format!(
                r#"{{"id":{id},"rpc":{{"method":"claim","data":{{"promotion_id":"{promotion}","idempotency_key":"{key}"}}}}}}"#
            )
        };
        let text: Vec<String> = (2..commands + 2).map(command).collect();
        let frame = ws::client_frame(Opcode::Text, text.join("\n").as_bytes());
        let counters_at = memchr::memmem::find_iter(&frame, key.as_bytes()).map(|at| at + 16).collect();
        Self { frame, counters_at, next: 0 }
    }

    /// Returns the next frame, with keys that were never used before.
    fn next_frame(&mut self) -> &[u8] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for at in &self.counters_at {
            let mut rest = self.next;
            self.next += 1;
            if let Some(counter) = self.frame.get_mut(*at..at + COUNTER_CHARS) {
                for digit in counter.iter_mut().rev() {
                    *digit = DIGITS[(rest & 15) as usize];
                    rest >>= 4;
                }
            }
        }
        &self.frame
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Upgrading,
    Connecting,
    Ready,
}

struct Session {
    socket: Socket,
    stage: Stage,
    token: String,
    /// Claims of the frame in flight that are not answered yet.
    awaited: usize,
    sent_at: Instant,
}

/// How much is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Frames in flight, on as many sessions.
    pub frames: usize,
    /// Commands in a frame.
    pub commands: usize,
    /// Time that is not counted.
    pub warm_up: Duration,
    /// Time that is counted.
    pub counted: Duration,
    /// Ends earlier once so many claims were asked for.
    pub claims_max: u64,
}

/// What one slice of time brought.
#[derive(Debug, Clone)]
pub struct Slice {
    /// Claims that were accepted within the counted time.
    pub completed: u64,
    /// Claims that were accepted at any time.
    pub accepted: u64,
    /// The counted time.
    pub elapsed: Duration,
    /// From a frame's sending to the answer of its last claim, in microseconds.
    pub latency_us: Histogram<u64>,
}

impl Slice {
    /// Returns the accepted claims per second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.completed as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

/// Connected sessions of shoppers.
pub struct Sessions {
    poll: Poll,
    events: Events,
    sessions: Vec<Session>,
    /// Those without a frame in flight, the longest idle first.
    idle: VecDeque<usize>,
    buffer: Vec<u8>,
    pong: Vec<u8>,
    /// Sessions whose frame was answered since the last look.
    answered: Vec<usize>,
    accepted: u64,
}

impl Sessions {
    /// Connects and authenticates one session per token.
    ///
    /// # Errors
    /// A session is refused, closed or answered with a fault, or nothing happens for 15 s.
    pub fn connect(server: SocketAddr, tokens: &[String]) -> Result<Self> {
        let mut this = Self {
            poll: Poll::new().context("epoll")?,
            events: Events::with_capacity(1024),
            sessions: Vec::with_capacity(tokens.len()),
            idle: VecDeque::with_capacity(tokens.len()),
            buffer: vec![0; BUFFER_BYTES],
            pong: ws::client_frame(Opcode::Text, ws::PONG),
            answered: Vec::new(),
            accepted: 0,
        };
        let upgrade = ws::upgrade_request(&server.to_string(), PATH);
        while this.idle.len() < tokens.len() {
            while this.sessions.len() < tokens.len() && this.sessions.len() - this.idle.len() < HANDSHAKES_MAX
            {
                this.open(server, &upgrade, &tokens[this.sessions.len()])?;
            }
            this.turn()?;
        }
        Ok(this)
    }

    fn open(&mut self, server: SocketAddr, upgrade: &[u8], token: &str) -> Result<()> {
        let index = self.sessions.len();
        let mut stream = connect_from(source(index), server)?;
        self.poll.registry().register(&mut stream, Token(index), Interest::READABLE).context("epoll")?;
        write_all(&mut stream, upgrade)?;
        self.sessions.push(Session {
            socket: Socket::new(stream),
            stage: Stage::Upgrading,
            token: token.to_owned(),
            awaited: 0,
            sent_at: Instant::now(),
        });
        Ok(())
    }

    /// Claims units of `promotion`: as many frames in flight as `pace` says, until its time is over; then what is in
    /// flight is awaited.
    ///
    /// # Errors
    /// A claim is refused, a session is closed, or nothing is answered for 15 s.
    pub fn run(&mut self, promotion: &str, pace: &Pace) -> Result<Slice> {
        let mut template = Template::new(promotion, pace.commands);
        let from = Instant::now() + pace.warm_up;
        let to = from + pace.counted;
        let mut slice = Slice {
            completed: 0,
            accepted: 0,
            elapsed: pace.counted,
            latency_us: Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)
                .map_err(|error| Error::Setup(error.to_string()))?,
        };
        self.accepted = 0;
        let mut in_flight = 0;
        for _ in 0..pace.frames {
            in_flight += usize::from(self.send_next(&mut template, pace)?);
        }
        while in_flight > 0 {
            let before = self.accepted;
            self.turn()?;
            let now = Instant::now();
            if now >= from && now < to {
                slice.completed += self.accepted - before;
            }
            for index in std::mem::take(&mut self.answered) {
                in_flight -= 1;
                self.idle.push_back(index);
                let waited_us = self.sessions.get(index).map(|session| now.duration_since(session.sent_at));
                let waited_us = waited_us.map_or(0, |waited| waited.as_micros());
                slice.latency_us.saturating_record(u64::try_from(waited_us).unwrap_or(u64::MAX));
                if now < to {
                    in_flight += usize::from(self.send_next(&mut template, pace)?);
                }
            }
        }
        slice.accepted = self.accepted;
        Ok(slice)
    }

    /// Sends the next frame on the session that was idle the longest; returns whether there was anything to send.
    fn send_next(&mut self, template: &mut Template, pace: &Pace) -> Result<bool> {
        if template.next >= pace.claims_max {
            return Ok(false);
        }
        let Some(index) = self.idle.pop_front() else { return Ok(false) };
        let Some(session) = self.sessions.get_mut(index) else { return Ok(false) };
        session.awaited = pace.commands;
        session.sent_at = Instant::now();
        session.socket.send(template.next_frame())?;
        Ok(true)
    }

    fn turn(&mut self) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(SILENCE_MAX)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other.context("epoll")?,
        }
        if self.events.is_empty() {
            return Err(Error::TimedOut("claims or connects without an answer".to_owned()));
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut outcome = Ok(());
        for event in &events {
            outcome = outcome.and_then(|()| self.read(event.token().0, &mut buffer));
        }
        self.events = events;
        self.buffer = buffer;
        outcome
    }
}

impl Frames for Sessions {
    fn socket(&mut self, index: usize) -> Option<&mut Socket> {
        self.sessions.get_mut(index).map(|session| &mut session.socket)
    }

    fn is_upgraded(&self, index: usize) -> bool {
        self.sessions.get(index).is_some_and(|session| session.stage != Stage::Upgrading)
    }

    fn upgraded(&mut self, index: usize) -> Result<()> {
        let Some(session) = self.sessions.get_mut(index) else { return Ok(()) };
        session.stage = Stage::Connecting;
        let connect = format!(r#"{{"id":1,"connect":{{"token":"{}"}}}}"#, session.token);
        session.socket.send(&ws::client_frame(Opcode::Text, connect.as_bytes()))
    }

    fn message(&mut self, index: usize, message: &[u8]) -> Result<()> {
        let Some(session) = self.sessions.get_mut(index) else { return Ok(()) };
        if message == ws::PONG {
            return session.socket.send(&self.pong);
        }
        // What `me` tells about one's own claims is part of the server's work and nothing to this client.
        if message.starts_with(b"{\"push\"") {
            return Ok(());
        }
        match session.stage {
            Stage::Connecting if memchr::memmem::find(message, b"\"connect\":{").is_some() => {
                session.stage = Stage::Ready;
                self.idle.push_back(index);
                Ok(())
            }
            Stage::Ready
                if session.awaited > 0 && memchr::memmem::find(message, b"\"redemption_code\"").is_some() =>
            {
                session.awaited -= 1;
                self.accepted += 1;
                if session.awaited == 0 {
                    self.answered.push(index);
                }
                Ok(())
            }
            _ => Err(unexpected("a message", message)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn every_claim_of_every_frame_has_a_key_of_its_own() {
        let mut template = Template::new("0199", 16);
        let mut keys = std::collections::BTreeSet::new();
        for _ in 0..20 {
            let frame = template.next_frame().to_vec();
            let text = String::from_utf8_lossy(&frame).into_owned();
            keys.extend(text.split("\"idempotency_key\":\"").skip(1).map(|rest| rest[..32].to_owned()));
        }
        assert_eq!((keys.len(), template.next), (320, 320));
    }
}
