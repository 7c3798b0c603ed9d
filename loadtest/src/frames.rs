//! Reading many live sockets through one buffer: the upgrade's answer, then frames, and in each its messages.
//!
//! It knows RFC 6455 and that messages of one frame are lines; what they say is the business of who reads.

use crate::error::{Error, Result};
use crate::http::parse_head;
use crate::net::Socket;
use crate::ws::{self, Opcode};

/// Most of a faulty message that an error shows, in bytes.
const SHOWN_BYTES_MAX: usize = 500;

/// Those who read many live sockets.
pub trait Frames {
    /// The socket with this number; `None` = there is none.
    fn socket(&mut self, index: usize) -> Option<&mut Socket>;

    /// Tells whether its upgrade was answered.
    fn is_upgraded(&self, index: usize) -> bool;

    /// Its upgrade was answered.
    ///
    /// # Errors
    /// What is said next cannot be sent.
    fn upgraded(&mut self, index: usize) -> Result<()>;

    /// A message came.
    ///
    /// # Errors
    /// It is not what was expected.
    fn message(&mut self, index: usize, message: &[u8]) -> Result<()>;

    /// Reads what a socket has, and handles everything that is complete.
    ///
    /// # Errors
    /// The socket is broken or was closed, the upgrade was refused, or as [`Frames::message`].
    fn read(&mut self, index: usize, buffer: &mut [u8]) -> Result<()> {
        loop {
            let Some(socket) = self.socket(index) else { return Ok(()) };
            let Some((filled, more)) = socket.fill(buffer)? else { return Ok(()) };
            let mut rest = buffer.get(..filled).unwrap_or_default();
            while !rest.is_empty() {
                let used = self.consume(index, rest)?;
                if used == 0 {
                    break;
                }
                rest = rest.get(used..).unwrap_or_default();
            }
            if !rest.is_empty()
                && let Some(socket) = self.socket(index)
            {
                socket.keep(rest);
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Handles what is complete at the start of `bytes`; returns how many bytes that was.
    ///
    /// # Errors
    /// As [`Frames::read`].
    fn consume(&mut self, index: usize, bytes: &[u8]) -> Result<usize> {
        if !self.is_upgraded(index) {
            let Some(head) = parse_head(bytes)? else { return Ok(0) };
            if head.status != 101 || !ws::accepts(bytes.get(..head.body_start).unwrap_or_default()) {
                return Err(unexpected("the upgrade was answered", bytes));
            }
            self.upgraded(index)?;
            return Ok(head.end);
        }
        let Some(frame) = ws::parse_frame(bytes)? else { return Ok(0) };
        match frame.opcode {
            Opcode::Text => {
                let mut from = 0;
                for to in memchr::memchr_iter(b'\n', frame.payload).chain([frame.payload.len()]) {
                    self.message(index, frame.payload.get(from..to).unwrap_or_default())?;
                    from = to + 1;
                }
            }
            Opcode::Ping => {
                let pong = ws::client_frame(Opcode::Pong, frame.payload);
                self.socket(index).map_or(Ok(()), |socket| socket.send(&pong))?;
            }
            Opcode::Pong => {}
            Opcode::Close => {
                let reason = frame.payload.get(2..).unwrap_or_default();
                return Err(unexpected("the server closed a socket", reason));
            }
        }
        Ok(frame.bytes)
    }
}

/// An error that shows what came.
#[must_use]
pub fn unexpected(what: &str, bytes: &[u8]) -> Error {
    let shown = bytes.get(..bytes.len().min(SHOWN_BYTES_MAX)).unwrap_or_default();
    Error::Unexpected(format!("{what}: {}", String::from_utf8_lossy(shown)))
}
