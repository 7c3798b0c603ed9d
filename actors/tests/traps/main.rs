//! The traps of DESIGN 3.3 and 4 at the engine, one test each: commits that do not come back well, sleep, clock steps,
//! expiry against confirm in flight, versions after a reload, what is published when, daily windows over daylight saving.
//! Virtual time; commits wait where a test holds them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod catalogue;
mod clocks;
mod commits;
mod flight;
mod publishing;
mod series;
#[allow(dead_code)]
#[path = "../sim/mod.rs"]
mod sim;
mod sleep;
mod stage;
mod versions;
