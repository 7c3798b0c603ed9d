//! Loopback sockets: source addresses, so that none runs out of ports, connections that do or do not wait, and reading
//! messages that come in pieces.
//!
//! It knows no protocol.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::TcpStream;
use socket2::{Domain, Type};

use crate::error::{Context, Error, Result};

/// Sockets per source address, well below the kernel's range of ephemeral ports.
pub const SOCKETS_PER_SOURCE: usize = 10_000;

/// Of a socket that takes little: its receive buffer and its segments, in bytes.
const NARROW_BYTES: usize = 4_096;
const NARROW_SEGMENT_BYTES: u32 = 1_400;

/// The loopback address from which the socket with this number connects; port 0.
#[must_use]
pub fn source(index: usize) -> SocketAddr {
    let host = u8::try_from(1 + index / SOCKETS_PER_SOURCE).unwrap_or(u8::MAX);
    SocketAddr::from(([127, 0, 0, host], 0))
}

fn socket(source: SocketAddr, server: SocketAddr) -> Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::for_address(server), Type::STREAM, None).context("socket")?;
    let on_loopback = matches!(server.ip(), IpAddr::V4(ip) if ip.is_loopback());
    if on_loopback && source.ip() != IpAddr::V4(Ipv4Addr::LOCALHOST) {
        socket.bind(&source.into()).context("bind a source address")?;
    }
    socket.set_tcp_nodelay(true).context("nodelay")?;
    Ok(socket)
}

/// Connects, blocking: on loopback that is done at once unless the backlog is full.
///
/// # Errors
/// The server cannot be reached.
pub fn connect_from(source: SocketAddr, server: SocketAddr) -> Result<TcpStream> {
    let socket = socket(source, server)?;
    socket.connect(&server.into()).context(format!("connect to {server}"))?;
    socket.set_nonblocking(true).context("nonblocking")?;
    Ok(TcpStream::from_std(socket.into()))
}

/// As [`connect_from`], with little room for what comes and in the small pieces of a phone's network, so that what is not
/// read fills up both sides soon: on loopback the sender's side alone would take megabytes.
///
/// # Errors
/// The server cannot be reached.
pub fn connect_narrow(source: SocketAddr, server: SocketAddr) -> Result<TcpStream> {
    let socket = socket(source, server)?;
    socket.set_recv_buffer_size(NARROW_BYTES).context("receive buffer")?;
    socket.set_tcp_mss(NARROW_SEGMENT_BYTES).context("segment size")?;
    socket.connect(&server.into()).context(format!("connect to {server}"))?;
    socket.set_nonblocking(true).context("nonblocking")?;
    Ok(TcpStream::from_std(socket.into()))
}

/// Starts to connect; that it is connected shows when it is writable.
///
/// # Errors
/// The server refuses at once.
pub fn start_from(source: SocketAddr, server: SocketAddr) -> Result<TcpStream> {
    let socket = socket(source, server)?;
    socket.set_nonblocking(true).context("nonblocking")?;
    match socket.connect(&server.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error).context(format!("connect to {server}")),
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// A socket with the start of a message whose rest has not come yet.
#[derive(Debug)]
pub struct Socket {
    /// The socket.
    pub stream: TcpStream,
    partial: Vec<u8>,
}

impl Socket {
    /// A socket of which nothing was read.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, partial: Vec::new() }
    }

    /// Sends a small message whole.
    ///
    /// # Errors
    /// As [`write_all`].
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        write_all(&mut self.stream, bytes)
    }

    /// Reads once, behind what is there already, which moves into `buffer`; returns how much of it is filled now and
    /// whether more may be waiting. `None` when nothing was there after all.
    ///
    /// A read that leaves space has emptied the socket (epoll(7)), which saves the read that would say so.
    ///
    /// # Errors
    /// The socket is broken or was closed, or a message does not fit into the buffer.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<Option<(usize, bool)>> {
        let kept = self.partial.len();
        let Some((head, space)) = buffer.split_at_mut_checked(kept).filter(|(_, space)| !space.is_empty())
        else {
            return Err(Error::Unexpected(format!("a message of more than {kept} bytes")));
        };
        head.copy_from_slice(&self.partial);
        let space_bytes = space.len();
        let Some(read) = read_available(&mut self.stream, space)? else { return Ok(None) };
        self.partial.clear();
        Ok(Some((kept + read, read == space_bytes)))
    }

    /// Keeps the start of a message for the next read.
    pub fn keep(&mut self, rest: &[u8]) {
        self.partial.extend_from_slice(rest);
    }
}

/// Reads once; `None` when nothing was there after all.
///
/// # Errors
/// The socket is broken or was closed.
pub fn read_available(stream: &mut TcpStream, space: &mut [u8]) -> Result<Option<usize>> {
    match stream.read(space) {
        Ok(0) => Err(Error::Unexpected("a socket was closed".to_owned())),
        Ok(read) => Ok(Some(read)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(error) => Err(error).context("receive"),
    }
}

/// Sends a small message whole; a full send buffer is a fault here, since the other side always reads.
///
/// # Errors
/// The socket is broken or its send buffer is full.
pub fn write_all(stream: &mut TcpStream, bytes: &[u8]) -> Result<()> {
    let written = stream.write(bytes).context("send")?;
    if written == bytes.len() { Ok(()) } else { Err(Error::Unexpected("a send buffer is full".to_owned())) }
}
