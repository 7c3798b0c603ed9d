//! Many subscribed sockets in one epoll loop, and the clockwork of a round: one update out, one frame to each.
//!
//! The same code receives from the server and from the bare writer; only the handshake is left out for the latter.
//! It deliberately keeps no protocol state beyond what a subscriber that only counts needs.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};
use crate::frames::{Frames, unexpected};
use crate::http::parse_head;
use crate::net::{Socket, connect_from, connect_narrow, read_available, source, write_all};
use crate::ws::{self, Message, Opcode};

/// Nothing happening for this long while something is awaited ends the run.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// Handshakes in flight while connecting, well below the server's accept backlog.
const HANDSHAKES_MAX: usize = 256;
/// Size of the buffer that all sockets share for reading, in bytes.
const BUFFER_BYTES: usize = 256 << 10;

/// Longest delivery that is told apart, in microseconds.
const DELIVERY_US_MAX: u64 = 60_000_000;
/// The tokens of the connections that trigger updates count down from here.
const TRIGGERS_FROM: usize = usize::MAX - 2;
const TRIGGERS_MAX: usize = 64;
/// The token that callers use for what they register beside the sockets.
pub const CONTROL: Token = Token(usize::MAX - 1);

/// How a socket is made ready to receive.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Handshake {
    /// The path of the websocket.
    pub path: String,
    /// The `data` of the subscription to `nearby`, as JSON.
    pub subscription: String,
    /// Access tokens, one per socket, in turn; empty = anonymous visitors.
    pub tokens: Vec<String>,
    /// What the subscription's reply must contain; empty = nothing.
    pub snapshot_contains: String,
    /// It subscribes and never reads again.
    pub stalls: bool,
}

/// One update to all sockets, in microseconds from the moment the trigger was sent.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Round {
    /// When the trigger was answered.
    pub answered_us: f64,
    /// When the first frame was there.
    pub first_us: f64,
    /// When the last frame was there.
    pub last_us: f64,
    /// How often the receiver asked for events: few for many frames says that it was behind.
    pub wakes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Upgrading,
    Subscribing,
    Ready,
}

struct Subscriber {
    socket: Socket,
    stage: Stage,
    /// The last round in which an offer came.
    seen_round: u64,
    /// Offers that came in that round.
    seen: usize,
}

struct Trigger {
    stream: TcpStream,
    received: Vec<u8>,
    answered: bool,
}

/// Sockets that wait for updates.
pub struct Swarm {
    poll: Poll,
    events: Events,
    sockets: Vec<Subscriber>,
    triggers: Vec<Trigger>,
    buffer: Vec<u8>,
    pong: Vec<u8>,
    handshake: Option<Handshake>,
    ready: usize,
    round: u64,
    /// Offers that each socket gets in a round.
    offers: usize,
    /// Sockets that have all of them.
    received: usize,
    first: Option<Instant>,
    last: Option<Instant>,
    answered: Option<Instant>,
    sample: Vec<u8>,
    pings: u64,
    wakes: u64,
    /// When the round began, and how long after it each socket had all it should, in microseconds; `None` = nobody asked.
    began: Instant,
    delivered_us: Option<Histogram<u64>>,
}

impl Swarm {
    /// Creates an empty swarm; without a handshake its sockets are ready as soon as they are connected.
    ///
    /// # Errors
    /// The system refuses an epoll set.
    pub fn new(handshake: Option<Handshake>) -> Result<Self> {
        Ok(Self {
            poll: Poll::new().context("epoll")?,
            events: Events::with_capacity(1024),
            sockets: Vec::new(),
            triggers: Vec::new(),
            offers: 1,
            buffer: vec![0; BUFFER_BYTES],
            pong: ws::client_frame(Opcode::Text, ws::PONG),
            handshake,
            ready: 0,
            round: 0,
            received: 0,
            first: None,
            last: None,
            answered: None,
            sample: Vec::new(),
            pings: 0,
            wakes: 0,
            began: Instant::now(),
            delivered_us: None,
        })
    }

    /// The epoll set, for a caller who waits for something else too (under [`CONTROL`]).
    #[must_use]
    pub fn poll(&self) -> &Poll {
        &self.poll
    }

    /// The payload of the last offer of the last round's first frame.
    #[must_use]
    pub fn sample(&self) -> &[u8] {
        &self.sample
    }

    /// Begins to note how long each delivery takes; returns what was noted so far.
    ///
    /// # Errors
    /// Never; the bounds of the histogram are good.
    pub fn time_deliveries(&mut self) -> Result<Option<Histogram<u64>>> {
        let fresh = Histogram::new_with_bounds(1, DELIVERY_US_MAX, 3);
        Ok(self.delivered_us.replace(fresh.map_err(|error| Error::Setup(error.to_string()))?))
    }

    /// How many pings of the server were answered.
    #[must_use]
    pub fn pings(&self) -> u64 {
        self.pings
    }

    /// Connects `count` sockets and waits until each is subscribed; returns how long that took.
    ///
    /// # Errors
    /// A socket is refused, closed or answered with a fault, or nothing happens for 15 s.
    pub fn connect(&mut self, server: SocketAddr, count: usize) -> Result<Duration> {
        let start = Instant::now();
        let host = server.to_string();
        let upgrade = self.handshake.as_ref().map(|handshake| ws::upgrade_request(&host, &handshake.path));
        self.sockets.reserve(count);
        while self.ready < count {
            while self.sockets.len() < count && self.sockets.len() - self.ready < HANDSHAKES_MAX {
                self.open(server, upgrade.as_deref())?;
            }
            if self.ready < count {
                self.turn(Some(SILENCE_MAX))?;
                if self.events.is_empty() {
                    return Err(Error::TimedOut(format!("{} of {count} sockets subscribed", self.ready)));
                }
            }
        }
        Ok(start.elapsed())
    }

    fn open(&mut self, server: SocketAddr, upgrade: Option<&[u8]>) -> Result<()> {
        let index = self.sockets.len();
        let stalls = self.handshake.as_ref().is_some_and(|handshake| handshake.stalls);
        let connect = if stalls { connect_narrow } else { connect_from };
        let mut stream = connect(source(index), server)?;
        self.poll.registry().register(&mut stream, Token(index), Interest::READABLE).context("epoll")?;
        let stage = match upgrade {
            Some(request) => {
                write_all(&mut stream, request)?;
                Stage::Upgrading
            }
            None => {
                self.ready += 1;
                Stage::Ready
            }
        };
        self.sockets.push(Subscriber { socket: Socket::new(stream), stage, seen_round: 0, seen: 0 });
        Ok(())
    }

    /// Connects one more socket over which updates are triggered.
    ///
    /// # Errors
    /// The address cannot be reached, or there are too many.
    pub fn connect_trigger(&mut self, address: SocketAddr) -> Result<()> {
        let mut stream = connect_from(source(0), address)?;
        let nth = self.triggers.len();
        if nth == TRIGGERS_MAX {
            return Err(Error::Setup(format!("more than {TRIGGERS_MAX} triggers")));
        }
        let token = Token(TRIGGERS_FROM - nth);
        self.poll.registry().register(&mut stream, token, Interest::READABLE).context("epoll")?;
        self.triggers.push(Trigger { stream, received: Vec::new(), answered: false });
        Ok(())
    }

    /// Sends `requests` at once, each over its trigger, and waits until all are answered with 200 and each socket got
    /// `offers` offers.
    ///
    /// # Errors
    /// Another answer, one offer too many for a socket, a lost socket, or silence for 15 s.
    pub fn round(&mut self, requests: &[String], offers: usize, sample_contains: &[u8]) -> Result<Round> {
        self.round += 1;
        (self.received, self.first, self.last, self.answered, self.wakes) = (0, None, None, None, 0);
        self.offers = offers;
        self.triggers.iter_mut().for_each(|trigger| trigger.answered = false);
        let start = Instant::now();
        self.began = start;
        if requests.len() != self.triggers.len() {
            return Err(Error::Setup(format!(
                "{} requests, {} triggers",
                requests.len(),
                self.triggers.len()
            )));
        }
        for (request, trigger) in std::iter::zip(requests, &mut self.triggers) {
            write_all(&mut trigger.stream, request.as_bytes())?;
        }
        loop {
            if let (Some(first), Some(last), Some(answered)) = (self.first, self.last, self.answered)
                && self.received == self.sockets.len()
            {
                if memchr::memmem::find(&self.sample, sample_contains).is_none() {
                    let shown = String::from_utf8_lossy(&self.sample).into_owned();
                    return Err(Error::Unexpected(format!("a frame without the update's value: {shown}")));
                }
                let since = |instant: Instant| instant.duration_since(start).as_secs_f64() * 1e6;
                return Ok(Round {
                    answered_us: since(answered),
                    first_us: since(first),
                    last_us: since(last),
                    wakes: self.wakes,
                });
            }
            self.turn(Some(SILENCE_MAX))?;
            if self.events.is_empty() {
                let (received, all) = (self.received, self.sockets.len());
                return Err(Error::TimedOut(format!("an update reached {received} of {all} sockets")));
            }
        }
    }

    /// Waits for events once and handles them; tells whether [`CONTROL`] was among them.
    ///
    /// # Errors
    /// As [`Swarm::round`].
    pub fn turn(&mut self, timeout: Option<Duration>) -> Result<bool> {
        while let Err(error) = self.poll.poll(&mut self.events, timeout) {
            if error.kind() != ErrorKind::Interrupted {
                return Err(error).context("epoll");
            }
        }
        self.wakes += 1;
        let mut control = false;
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            match event.token() {
                CONTROL => control = true,
                Token(index) if index > TRIGGERS_FROM - TRIGGERS_MAX => {
                    self.read_trigger(TRIGGERS_FROM - index)?
                }
                Token(index) => self.read_socket(index)?,
            }
        }
        self.events = events;
        Ok(control)
    }

    fn read_trigger(&mut self, nth: usize) -> Result<()> {
        let Some(trigger) = self.triggers.get_mut(nth) else { return Ok(()) };
        let Some(read) = read_available(&mut trigger.stream, &mut self.buffer)? else { return Ok(()) };
        trigger.received.extend_from_slice(self.buffer.get(..read).unwrap_or_default());
        let Some(head) = parse_head(&trigger.received)? else { return Ok(()) };
        if trigger.received.len() < head.end {
            return Ok(());
        }
        if head.status != 200 {
            let shown = String::from_utf8_lossy(&trigger.received).into_owned();
            return Err(Error::Unexpected(format!("the update was answered: {shown}")));
        }
        trigger.received.clear();
        trigger.answered = true;
        if self.triggers.iter().all(|trigger| trigger.answered) {
            self.answered = Some(Instant::now());
        }
        Ok(())
    }

    fn read_socket(&mut self, index: usize) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let outcome = self.read(index, &mut buffer);
        self.buffer = buffer;
        outcome
    }
}

impl Frames for Swarm {
    fn socket(&mut self, index: usize) -> Option<&mut Socket> {
        self.sockets.get_mut(index).map(|subscriber| &mut subscriber.socket)
    }

    fn is_upgraded(&self, index: usize) -> bool {
        self.sockets.get(index).is_some_and(|subscriber| subscriber.stage != Stage::Upgrading)
    }

    fn upgraded(&mut self, index: usize) -> Result<()> {
        let Some(subscriber) = self.sockets.get_mut(index) else { return Ok(()) };
        subscriber.stage = Stage::Subscribing;
        let Some(handshake) = &self.handshake else { return Ok(()) };
        subscriber.socket.send(&first_frame(handshake, index))?;
        if handshake.stalls {
            subscriber.stage = Stage::Ready;
            self.ready += 1;
            self.poll.registry().deregister(&mut subscriber.socket.stream).context("epoll")?;
        }
        Ok(())
    }

    fn message(&mut self, index: usize, message: &[u8]) -> Result<()> {
        let Some(subscriber) = self.sockets.get_mut(index) else { return Ok(()) };
        match ws::classify(message) {
            Message::Offer if subscriber.stage == Stage::Ready => {
                if subscriber.seen_round != self.round {
                    (subscriber.seen_round, subscriber.seen) = (self.round, 0);
                }
                subscriber.seen += 1;
                if subscriber.seen > self.offers {
                    let (seen, round) = (subscriber.seen, self.round);
                    return Err(Error::Unexpected(format!("{seen} offers in round {round}")));
                }
                if subscriber.seen == self.offers {
                    self.received += 1;
                    if let Some(delivered_us) = &mut self.delivered_us {
                        let took_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
                        delivered_us.saturating_record(took_us);
                    }
                }
                if self.first.is_none() {
                    self.first = Some(Instant::now());
                    self.sample.clear();
                    self.sample.extend_from_slice(message);
                }
                if self.received == self.sockets.len() {
                    self.last = Some(Instant::now());
                }
            }
            Message::Ping => {
                self.pings += 1;
                subscriber.socket.send(&self.pong)?;
            }
            Message::Reply(1) | Message::OtherPush if subscriber.stage != Stage::Upgrading => {}
            Message::Reply(2) if subscriber.stage == Stage::Subscribing => {
                let expected = self.handshake.as_ref().map_or("", |handshake| &handshake.snapshot_contains);
                if memchr::memmem::find(message, expected.as_bytes()).is_none() {
                    return Err(unexpected("a snapshot without the offer", message));
                }
                subscriber.stage = Stage::Ready;
                self.ready += 1;
            }
            _ => return Err(unexpected("a message", message)),
        }
        Ok(())
    }
}

/// Connect and subscribe in one frame, as the JavaScript client sends them.
fn first_frame(handshake: &Handshake, index: usize) -> Vec<u8> {
    let token = match handshake.tokens.len() {
        0 => String::new(),
        tokens => {
            handshake.tokens.get(index % tokens).map(|t| format!(r#""token":"{t}""#)).unwrap_or_default()
        }
    };
    let subscription = &handshake.subscription;
    let text = format!(
        "{{\"id\":1,\"connect\":{{{token}}}}}\n\
         {{\"id\":2,\"subscribe\":{{\"channel\":\"nearby\",\"data\":{subscription}}}}}"
    );
    ws::client_frame(Opcode::Text, text.as_bytes())
}
