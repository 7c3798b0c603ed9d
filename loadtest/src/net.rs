//! Loopback sockets: source addresses, so that none runs out of ports, and connections that do or do not wait.
//!
//! It knows no protocol.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::TcpStream;
use socket2::{Domain, Socket, Type};

use crate::error::{Context, Error, Result};

/// Sockets per source address, well below the kernel's range of ephemeral ports.
pub const SOCKETS_PER_SOURCE: usize = 10_000;

/// The loopback address from which the socket with this number connects; port 0.
#[must_use]
pub fn source(index: usize) -> SocketAddr {
    let host = u8::try_from(1 + index / SOCKETS_PER_SOURCE).unwrap_or(u8::MAX);
    SocketAddr::from(([127, 0, 0, host], 0))
}

fn socket(source: SocketAddr, server: SocketAddr) -> Result<Socket> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None).context("socket")?;
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
