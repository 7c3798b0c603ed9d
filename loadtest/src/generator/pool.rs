//! Keep-alive connections for an open loop: what is due goes out over a free one, waits for one, or is given up.
//!
//! It knows neither operations nor the clock: it is handed numbers, bytes and the time, and hands back answers.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::error::{Context, Result};
use crate::history::Micros;
use crate::http::parse_head;
use crate::net::{source, start_from};

/// How long a connection that was refused is left alone.
const AGAIN_US: Micros = 50_000;

/// Size of one read, in bytes.
const READ_BYTES: usize = 64 << 10;

/// What became of a request.
#[derive(Debug)]
pub enum Reply {
    /// Status and body.
    Answer(u16, Vec<u8>),
    /// Sent, and no answer: why.
    Lost(String),
    /// Never sent.
    NotSent,
}

/// A request that is done with.
#[derive(Debug)]
pub struct Done {
    /// The operation's number.
    pub operation: u64,
    /// When it was sent; 0 = never.
    pub sent_us: Micros,
    /// What became of it.
    pub reply: Reply,
}

struct Connection {
    stream: Option<TcpStream>,
    is_open: bool,
    out: Vec<u8>,
    written: usize,
    received: Vec<u8>,
    current: Option<(u64, Micros)>,
    again_us: Micros,
}

/// The connections.
pub struct Pool {
    server: SocketAddr,
    source_from: usize,
    connections: Vec<Connection>,
    idle: Vec<usize>,
    waiting: VecDeque<(u64, Vec<u8>, Micros)>,
    done: Vec<Done>,
    buffer: Vec<u8>,
    /// Requests that had to wait for a connection.
    pub waited: u64,
}

impl Pool {
    /// Makes `count` connections, which open when they are first looked at ([`Pool::sweep`]).
    #[must_use]
    pub fn new(server: SocketAddr, count: usize, source_from: usize) -> Self {
        let connection = || Connection {
            stream: None,
            is_open: false,
            out: Vec::new(),
            written: 0,
            received: Vec::new(),
            current: None,
            again_us: 0,
        };
        Self {
            server,
            source_from,
            connections: (0..count).map(|_| connection()).collect(),
            idle: Vec::new(),
            waiting: VecDeque::new(),
            done: Vec::new(),
            buffer: vec![0; READ_BYTES],
            waited: 0,
        }
    }

    /// How many are connected and free.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.idle.len()
    }

    /// Tells whether nothing waits and nothing is in flight.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.waiting.is_empty() && self.connections.iter().all(|connection| connection.current.is_none())
    }

    /// Takes what is done with.
    pub fn take_done(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.done)
    }

    /// Sends a request over a free connection, or has it wait for one.
    pub fn submit(&mut self, operation: u64, bytes: Vec<u8>, now_us: Micros) {
        match self.idle.pop() {
            Some(index) => self.send(index, operation, bytes, now_us),
            None => {
                self.waited += 1;
                self.waiting.push_back((operation, bytes, now_us));
            }
        }
    }

    fn send(&mut self, index: usize, operation: u64, bytes: Vec<u8>, now_us: Micros) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        connection.current = Some((operation, now_us));
        connection.out = bytes;
        connection.written = 0;
        if let Err(error) = flush(connection) {
            self.lose(index, &error.to_string(), now_us);
        }
    }

    /// Handles what happened on a connection.
    pub fn event(&mut self, index: usize, now_us: Micros) {
        if let Err(why) = self.turn(index, now_us) {
            self.lose(index, &why, now_us);
        }
    }

    fn turn(&mut self, index: usize, now_us: Micros) -> std::result::Result<(), String> {
        let Some(connection) = self.connections.get_mut(index) else { return Ok(()) };
        let Some(stream) = connection.stream.as_mut() else { return Ok(()) };
        if !connection.is_open {
            if let Ok(Some(error)) = stream.take_error() {
                return Err(error.to_string());
            }
            match stream.peer_addr() {
                Ok(_) => connection.is_open = true,
                Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
            self.free(index, now_us);
            return Ok(());
        }
        flush(connection).map_err(|error| error.to_string())?;
        loop {
            let Some(connection) = self.connections.get_mut(index) else { return Ok(()) };
            let Some(stream) = connection.stream.as_mut() else { return Ok(()) };
            match stream.read(&mut self.buffer) {
                Ok(0) => return Err("the server closed the connection".to_owned()),
                Ok(read) => {
                    connection.received.extend_from_slice(self.buffer.get(..read).unwrap_or_default());
                    self.parse(index, now_us)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn parse(&mut self, index: usize, now_us: Micros) -> std::result::Result<(), String> {
        let Some(connection) = self.connections.get_mut(index) else { return Ok(()) };
        let Some(head) = parse_head(&connection.received).map_err(|error| error.to_string())? else {
            return Ok(());
        };
        if connection.received.len() < head.end {
            return Ok(());
        }
        let Some((operation, sent_us)) = connection.current.take() else {
            return Err("an answer that nobody asked for".to_owned());
        };
        let body = connection.received.get(head.body_start..head.end).unwrap_or_default().to_vec();
        connection.received.drain(..head.end);
        self.done.push(Done { operation, sent_us, reply: Reply::Answer(head.status, body) });
        self.free(index, now_us);
        Ok(())
    }

    fn free(&mut self, index: usize, now_us: Micros) {
        match self.waiting.pop_front() {
            Some((operation, bytes, _)) => self.send(index, operation, bytes, now_us),
            None => self.idle.push(index),
        }
    }

    /// Gives a connection up, with what was in flight on it; it opens again soon.
    fn lose(&mut self, index: usize, why: &str, now_us: Micros) {
        self.idle.retain(|idle| *idle != index);
        let Some(connection) = self.connections.get_mut(index) else { return };
        connection.stream = None;
        connection.is_open = false;
        connection.received.clear();
        connection.out.clear();
        connection.written = 0;
        connection.again_us = now_us + AGAIN_US;
        if let Some((operation, sent_us)) = connection.current.take() {
            self.done.push(Done { operation, sent_us, reply: Reply::Lost(why.to_owned()) });
        }
    }

    /// Opens what is closed, and gives up what has waited for longer than `timeout_us`.
    ///
    /// # Errors
    /// The system refuses to watch a connection.
    pub fn sweep(&mut self, registry: &Registry, now_us: Micros, timeout_us: Micros) -> Result<()> {
        while self.waiting.front().is_some_and(|(_, _, since_us)| now_us - since_us > timeout_us) {
            if let Some((operation, ..)) = self.waiting.pop_front() {
                self.done.push(Done { operation, sent_us: 0, reply: Reply::NotSent });
            }
        }
        for index in 0..self.connections.len() {
            let Some(connection) = self.connections.get_mut(index) else { continue };
            if connection.current.is_some_and(|(_, sent_us)| now_us - sent_us > timeout_us) {
                self.lose(index, "no answer in time", now_us);
                continue;
            }
            if connection.stream.is_none() && now_us >= connection.again_us {
                connection.again_us = now_us + AGAIN_US;
                if let Ok(mut stream) = start_from(source(self.source_from + index), self.server) {
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    registry.register(&mut stream, Token(index), interest).context("epoll")?;
                    connection.stream = Some(stream);
                }
            }
        }
        Ok(())
    }
}

fn flush(connection: &mut Connection) -> std::io::Result<()> {
    let Some(stream) = connection.stream.as_mut() else { return Err(ErrorKind::NotConnected.into()) };
    while let Some(rest) = connection.out.get(connection.written..).filter(|rest| !rest.is_empty()) {
        match stream.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => connection.written += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
