//! Ids and redemption codes from the thread's cryptographic generator.

use flash_actors::ports::clock::Mint;
use flash_domain::code;
use flash_domain::time::UnixMillis;
use rand::Rng;
use uuid::{Builder, Uuid};

/// The mint of a running server.
#[derive(Debug, Default)]
pub struct SystemMint;

impl Mint for SystemMint {
    fn uuid(&self, at: UnixMillis) -> Uuid {
        let mut random = [0; 10];
        rand::rng().fill_bytes(&mut random);
        Builder::from_unix_timestamp_millis(u64::try_from(at.0).unwrap_or(0), &random).into_uuid()
    }

    fn code(&self, at: UnixMillis) -> String {
        code::compose(at, rand::rng().next_u32())
    }
}
