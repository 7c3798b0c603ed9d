//! `bench/echo`: sends every message back, with the same codec and reading as sessions. For the conformance suite.

use super::frame::{self, Decoder, Event, Opcode};
use super::socket::read_shared;
use crate::limits::ECHO_BYTES_MAX;
use bytes::BytesMut;
use std::io;
use tokio::net::TcpStream;

/// Echoes until either side ends it. What is not written yet is waited for before more is read.
pub(super) async fn serve(stream: TcpStream, mut early: Vec<u8>) -> io::Result<()> {
    let mut decoder = Decoder::new(ECHO_BYTES_MAX);
    let mut open = true;
    if !early.is_empty() {
        open = answer(&stream, &mut decoder, &mut early).await?;
    }
    while open {
        std::future::poll_fn(|context| stream.poll_read_ready(context)).await?;
        // The buffer is the thread's: it can't be kept over an await.
        let Some(read) = read_shared(&stream, |bytes| bytes.to_vec()) else { continue };
        let Ok(mut bytes) = read else { break };
        open = answer(&stream, &mut decoder, &mut bytes).await?;
    }
    Ok(())
}

/// Answers what came; returns whether it goes on.
async fn answer(stream: &TcpStream, decoder: &mut Decoder, bytes: &mut [u8]) -> io::Result<bool> {
    let mut out = BytesMut::new();
    let mut open = true;
    let result = decoder.feed(bytes, |event| {
        match event {
            Event::Text(text) => out.extend_from_slice(&frame::encode(Opcode::Text, text.as_bytes())),
            Event::Binary(bytes) => out.extend_from_slice(&frame::encode(Opcode::Binary, bytes)),
            Event::Ping(payload) => out.extend_from_slice(&frame::encode(Opcode::Pong, payload)),
            Event::Pong => {}
            Event::Close(code) => {
                open = false;
                out.extend_from_slice(&match code {
                    Some(code) => frame::close(code, ""),
                    None => frame::encode(Opcode::Close, &[]),
                });
            }
        }
        open
    });
    if let Err(error) = result {
        open = false;
        out.extend_from_slice(&frame::close(error.code(), &error.to_string()));
    }
    let mut rest = &out[..];
    while !rest.is_empty() {
        std::future::poll_fn(|context| stream.poll_write_ready(context)).await?;
        match stream.try_write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(open)
}
