//! Fuzzing on stable Rust: the protocol decoder and the JSON of HTTP and of the live socket, with inputs mutated from a
//! corpus. A run is bounded: 20,000 inputs for the decoder and 3,000 each for bodies and commands, from a fixed seed.
//! `FLASH_FUZZ_INPUTS` sets another number, `FLASH_FUZZ_SEED` another seed; a failure prints both. `make fuzz` goes on
//! from a fresh seed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bodies;
mod commands;
#[path = "../common/mod.rs"]
mod common;
mod decoder;
#[path = "../common/live.rs"]
mod live;
mod mutate;

use mutate::Chance;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// How many inputs to try, and the chance that makes input `n`.
struct Plan {
    inputs: u64,
    seed: u64,
}

impl Plan {
    fn new(inputs: u64) -> Self {
        let inputs = setting("FLASH_FUZZ_INPUTS").unwrap_or(inputs);
        Self { inputs, seed: setting("FLASH_FUZZ_SEED").unwrap_or(1) }
    }

    /// Each input has a chance of its own, so that one can be tried alone.
    fn chance(&self, n: u64) -> Chance {
        Chance::new(self.seed.wrapping_mul(0x1_0000_0001).wrapping_add(n))
    }

    /// What to say of an input that failed.
    fn blame(&self, n: u64, input: &[u8]) -> String {
        format!("FLASH_FUZZ_SEED={} input {n}: {}", self.seed, String::from_utf8_lossy(input).escape_debug())
    }
}
