//! The decoder of frames and commands, in process: it never panics, never keeps more than its bound, and however the
//! bytes are cut it says the same.

use crate::Plan;
use crate::mutate::{self, Chance};
use flash_promos::live::frame::{Decoder, FrameError};
use flash_promos::live::protocol::Request;
use serde_json::json;

const MESSAGE_BYTES_MAX: usize = 4_096;

/// A masked frame.
fn frame(first: u8, payload: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mask = (chance.next() as u32).to_be_bytes();
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=65_535 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().enumerate().map(|(nth, byte)| byte ^ mask[nth % 4]));
    frame
}

fn stream(chance: &mut Chance) -> Vec<u8> {
    let corpus = [
        json!({"id": 1, "connect": {"token": "t", "name": "js"}}),
        json!({"id": 2, "subscribe": {"channel": "nearby", "data": {"radius_m": 500, "known": {}}}}),
        json!({"id": 3, "rpc": {"method": "move", "data": {"location": {"lat": 1.5, "lng": 2.5}}}}),
        json!({"id": 4, "unsubscribe": {"channel": "promotion:x"}}),
        json!({"id": 5, "ping": {}, "send": null}),
        json!({}),
    ];
    let mut out = Vec::new();
    for _ in 0..1 + chance.below(5) {
        let text = mutate::input(&corpus, chance);
        let kinds = [0x81, 0x81, 0x81, 0x01, 0x00, 0x80, 0x82, 0x89, 0x8a, 0x88];
        let first = *chance.pick(&kinds);
        let payload = if first & 0x08 == 0 { &text[..] } else { &text[..text.len().min(chance.below(140))] };
        out.extend(frame(first, payload, chance));
    }
    if chance.one_in(2) { mutate::bytes(&out, chance) } else { out }
}

/// What the decoder says of bytes that come in pieces of at most `step`.
fn decode(bytes: &[u8], step: usize) -> (Vec<String>, Result<(), FrameError>) {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let mut said = Vec::new();
    for piece in bytes.chunks(step.max(1)) {
        let result = decoder.feed(&mut piece.to_vec(), |event| {
            said.push(format!("{event:?}"));
            if let flash_promos::live::frame::Event::Text(text) = &event {
                assert!(text.len() <= MESSAGE_BYTES_MAX);
                for line in text.split('\n').map(str::trim) {
                    said.push(format!("{:?}", Request::parse(line).map(drop)));
                }
            }
            true
        });
        // Nobody feeds a decoder behind the other side's close.
        if result.is_err() || said.iter().any(|said| said.starts_with("Close")) {
            return (said, result);
        }
    }
    (said, Ok(()))
}

#[test]
fn the_decoder_says_the_same_however_bytes_are_cut_and_never_panics() {
    let plan = Plan::new(20_000);
    let mut texts = 0u64;
    for n in 0..plan.inputs {
        let mut chance = plan.chance(n);
        let bytes = stream(&mut chance);
        let step = 1 + chance.below(40);
        let both = std::panic::catch_unwind(|| (decode(&bytes, bytes.len()), decode(&bytes, step)));
        let Ok((whole, cut)) = both else { panic!("a panic: {}", plan.blame(n, &bytes)) };
        assert_eq!(whole, cut, "{}", plan.blame(n, &bytes));
        texts += whole.0.iter().filter(|said| said.starts_with("Ok")).count() as u64;
    }
    assert!(plan.inputs < 1_000 || texts > plan.inputs / 10, "too little gets through to be a test: {texts}");
}
