//! RFC 6455 frames, the server's side: decoding what clients send, strictly; encoding what they get. No extensions.
//!
//! The decoder keeps bytes only of a frame or message that is not complete yet. It knows no protocol above frames.

use bytes::{BufMut, Bytes, BytesMut};

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of a message.
    Continuation = 0,
    /// UTF-8 text.
    Text = 1,
    /// Bytes.
    Binary = 2,
    /// The end.
    Close = 8,
    /// Are you there?
    Ping = 9,
    /// Yes.
    Pong = 10,
}

impl Opcode {
    fn parse(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// Something complete that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// A ping, to be answered with the same payload.
    Ping(&'a [u8]),
    /// A pong.
    Pong,
    /// The other side's close, with its code if it gave one.
    Close(Option<u16>),
}

/// Why a connection can't go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A rule of RFC 6455 is broken.
    #[error("protocol error")]
    Protocol,
    /// Text that is not UTF-8.
    #[error("invalid UTF-8")]
    Utf8,
    /// A message above the bound.
    #[error("message too big")]
    TooBig,
}

impl FrameError {
    /// The close code of RFC 6455; the live protocol has its own for [`FrameError::TooBig`].
    pub fn code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::Utf8 => 1007,
            Self::TooBig => 1009,
        }
    }
}

const CONTROL_BYTES_MAX: usize = 125;

/// Encodes one whole frame; servers don't mask.
pub fn encode(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(payload.len() + 10);
    put_header(&mut frame, opcode, payload.len());
    frame.put_slice(payload);
    frame.freeze()
}

fn put_header(frame: &mut BytesMut, opcode: Opcode, length: usize) {
    frame.put_u8(0x80 | opcode as u8);
    match length {
        0..=125 => frame.put_u8(length as u8),
        126..=0xffff => {
            frame.put_u8(126);
            frame.put_u16(length as u16);
        }
        _ => {
            frame.put_u8(127);
            frame.put_u64(length as u64);
        }
    }
}

/// Encodes a close frame; the reason is cut to what fits (123 bytes), at a character.
pub fn close(code: u16, reason: &str) -> Bytes {
    let mut end = reason.len().min(CONTROL_BYTES_MAX - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = Vec::with_capacity(end + 2);
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    encode(Opcode::Close, &payload)
}

struct Header {
    fin: bool,
    opcode: Opcode,
    mask: [u8; 4],
    length: usize,
    size: usize,
}

impl Header {
    /// Reads a header; `None` while it is not complete.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        let [first, second, ..] = *bytes else { return Ok(None) };
        let opcode = Opcode::parse(first & 0x0f).ok_or(FrameError::Protocol)?;
        let (fin, masked, short) = (first & 0x80 != 0, second & 0x80 != 0, usize::from(second & 0x7f));
        // No extension was agreed on, and clients must mask.
        if first & 0x70 != 0 || !masked {
            return Err(FrameError::Protocol);
        }
        if opcode.is_control() && (!fin || short > CONTROL_BYTES_MAX) {
            return Err(FrameError::Protocol);
        }
        let extended = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let size = 2 + extended + 4;
        if bytes.len() < size {
            return Ok(None);
        }
        let length = match extended {
            0 => short as u64,
            _ => bytes[2..2 + extended].iter().fold(0, |length, byte| (length << 8) | u64::from(*byte)),
        };
        // The highest bit of a long length must be 0.
        if length >> 63 != 0 {
            return Err(FrameError::Protocol);
        }
        let length = usize::try_from(length).map_err(|_| FrameError::TooBig)?;
        let mut mask = [0; 4];
        mask.copy_from_slice(&bytes[size - 4..size]);
        Ok(Some(Self { fin, opcode, mask, length, size }))
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut eight = [0; 8];
        eight.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(eight) ^ wide).to_ne_bytes());
    }
    for (byte, mask) in chunks.into_remainder().iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

/// A message of which not every fragment has come.
struct Fragments {
    text: bool,
    bytes: Vec<u8>,
    /// How many bytes are known to be UTF-8, if it is text.
    valid: usize,
}

impl Fragments {
    /// Fails as soon as no continuation could make the text valid.
    fn check(&mut self, last: bool) -> Result<(), FrameError> {
        if !self.text {
            return Ok(());
        }
        match std::str::from_utf8(&self.bytes[self.valid..]) {
            Ok(_) => self.valid = self.bytes.len(),
            Err(error) if error.error_len().is_none() && !last => self.valid += error.valid_up_to(),
            Err(_) => return Err(FrameError::Utf8),
        }
        Ok(())
    }
}

/// Decodes one connection's incoming bytes.
pub struct Decoder {
    partial: Vec<u8>,
    fragments: Option<Box<Fragments>>,
    bytes_max: usize,
}

impl Decoder {
    /// Makes a decoder of messages of at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { partial: Vec::new(), fragments: None, bytes_max }
    }

    /// Takes bytes as they came (they are unmasked in place) and calls `on` with each thing that is complete, until it
    /// returns `false`.
    ///
    /// # Errors
    /// See [`FrameError`]; nothing more may be fed after one.
    pub fn feed(
        &mut self,
        bytes: &mut [u8],
        mut on: impl FnMut(Event<'_>) -> bool,
    ) -> Result<(), FrameError> {
        if self.partial.is_empty() {
            let used = self.frames(bytes, &mut on)?;
            self.partial.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut partial = std::mem::take(&mut self.partial);
        partial.extend_from_slice(bytes);
        let used = self.frames(&mut partial, &mut on)?;
        if used < partial.len() {
            partial.drain(..used);
            self.partial = partial;
        }
        Ok(())
    }

    fn frames(
        &mut self,
        bytes: &mut [u8],
        on: &mut impl FnMut(Event<'_>) -> bool,
    ) -> Result<usize, FrameError> {
        let mut used = 0;
        while let Some(header) = Header::parse(&bytes[used..])? {
            self.admit(&header)?;
            let start = used + header.size;
            let Some(payload) = bytes.get_mut(start..start + header.length) else { break };
            unmask(payload, header.mask);
            used = start + header.length;
            if !self.frame(&header, payload, on)? {
                return Ok(bytes.len());
            }
        }
        Ok(used)
    }

    /// Whether a frame may come now and is not too long: decided by its header, before its payload is there.
    fn admit(&self, header: &Header) -> Result<(), FrameError> {
        if header.opcode.is_control() {
            return Ok(());
        }
        if (header.opcode == Opcode::Continuation) != self.fragments.is_some() {
            return Err(FrameError::Protocol);
        }
        let before = self.fragments.as_ref().map_or(0, |fragments| fragments.bytes.len());
        if header.length > self.bytes_max.saturating_sub(before) {
            return Err(FrameError::TooBig);
        }
        Ok(())
    }

    fn frame(
        &mut self,
        header: &Header,
        payload: &[u8],
        on: &mut impl FnMut(Event<'_>) -> bool,
    ) -> Result<bool, FrameError> {
        match header.opcode {
            Opcode::Ping => Ok(on(Event::Ping(payload))),
            Opcode::Pong => Ok(on(Event::Pong)),
            Opcode::Close => {
                let code = close_code(payload)?;
                on(Event::Close(code));
                Ok(false)
            }
            Opcode::Text if header.fin => {
                Ok(on(Event::Text(std::str::from_utf8(payload).map_err(|_| FrameError::Utf8)?)))
            }
            Opcode::Binary if header.fin => Ok(on(Event::Binary(payload))),
            Opcode::Text | Opcode::Binary => {
                let text = header.opcode == Opcode::Text;
                let mut fragments = Fragments { text, bytes: payload.to_vec(), valid: 0 };
                fragments.check(false)?;
                self.fragments = Some(Box::new(fragments));
                Ok(true)
            }
            Opcode::Continuation => self.continuation(header.fin, payload, on),
        }
    }

    fn continuation(
        &mut self,
        fin: bool,
        payload: &[u8],
        on: &mut impl FnMut(Event<'_>) -> bool,
    ) -> Result<bool, FrameError> {
        let Some(mut fragments) = self.fragments.take() else { return Err(FrameError::Protocol) };
        fragments.bytes.extend_from_slice(payload);
        fragments.check(fin)?;
        if !fin {
            self.fragments = Some(fragments);
            return Ok(true);
        }
        if fragments.text {
            return Ok(on(Event::Text(std::str::from_utf8(&fragments.bytes).map_err(|_| FrameError::Utf8)?)));
        }
        Ok(on(Event::Binary(&fragments.bytes)))
    }
}

/// Reads the code of a close frame (RFC 6455, 7.4).
fn close_code(payload: &[u8]) -> Result<Option<u16>, FrameError> {
    let [high, low, reason @ ..] = payload else {
        return if payload.is_empty() { Ok(None) } else { Err(FrameError::Protocol) };
    };
    let code = u16::from_be_bytes([*high, *low]);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(FrameError::Protocol);
    }
    std::str::from_utf8(reason).map_err(|_| FrameError::Utf8)?;
    Ok(Some(code))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = BytesMut::new();
        put_header(&mut frame, Opcode::Text, payload.len());
        frame[0] = first;
        frame[1] |= 0x80;
        frame.put_slice(&MASK);
        // By the letter of the RFC, not by the code under test.
        frame.extend(payload.iter().enumerate().map(|(nth, byte)| byte ^ MASK[nth % 4]));
        frame.to_vec()
    }

    fn decode(bytes: &[u8], step: usize) -> (Vec<String>, Result<(), FrameError>) {
        let mut decoder = Decoder::new(1_000);
        let mut seen = Vec::new();
        for chunk in bytes.chunks(step.max(1)) {
            let result = decoder.feed(&mut chunk.to_vec(), |event| {
                seen.push(format!("{event:?}"));
                true
            });
            if result.is_err() {
                return (seen, result);
            }
        }
        (seen, Ok(()))
    }

    fn fails(bytes: &[u8]) -> FrameError {
        let whole = decode(bytes, bytes.len()).1.unwrap_err();
        assert_eq!(decode(bytes, 1).1.unwrap_err(), whole, "however it is cut");
        whole
    }

    #[test]
    fn messages_and_control_frames_interleave() {
        let bytes = [
            frame(0x01, "caf".as_bytes()),
            frame(0x89, b"hi"),
            frame(0x00, &"é".as_bytes()[..1]),
            frame(0x8a, b""),
            frame(0x80, &"é".as_bytes()[1..]),
            frame(0x82, &[1, 2, 3]),
            frame(0x88, &[0x03, 0xe8]),
        ]
        .concat();
        let expected =
            ["Ping([104, 105])", "Pong", "Text(\"café\")", "Binary([1, 2, 3])", "Close(Some(1000))"];
        for step in [1, 2, 3, 7, 1_000] {
            assert_eq!(decode(&bytes, step), (expected.map(String::from).to_vec(), Ok(())));
        }
    }

    #[test]
    fn payloads_of_every_length_are_unmasked() {
        for length in 0..70usize {
            let payload: Vec<u8> = (0..length).map(|n| n as u8 ^ 0x5a).collect();
            assert_eq!(decode(&frame(0x82, &payload), 1_000).0, [format!("Binary({payload:?})")]);
        }
    }

    #[test]
    fn what_rfc_6455_forbids_is_a_protocol_error() {
        let mut unmasked = frame(0x81, b"");
        unmasked[1] &= 0x7f;
        let long_ping = frame(0x89, &[0; 126]);
        let cases = [
            frame(0xc1, b"rsv1"),
            frame(0x83, b"reserved opcode"),
            frame(0x8b, b""),
            frame(0x09, b"fragmented ping"),
            frame(0x80, b"continuation of nothing"),
            [frame(0x01, b"a"), frame(0x81, b"b")].concat(),
            frame(0x88, &[3]),
            frame(0x88, &999u16.to_be_bytes()),
            frame(0x88, &1005u16.to_be_bytes()),
            frame(0x88, &5000u16.to_be_bytes()),
            unmasked,
            long_ping,
        ];
        for bytes in cases {
            assert_eq!(fails(&bytes), FrameError::Protocol, "{bytes:?}");
        }
    }

    #[test]
    fn text_that_is_not_utf_8_fails_at_the_first_bad_fragment() {
        assert_eq!(fails(&frame(0x81, &[0xff])), FrameError::Utf8);
        assert_eq!(fails(&frame(0x01, &[0xed, 0xa0])), FrameError::Utf8);
        assert_eq!(fails(&[frame(0x01, &[0xc3]), frame(0x80, b"")].concat()), FrameError::Utf8);
        assert_eq!(fails(&frame(0x88, &[0x03, 0xe8, 0xff])), FrameError::Utf8);
    }

    #[test]
    fn the_bound_holds_before_the_payload_comes_and_over_fragments() {
        assert_eq!(decode(&frame(0x82, &[0; 1_001])[..8], 8).1, Err(FrameError::TooBig));
        assert_eq!(fails(&[frame(0x02, &[0; 600]), frame(0x80, &[0; 401])].concat()), FrameError::TooBig);
        assert!(decode(&[frame(0x02, &[0; 600]), frame(0x80, &[0; 400])].concat(), 64).1.is_ok());
    }

    #[test]
    fn nothing_is_kept_between_complete_frames() {
        let mut decoder = Decoder::new(1_000);
        decoder.feed(&mut frame(0x81, b"x"), |_| true).unwrap();
        assert!(decoder.partial.capacity() == 0 && decoder.fragments.is_none());
        let whole = frame(0x81, b"abc");
        decoder.feed(&mut whole[..4].to_vec(), |_| true).unwrap();
        assert_eq!(decoder.partial.len(), 4);
        decoder.feed(&mut whole[4..].to_vec(), |_| true).unwrap();
        assert_eq!(decoder.partial.capacity(), 0);
    }

    #[test]
    fn a_close_reason_is_cut_at_a_character() {
        let frame = close(3501, &"ñ".repeat(100));
        assert_eq!(frame.len(), 2 + 2 + 122);
        assert!(std::str::from_utf8(&frame[4..]).is_ok());
    }

    proptest! {
        #[test]
        fn garbage_never_panics_and_cutting_changes_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..300), step in 1usize..40) {
            let (whole, cut) = (decode(&bytes, bytes.len()), decode(&bytes, step));
            prop_assert_eq!(whole, cut);
        }
    }
}
