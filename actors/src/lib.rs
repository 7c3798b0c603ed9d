//! The actors of Flash Promos: mailboxes, timers and ports around the pure core. No HTTP and no SQL here.

pub mod cell;
pub mod directory;
pub mod engine;
pub mod feed;
pub mod histogram;
pub mod hub;
pub mod jobs;
pub mod lane;
pub mod limits;
pub mod outbox;
pub mod owner;
pub mod persistence;
pub mod ports;
pub mod promotion;
