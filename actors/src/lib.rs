//! The actors of Flash Promos: mailboxes, timers and ports around the pure core. No HTTP and no SQL here.

pub mod audience;
pub mod cell;
pub mod directory;
pub mod engine;
pub mod feed;
pub mod histogram;
pub mod hub;
pub mod jobs;
pub mod lane;
pub mod limits;
pub mod notices;
pub mod outbox;
pub mod owner;
pub mod persistence;
pub mod ports;
pub mod promotion;
pub mod pushes;
pub mod webhooks;

// The simulated outside of tests/ names this crate as its users do.
#[cfg(test)]
extern crate self as flash_actors;
#[cfg(test)]
#[path = "../tests/sim/mod.rs"]
#[allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod sim;
