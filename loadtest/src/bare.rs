//! The limit that fan-out is held against: a loop that writes the same bytes once to each of its sockets. The bytes are
//! one frame, or several in one write where updates wait together.
//!
//! It runs in a process of its own (`flash-bench bare-writer`), as the server does, and is as little as a writer to
//! sockets can be: one thread, one `write` per socket, the frame encoded once, sockets in the order in which they
//! came, no epoll (nobody speaks to it), no timers, no bookkeeping. Its data sockets skip the handshake; from then on
//! the client cannot tell it from the server. A trigger arrives on a second listener as an HTTP request and is
//! answered before the writes start, like a commit that is through.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, Type};

use crate::error::{Context, Result};
use crate::ws;

/// What the writer is told on its standard input, as one JSON line.
#[derive(Debug, Serialize, Deserialize)]
pub struct Config {
    /// How many sockets to wait for.
    pub sockets: usize,
    /// The payload of the text frame to write.
    pub payload: String,
    /// How many times the frame is in the bytes of a write.
    pub frames: usize,
}

/// What the writer says on its standard output, as one JSON line, when it listens.
#[derive(Debug, Serialize, Deserialize)]
pub struct Listening {
    /// Where the sockets connect.
    pub data: SocketAddr,
    /// Where the trigger connects, after all sockets.
    pub control: SocketAddr,
}

const TRIGGER_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

/// Accepts the sockets, then writes to each of them once per trigger, until the trigger's connection ends.
///
/// # Errors
/// A socket cannot be accepted or written to.
pub fn run(config: &Config, announce: impl FnOnce(&Listening) -> Result<()>) -> Result<()> {
    let data = listen()?;
    let control = listen()?;
    announce(&Listening {
        data: data.local_addr().context("address")?,
        control: control.local_addr().context("address")?,
    })?;
    let mut sockets = Vec::with_capacity(config.sockets);
    while sockets.len() < config.sockets {
        let (socket, _) = data.accept().context("accept a data socket")?;
        socket.set_nodelay(true).context("nodelay")?;
        sockets.push(socket);
    }
    let (mut trigger, _) = control.accept().context("accept the trigger")?;
    trigger.set_nodelay(true).context("nodelay")?;
    let frame = ws::server_frame(config.payload.as_bytes()).repeat(config.frames);
    let mut request = [0; 4096];
    // A trigger is one small segment, and the next one comes only after its answer.
    while trigger.read(&mut request).context("read a trigger")? > 0 {
        trigger.write_all(TRIGGER_ANSWER).context("answer a trigger")?;
        for socket in &mut sockets {
            write_once(socket, &frame)?;
        }
    }
    Ok(())
}

/// `write_all` on a blocking socket is one `write` when the bytes fit, which they do.
fn write_once(socket: &mut TcpStream, frame: &[u8]) -> Result<()> {
    socket.write_all(frame).context("write to a data socket")
}

fn listen() -> Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).context("socket")?;
    let any_port: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any_port.into()).context("bind")?;
    socket.listen(4096).context("listen")?;
    Ok(socket.into())
}
