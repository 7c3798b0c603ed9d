//! Live sessions of an open loop: connect, subscribe, answer pings, come back after a cut, read slowly when told to.
//!
//! It keeps what a client keeps (what it knows of each offer), and reports everything else as effects. It knows neither
//! the schedule nor the judge.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use serde_json::{Value, json};
use uuid::Uuid;

use super::exchange;
use super::remembered::Remembered;
use crate::error::{Context, Result};
use crate::history::{Event, Location, Micros};
use crate::http::parse_head;
use crate::net::{source, start_from};
use crate::scenario::Slowness;
use crate::ws::{self, Opcode};

/// The path of the websocket.
const PATH: &str = "/api/v1/live";
/// Size of one read, in bytes.
const READ_BYTES: usize = 256 << 10;
/// Promotions that a subscription may say it knows.
const KNOWN_MAX: usize = 1_000;
/// Ids of the first two commands.
const CONNECT_ID: u64 = 1;
const SUBSCRIBE_ID: u64 = 2;

/// What a session reports.
#[derive(Debug)]
pub enum Effect {
    /// Something for the history.
    Note(u32, Event),
    /// It is subscribed.
    Ready(u32),
    /// Its socket is gone, and why.
    Lost(u32, String),
    /// The rpc of this operation was answered.
    Answered(u64, Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Closed,
    Upgrading,
    Subscribing,
    Ready,
    /// Slow for good: nothing it says or hears counts.
    Apart,
}

struct Session {
    stream: Option<TcpStream>,
    stage: Stage,
    slowness: Option<Slowness>,
    out: Vec<u8>,
    partial: Vec<u8>,
    token: String,
    place: Location,
    known: HashMap<Uuid, u64>,
    sent_known: Vec<Uuid>,
    subscribed_us: Micros,
    next_id: u64,
    asks: HashMap<u64, u64>,
}

/// The sessions.
pub struct Fleet {
    server: SocketAddr,
    host: String,
    source_from: usize,
    token_from: usize,
    radius_m: f64,
    sessions: Vec<Session>,
    buffer: Vec<u8>,
    remembered: Remembered,
    effects: Vec<Effect>,
    /// Sessions that are subscribed.
    pub ready: usize,
    /// Publications received by sessions that count.
    pub publications: u64,
}

impl Fleet {
    /// Makes sessions, all closed: one per access token, at these places.
    #[must_use]
    pub fn new(
        server: SocketAddr,
        source_from: usize,
        token_from: usize,
        radius_m: f64,
        people: impl Iterator<Item = (String, Location)>,
    ) -> Self {
        let session = |(token, place)| Session {
            stream: None,
            stage: Stage::Closed,
            slowness: None,
            out: Vec::new(),
            partial: Vec::new(),
            token,
            place,
            known: HashMap::new(),
            sent_known: Vec::new(),
            subscribed_us: 0,
            next_id: SUBSCRIBE_ID,
            asks: HashMap::new(),
        };
        Self {
            server,
            host: server.to_string(),
            source_from,
            token_from,
            radius_m,
            sessions: people.map(session).collect(),
            buffer: vec![0; READ_BYTES],
            remembered: Remembered::default(),
            effects: Vec::new(),
            ready: 0,
            publications: 0,
        }
    }

    /// How many there are, in whatever state.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Tells whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Tells whether this session is subscribed and counts.
    #[must_use]
    pub fn is_ready(&self, number: u32) -> bool {
        self.sessions.get(number as usize).is_some_and(|session| session.stage == Stage::Ready)
    }

    /// Tells whether this session reads slowly for good.
    #[must_use]
    pub fn is_apart(&self, number: u32) -> bool {
        self.sessions.get(number as usize).is_some_and(|session| session.slowness.is_some())
    }

    /// Takes what was reported.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Starts to connect a closed session.
    ///
    /// # Errors
    /// The system refuses to watch the socket. That the server cannot be reached is an effect.
    pub fn open(&mut self, number: u32, registry: &Registry) -> Result<()> {
        let index = number as usize;
        let Some(session) = self.sessions.get_mut(index) else { return Ok(()) };
        match start_from(source(self.source_from + index), self.server) {
            Ok(mut stream) => {
                let token = Token(self.token_from + index);
                registry
                    .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)
                    .context("epoll")?;
                session.stream = Some(stream);
                session.stage = Stage::Upgrading;
                session.out = ws::upgrade_request(&self.host, PATH);
                session.partial.clear();
                session.next_id = SUBSCRIBE_ID;
            }
            Err(error) => self.effects.push(Effect::Lost(number, error.to_string())),
        }
        Ok(())
    }

    /// Cuts a session's socket, without a word.
    pub fn cut(&mut self, number: u32) {
        self.lose(number as usize, "cut by the scenario");
    }

    /// Has a session read slowly from now on; a half-open one connects afresh and then says nothing.
    ///
    /// # Errors
    /// As [`Fleet::open`].
    pub fn slow_down(&mut self, number: u32, how: Slowness, registry: &Registry) -> Result<()> {
        self.effects.push(Effect::Note(number, Event::Slowed));
        if how == Slowness::HalfOpen {
            self.lose(number as usize, "becomes half-open");
        }
        let Some(session) = self.sessions.get_mut(number as usize) else { return Ok(()) };
        session.slowness = Some(how);
        if session.stage == Stage::Ready {
            session.stage = Stage::Apart;
            self.ready -= 1;
        }
        if how == Slowness::HalfOpen { self.open(number, registry) } else { Ok(()) }
    }

    /// Reads one byte on behalf of a one-byte reader; `false` when its socket is gone.
    pub fn drip(&mut self, number: u32) -> bool {
        let Some(session) = self.sessions.get_mut(number as usize) else { return false };
        let Some(stream) = session.stream.as_mut() else { return false };
        match stream.read(&mut [0]) {
            Ok(0) => {
                session.stream = None;
                false
            }
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }

    /// Sends an rpc; `false` when the session is not subscribed.
    pub fn ask(&mut self, number: u32, operation: u64, method: &str, data: &Value) -> bool {
        let Some(session) = self.sessions.get_mut(number as usize) else { return false };
        if session.stage != Stage::Ready {
            return false;
        }
        session.next_id += 1;
        session.asks.insert(session.next_id, operation);
        let text = json!({"id": session.next_id, "rpc": {"method": method, "data": data}}).to_string();
        session.out.extend_from_slice(&ws::client_frame(Opcode::Text, text.as_bytes()));
        if let Err(error) = flush(session) {
            self.lose(number as usize, &error.to_string());
        }
        true
    }

    /// Moves a session: from now on it says to be there.
    pub fn place(&mut self, number: u32, place: Location) {
        if let Some(session) = self.sessions.get_mut(number as usize) {
            session.place = place;
        }
    }

    fn lose(&mut self, index: usize, why: &str) {
        let Some(session) = self.sessions.get_mut(index) else { return };
        let was = std::mem::replace(&mut session.stage, Stage::Closed);
        session.stream = None;
        session.out.clear();
        session.partial.clear();
        session.asks.clear();
        if was == Stage::Closed || session.slowness.is_some() {
            return;
        }
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        if was == Stage::Ready {
            self.ready -= 1;
            self.effects.push(Effect::Note(number, Event::Cut));
        }
        self.effects.push(Effect::Lost(number, why.to_owned()));
    }

    /// Handles what happened on a session's socket.
    pub fn event(&mut self, index: usize, now_us: Micros) {
        if let Err(why) = self.turn(index, now_us) {
            self.lose(index, &why);
        }
    }

    fn turn(&mut self, index: usize, now_us: Micros) -> std::result::Result<(), String> {
        let Some(session) = self.sessions.get_mut(index) else { return Ok(()) };
        match session.slowness {
            Some(Slowness::HalfOpen) if session.stage == Stage::Upgrading => {
                return flush(session).map_err(|error| error.to_string());
            }
            Some(_) => return Ok(()),
            None => {}
        }
        if session.stage == Stage::Upgrading
            && let Some(Ok(Some(error))) = session.stream.as_ref().map(TcpStream::take_error)
        {
            return Err(error.to_string());
        }
        flush(session).map_err(|error| error.to_string())?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let outcome = self.read(index, &mut buffer, now_us);
        self.buffer = buffer;
        outcome
    }

    fn read(&mut self, index: usize, buffer: &mut [u8], now_us: Micros) -> std::result::Result<(), String> {
        loop {
            let Some(session) = self.sessions.get_mut(index) else { return Ok(()) };
            let Some(stream) = session.stream.as_mut() else { return Ok(()) };
            let read = match stream.read(buffer) {
                Ok(0) => return Err("the server closed the socket".to_owned()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // It is not connected yet.
                Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.to_string()),
            };
            let bytes = buffer.get(..read).unwrap_or_default();
            // Whole frames are read where they are; only a rest is kept.
            if session.partial.is_empty() {
                let used = self.frames(index, bytes, now_us)?;
                let rest = bytes.get(used..).unwrap_or_default();
                if let Some(session) = self.sessions.get_mut(index) {
                    session.partial.extend_from_slice(rest);
                }
            } else {
                let mut whole = std::mem::take(&mut session.partial);
                whole.extend_from_slice(bytes);
                let used = self.frames(index, &whole, now_us)?;
                whole.drain(..used);
                if let Some(session) = self.sessions.get_mut(index) {
                    session.partial = whole;
                }
            }
            if read < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Handles every complete frame; returns how many bytes they took.
    fn frames(&mut self, index: usize, bytes: &[u8], now_us: Micros) -> std::result::Result<usize, String> {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let Some(session) = self.sessions.get_mut(index) else { return Ok(bytes.len()) };
            if session.stage == Stage::Upgrading {
                let Some(head) = parse_head(rest).map_err(|error| error.to_string())? else {
                    return Ok(used);
                };
                if head.status != 101 || !ws::accepts(rest.get(..head.body_start).unwrap_or_default()) {
                    return Err(format!("the upgrade was answered with {}", head.status));
                }
                used += head.end;
                self.introduce(index, now_us)?;
                continue;
            }
            let Some(frame) = ws::parse_frame(rest).map_err(|error| error.to_string())? else {
                return Ok(used);
            };
            used += frame.bytes;
            match frame.opcode {
                Opcode::Text => {
                    for message in frame.payload.split(|byte| *byte == b'\n') {
                        self.message(index, message)?;
                    }
                }
                Opcode::Ping => self.say(index, &ws::client_frame(Opcode::Pong, frame.payload))?,
                Opcode::Pong => {}
                Opcode::Close => {
                    let reason = String::from_utf8_lossy(frame.payload.get(2..).unwrap_or_default());
                    return Err(format!("the server closed it: {reason}"));
                }
            }
        }
    }

    fn say(&mut self, index: usize, bytes: &[u8]) -> std::result::Result<(), String> {
        let Some(session) = self.sessions.get_mut(index) else { return Ok(()) };
        session.out.extend_from_slice(bytes);
        flush(session).map_err(|error| error.to_string())
    }

    /// Connect and subscribe in one frame, as the JavaScript client sends them.
    fn introduce(&mut self, index: usize, now_us: Micros) -> std::result::Result<(), String> {
        let radius_m = self.radius_m;
        let Some(session) = self.sessions.get_mut(index) else { return Ok(()) };
        session.known = std::mem::take(&mut session.known).into_iter().take(KNOWN_MAX).collect();
        session.sent_known = session.known.keys().copied().collect();
        session.subscribed_us = now_us;
        session.stage = Stage::Subscribing;
        let mut data = json!({"location": session.place, "radius_m": radius_m as u64});
        if !session.known.is_empty() {
            data["known"] = json!(session.known);
        }
        let connect = json!({"id": CONNECT_ID, "connect": {"token": session.token}});
        let subscribe = json!({"id": SUBSCRIBE_ID, "subscribe": {"channel": "nearby", "data": data}});
        let frame = ws::client_frame(Opcode::Text, format!("{connect}\n{subscribe}").as_bytes());
        self.say(index, &frame)
    }

    fn message(&mut self, index: usize, message: &[u8]) -> std::result::Result<(), String> {
        if message == b"{}" {
            return self.say(index, &ws::client_frame(Opcode::Text, ws::PONG));
        }
        if message.starts_with(b"{\"push\"") {
            return self.push(index, message);
        }
        let reply: Value = serde_json::from_slice(message).map_err(|error| format!("not JSON: {error}"))?;
        let id = reply.get("id").and_then(Value::as_u64);
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        match id {
            Some(CONNECT_ID | SUBSCRIBE_ID) if reply.get("error").is_some() => {
                Err(format!("refused: {reply}"))
            }
            Some(CONNECT_ID) => Ok(()),
            Some(SUBSCRIBE_ID) => self.subscribed(index, &reply),
            Some(id) => {
                let Some(session) = self.sessions.get_mut(index) else { return Ok(()) };
                let Some(operation) = session.asks.remove(&id) else {
                    return Err(format!("a reply that nobody asked for: {reply}"));
                };
                let left = reply.pointer("/rpc/data/left").and_then(Value::as_array);
                if let Some(left) = left {
                    let left: Vec<Uuid> = left.iter().filter_map(|id| id.as_str()?.parse().ok()).collect();
                    left.iter().for_each(|id| {
                        session.known.remove(id);
                    });
                    self.effects.push(Effect::Note(number, Event::Moved(left)));
                }
                self.effects.push(Effect::Answered(operation, reply));
                Ok(())
            }
            None => Err(format!("unexpected: {reply}")),
        }
    }

    fn subscribed(&mut self, index: usize, reply: &Value) -> std::result::Result<(), String> {
        let radius_m = self.radius_m;
        let Some(session) = self.sessions.get_mut(index) else { return Ok(()) };
        let list = |field: &str| reply.pointer(&format!("/subscribe/data/{field}")).and_then(Value::as_array);
        let read = |offer: &Value| serde_json::from_value::<exchange::Offer>(offer.clone()).ok();
        let offers = list("offers").ok_or_else(|| format!("a snapshot without offers: {reply}"))?;
        let offers: Vec<exchange::Offer> = offers.iter().filter_map(read).collect();
        let gone: Vec<Uuid> =
            list("gone").into_iter().flatten().filter_map(|id| id.as_str()?.parse().ok()).collect();
        gone.iter().for_each(|id| {
            session.known.remove(id);
        });
        session.known.extend(offers.iter().map(|offer| (offer.id, offer.v)));
        session.stage = Stage::Ready;
        self.ready += 1;
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        let event = Event::Subscribed {
            sent_us: session.subscribed_us,
            location: session.place,
            radius_m,
            known: std::mem::take(&mut session.sent_known),
            offers: offers.iter().map(|offer| (offer.id, offer.v, offer.remaining, offer.held)).collect(),
            gone,
        };
        self.effects.push(Effect::Note(number, event));
        self.effects.push(Effect::Ready(number));
        Ok(())
    }

    fn push(&mut self, index: usize, message: &[u8]) -> std::result::Result<(), String> {
        let publication = self.remembered.read(message)?;
        let Some(publication) = publication else { return Ok(()) };
        self.publications += 1;
        let Some(session) = self.sessions.get_mut(index) else { return Ok(()) };
        let event = match (publication.kind.as_str(), publication.offer, publication.id, publication.v) {
            ("offer", Some(offer), ..) => {
                session.known.insert(offer.id, offer.v);
                Event::Offer(offer.id, offer.v, offer.remaining, offer.held)
            }
            ("stock", _, Some(id), Some(v)) => {
                session.known.insert(id, v);
                Event::Stock(id, v, publication.remaining.unwrap_or(0), publication.held.unwrap_or(0))
            }
            ("gone", _, Some(id), Some(v)) => {
                session.known.remove(&id);
                Event::Gone(id, v, publication.reason.as_deref() == Some("left"))
            }
            _ => return Err(format!("unexpected: {}", String::from_utf8_lossy(message))),
        };
        self.effects.push(Effect::Note(u32::try_from(index).unwrap_or(u32::MAX), event));
        Ok(())
    }
}

fn flush(session: &mut Session) -> std::io::Result<()> {
    let Some(stream) = session.stream.as_mut() else { return Ok(()) };
    let mut written = 0;
    let outcome = loop {
        let Some(rest) = session.out.get(written..).filter(|rest| !rest.is_empty()) else { break Ok(()) };
        match stream.write(rest) {
            Ok(0) => break Err(ErrorKind::WriteZero.into()),
            Ok(count) => written += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                break Ok(());
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    session.out.drain(..written);
    outcome
}
