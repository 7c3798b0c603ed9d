//! Inputs from a corpus by chance: bytes and JSON values changed, cut, doubled and mixed. The same seed gives the same
//! inputs.

use serde_json::{Map, Value, json};

/// Splitmix64.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, which is at least 1.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Pieces that parsers and databases have stumbled over.
const PIECES: [&[u8]; 22] = [
    b"NaN",
    b"1e999",
    b"-0",
    b"9007199254740993",
    b"18446744073709551616",
    b"\\u0000",
    b"\\ud800",
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"null",
    b"{}",
    b"[]",
    b"\"",
    b"\\",
    b",",
    b"{\"a\":",
    b"\n",
    b"\r\n\r\n",
    "\u{202e}\u{1f642}".as_bytes(),
    b"1970-01-01T00:00:00Z",
];

/// Changes some bytes.
pub fn bytes(input: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut out = input.to_vec();
    for _ in 0..1 + chance.below(4) {
        let at = chance.below(out.len() + 1);
        match chance.below(7) {
            0 if at < out.len() => out[at] ^= 1 << chance.below(8),
            1 if at < out.len() => out[at] = chance.next() as u8,
            2 => out.truncate(at),
            3 => drop(out.splice(at..at, chance.pick(&PIECES).iter().copied())),
            4 => {
                let end = at + chance.below(out.len() - at + 1).min(64);
                let again = out[at..end].to_vec();
                drop(out.splice(at..at, again));
            }
            5 => {
                let end = at + chance.below(out.len() - at + 1).min(16);
                drop(out.drain(at..end));
            }
            _ => out.push(chance.next() as u8),
        }
    }
    out
}

fn value(chance: &mut Chance) -> Value {
    match chance.below(14) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(0),
        3 => json!(-1),
        4 => json!(1e300),
        5 => json!(u64::MAX),
        6 => json!(i64::MIN),
        7 => json!(0.1),
        8 => json!(""),
        9 => json!("\u{0}"),
        10 => json!("x".repeat(1 + chance.below(3_000))),
        11 => json!([]),
        12 => json!({}),
        _ => (0..chance.below(200)).fold(json!([]), |inside, _| json!([inside])),
    }
}

/// Changes some values of a JSON document: replaces, drops, doubles or adds members, at any depth.
pub fn document(input: &Value, chance: &mut Chance) -> Value {
    match input {
        Value::Object(members) if !chance.one_in(12) => {
            let mut out = Map::new();
            for (name, inside) in members {
                match chance.below(8) {
                    0 => {}
                    1 => drop(out.insert(name.clone(), value(chance))),
                    2 => drop(out.insert(format!("{name}_"), inside.clone())),
                    3 => drop(out.insert(name.clone(), document(inside, chance))),
                    _ => drop(out.insert(name.clone(), inside.clone())),
                }
            }
            Value::Object(out)
        }
        Value::Array(items) if !chance.one_in(6) => items.iter().map(|item| document(item, chance)).collect(),
        _ => value(chance),
    }
}

/// One input: a document changed, its bytes changed, or both.
pub fn input(corpus: &[Value], chance: &mut Chance) -> Vec<u8> {
    let seed = chance.pick(corpus).clone();
    let changed = if chance.one_in(3) { seed } else { document(&seed, chance) };
    let text = changed.to_string().into_bytes();
    if chance.one_in(2) { bytes(&text, chance) } else { text }
}
