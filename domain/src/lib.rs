//! The pure core of Flash Promos: what a promotion, its stock, its claims and its geography are, and
//! what may happen to them.
//!
//! Everything here is a function of state, arguments and `now`. There is no clock, no randomness, no
//! IO and no async in this crate; callers hand in ids, codes and the time.

pub mod board;
pub mod claim;
pub mod code;
pub mod event;
pub mod geo;
pub mod ids;
pub mod limits;
pub mod money;
pub mod notice;
pub mod promotion;
pub mod segment;
pub mod series;
pub mod terms;
pub mod time;
