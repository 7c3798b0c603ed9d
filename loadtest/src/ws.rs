//! The client's half of RFC 6455 and the few Centrifuge messages that a subscribed shopper needs.
//!
//! Frames are masked with the key zero, which the RFC allows and which makes masking free. It deliberately knows no
//! extensions, no fragments and no compression: a server that sends them to this client fails the run.

use crate::error::{Error, Result};

/// Longest frame accepted from a server, in bytes: a snapshot of many offers.
pub const FRAME_BYTES_MAX: usize = 4 << 20;

/// The fixed challenge of every handshake here, and the answer that RFC 6455 (section 1.3) gives for it.
const CHALLENGE: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const CHALLENGE_ANSWER: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// What kind of frame arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// A text message.
    Text,
    /// The server closes.
    Close,
    /// A ping of RFC 6455.
    Ping,
    /// A pong of RFC 6455.
    Pong,
}

/// One frame at the start of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its kind.
    pub opcode: Opcode,
    /// What it carries.
    pub payload: &'a [u8],
    /// How many bytes the frame takes, header included.
    pub bytes: usize,
}

/// Reads the frame at the start of `bytes`; `None` while it is not complete.
///
/// # Errors
/// A fragment, a masked frame, a binary frame, or one longer than [`FRAME_BYTES_MAX`].
#[inline]
pub fn parse_frame(bytes: &[u8]) -> Result<Option<Frame<'_>>> {
    let (Some(&first), Some(&second)) = (bytes.first(), bytes.get(1)) else { return Ok(None) };
    let opcode = match first {
        0x81 => Opcode::Text,
        0x88 => Opcode::Close,
        0x89 => Opcode::Ping,
        0x8A => Opcode::Pong,
        other => return Err(Error::Unexpected(format!("a frame that starts with {other:#04x}"))),
    };
    let (header, length) = match second {
        0..=125 => (2, usize::from(second)),
        126 => match bytes.get(2..4) {
            Some(&[a, b]) => (4, usize::from(u16::from_be_bytes([a, b]))),
            _ => return Ok(None),
        },
        127 => match bytes.get(2..10).and_then(|length| <[u8; 8]>::try_from(length).ok()) {
            Some(length) => (10, usize::try_from(u64::from_be_bytes(length)).unwrap_or(usize::MAX)),
            None => return Ok(None),
        },
        _ => return Err(Error::Unexpected("a masked frame from a server".to_owned())),
    };
    if length > FRAME_BYTES_MAX {
        return Err(Error::Unexpected(format!("a frame of {length} bytes")));
    }
    let payload = bytes.get(header..header + length);
    Ok(payload.map(|payload| Frame { opcode, payload, bytes: header + length }))
}

/// Encodes a client's frame: masked, with the key zero.
#[must_use]
pub fn client_frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    frame(opcode, payload, 0x80)
}

/// Encodes a server's text frame, as the bare writer sends it.
#[must_use]
pub fn server_frame(payload: &[u8]) -> Vec<u8> {
    frame(Opcode::Text, payload, 0)
}

fn frame(opcode: Opcode, payload: &[u8], mask_bit: u8) -> Vec<u8> {
    let first = match opcode {
        Opcode::Text => 0x81,
        Opcode::Close => 0x88,
        Opcode::Ping => 0x89,
        Opcode::Pong => 0x8A,
    };
    let mut out = Vec::with_capacity(payload.len() + 14);
    out.push(first);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ 0..=125), _) => out.push(mask_bit | short),
        (_, Ok(medium)) => {
            out.push(mask_bit | 126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(mask_bit | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    if mask_bit != 0 {
        out.extend_from_slice(&[0; 4]);
    }
    out.extend_from_slice(payload);
    out
}

/// Encodes the upgrade request for `path` at `host`.
#[must_use]
pub fn upgrade_request(host: &str, path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: {CHALLENGE}\r\n\r\n"
    )
    .into_bytes()
}

/// Tells whether the head of a 101 carries the answer to this client's challenge.
#[must_use]
pub fn accepts(head: &[u8]) -> bool {
    memchr::memmem::find(head, CHALLENGE_ANSWER).is_some()
}

/// What one message of the Centrifuge protocol means to a subscriber that only counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// The server's ping, to be answered with [`PONG`].
    Ping,
    /// A publication that starts or changes an offer.
    Offer,
    /// Any other push.
    OtherPush,
    /// The reply to the command with this id, which succeeded.
    Reply(u8),
    /// A reply that carries an error, or something unknown.
    Fault,
}

/// The answer to the server's ping.
pub const PONG: &[u8] = b"{}";

/// Tells what one message is, looking at as little of it as it can: the client shares two cores with the server.
#[must_use]
#[inline]
pub fn classify(message: &[u8]) -> Message {
    if message == b"{}" {
        return Message::Ping;
    }
    if message.starts_with(b"{\"push\"") {
        let is_offer = memchr::memmem::find(message, b"\"type\":\"offer\"").is_some();
        return if is_offer { Message::Offer } else { Message::OtherPush };
    }
    let parsed: Option<serde_json::Value> = serde_json::from_slice(message).ok();
    let id = parsed.as_ref().filter(|reply| reply.get("error").is_none()).and_then(|reply| reply.get("id"));
    match id.and_then(serde_json::Value::as_u64).map(u8::try_from) {
        Some(Ok(id)) => Message::Reply(id),
        _ => Message::Fault,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn server_frames_of_every_length_come_back() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
            let payload = vec![b'x'; length];
            let bytes = server_frame(&payload);
            let parsed = parse_frame(&bytes).unwrap().unwrap();
            assert_eq!(
                (parsed.opcode, parsed.payload.len(), parsed.bytes),
                (Opcode::Text, length, bytes.len())
            );
            for cut in 0..bytes.len().min(12) {
                assert_eq!(parse_frame(&bytes[..cut]).unwrap(), None, "{length} cut at {cut}");
            }
        }
    }

    #[test]
    fn client_frames_are_masked_with_zero() {
        assert_eq!(client_frame(Opcode::Text, b"{}"), [0x81, 0x82, 0, 0, 0, 0, b'{', b'}']);
    }

    #[test]
    fn fragments_and_masks_are_refused() {
        assert!(parse_frame(&[0x01, 0x00]).is_err());
        assert!(parse_frame(&[0x81, 0x80, 0, 0, 0, 0]).is_err());
    }

    #[test]
    fn messages_are_told_apart() {
        assert_eq!(classify(b"{}"), Message::Ping);
        let offer = br#"{"push":{"channel":"nearby","pub":{"data":{"type":"offer","offer":{}}}}}"#;
        assert_eq!(classify(offer), Message::Offer);
        let stock = br#"{"push":{"channel":"nearby","pub":{"data":{"type":"stock","id":"x"}}}}"#;
        assert_eq!(classify(stock), Message::OtherPush);
        assert_eq!(classify(br#"{"id":2,"subscribe":{}}"#), Message::Reply(2));
        assert_eq!(classify(br#"{"id":2,"error":{"code":102,"message":"unknown"}}"#), Message::Fault);
    }
}
