//! Ids and redemption codes from the thread's cryptographic generator.

use flash_actors::ports::clock::Mint;
use flash_domain::time::UnixMillis;
use rand::Rng;
use uuid::{Builder, Uuid};

/// Crockford's base 32: no I, L, O or U, so that codes can be read aloud.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 12 characters are 60 bits: guessing one code of a million takes a thousand billion tries.
const CODE_CHARS: usize = 12;

/// The mint of a running server.
#[derive(Debug, Default)]
pub struct SystemMint;

impl Mint for SystemMint {
    fn uuid(&self, at: UnixMillis) -> Uuid {
        let mut random = [0; 10];
        rand::rng().fill_bytes(&mut random);
        Builder::from_unix_timestamp_millis(u64::try_from(at.0).unwrap_or(0), &random).into_uuid()
    }

    fn code(&self) -> String {
        let mut bits = u64::from_le_bytes({
            let mut random = [0; 8];
            rand::rng().fill_bytes(&mut random);
            random
        });
        let mut code = String::with_capacity(CODE_CHARS);
        for _ in 0..CODE_CHARS {
            code.push(char::from(ALPHABET[(bits & 31) as usize]));
            bits >>= 5;
        }
        code
    }
}
