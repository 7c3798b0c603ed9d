//! What sessions cost: resident memory of an idle, subscribed one, and how many authenticated ones start per second.
//!
//! Memory is the growth of the server's `VmRSS` from before the first to after the last of N anonymous sessions that
//! are subscribed with one offer in reach, once it has settled, over N. Buffers of the kernel are not in it. Both are
//! absolute figures of a server with one worker.

use std::time::Duration;

use serde_json::json;

use super::Options;
use super::fanout::{handshake, start};
use crate::child::Helper;
use crate::driver::{Config, Connected};
use crate::error::Result;
use crate::report::{Row, Target};

const MEMORY_KIB: f64 = 8.0;
/// How often and how far apart memory is read once everybody is subscribed; the largest reading counts.
const READINGS: u32 = 10;
const READING_EVERY: Duration = Duration::from_millis(200);

/// Measures the memory of idle sessions.
///
/// # Errors
/// A session is refused, or the server fails.
pub fn memory(options: &Options, add: &mut dyn FnMut(Row)) -> Result<()> {
    let (server, _scene, promotion) = start(options)?;
    let before_kib = server.rss_kib()?;
    let mut driver = Helper::start("driver")?;
    let sockets = options.sessions;
    let handshake = Some(handshake(&promotion, Vec::new()));
    let config = Config { data: server.address, control: None, sockets, handshake, updates: Vec::new() };
    let _: Connected = driver.ask(&config)?;
    let mut after_kib = 0;
    for _ in 0..READINGS {
        std::thread::sleep(READING_EVERY);
        after_kib = after_kib.max(server.rss_kib()?);
    }
    let each_kib = after_kib.saturating_sub(before_kib) as f64 / sockets as f64;
    add(Row {
        work: "memory per session, KiB".to_owned(),
        setting: format!("{sockets} idle, subscribed"),
        ours: format!("{before_kib} to {after_kib} KiB RSS"),
        limit: String::new(),
        figure: each_kib,
        spread: (each_kib, each_kib),
        target: Some(Target::AtMost(MEMORY_KIB)),
        detail: json!({"before_kib": before_kib, "after_kib": after_kib, "sessions": sockets}),
    });
    Ok(())
}

/// Measures how fast authenticated sessions connect, subscribe and get their snapshot, 256 handshakes at a time.
///
/// # Errors
/// A session is refused, or the server fails.
pub fn connects(options: &Options, add: &mut dyn FnMut(Row)) -> Result<()> {
    let (server, scene, promotion) = start(options)?;
    let sockets = options.sessions;
    let handshake = Some(handshake(&promotion, scene.shoppers(sockets)?));
    let mut driver = Helper::start("driver")?;
    let config = Config { data: server.address, control: None, sockets, handshake, updates: Vec::new() };
    let connected: Connected = driver.ask(&config)?;
    let per_second = sockets as f64 / connected.seconds.max(f64::EPSILON);
    add(Row {
        work: "sessions started per second".to_owned(),
        setting: format!("{sockets} authenticated, with snapshot"),
        ours: format!("{:.2} s for all", connected.seconds),
        limit: String::new(),
        figure: per_second,
        spread: (per_second, per_second),
        target: None,
        detail: json!({"seconds": connected.seconds, "sessions": sockets}),
    });
    Ok(())
}
