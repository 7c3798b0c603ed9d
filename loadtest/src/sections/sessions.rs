//! What sessions cost: resident memory of an idle, subscribed one, and how many authenticated ones start per second.
//!
//! Memory is the growth of the server's `VmRSS` by N anonymous sessions that are subscribed with one offer in reach,
//! over N. A fifth as many are there before, so that what a server takes while it starts is not in it. What handshakes
//! took and gave back stays with the allocator until something happens after its pause, so a few more sessions come
//! before each reading. Buffers of the kernel are not in it. Both are absolute figures of a server with one worker.

use std::time::Duration;

use serde_json::json;

use super::Options;
use super::fanout::{handshake, start};
use crate::child::Helper;
use crate::driver::{Config, Connected};
use crate::error::Result;
use crate::report::{Row, Target};
use crate::server::Server;
use crate::swarm::Handshake;

const MEMORY_KIB: f64 = 5.0;
const CONNECTS_PER_SECOND: f64 = 5_000.0;
/// Sessions that are there before memory is read, as a share of those that are counted.
const BEFORE_SHARE: usize = 5;
/// Sessions that come last before each reading.
const NUDGE: usize = 200;
/// Longer than the allocator keeps what was given back.
const SETTLING: Duration = Duration::from_secs(2);

/// Measures the memory of idle sessions.
///
/// # Errors
/// A session is refused, or the server fails.
pub fn memory(options: &Options, add: &mut dyn FnMut(Row)) -> Result<()> {
    let (server, _scene, promotion) = start(options)?;
    let sockets = options.sessions;
    let mut drivers = Vec::new();
    let mut settled_after = |count: usize| -> Result<u64> {
        for count in [count, NUDGE] {
            let mut driver = Helper::start("driver")?;
            let _: Connected = driver.ask(&idle(&server, count, Some(handshake(&promotion, Vec::new()))))?;
            drivers.push(driver);
            std::thread::sleep(SETTLING);
        }
        server.rss_kib()
    };
    let before_kib = settled_after(sockets / BEFORE_SHARE)?;
    let after_kib = settled_after(sockets)?;
    let each_kib = after_kib.saturating_sub(before_kib) as f64 / (sockets + NUDGE) as f64;
    add(Row {
        work: "memory per session, KiB".to_owned(),
        setting: format!("{sockets} idle, subscribed, after {}", sockets / BEFORE_SHARE),
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
    let config = idle(&server, sockets, handshake);
    let connected: Connected = driver.ask(&config)?;
    let per_second = sockets as f64 / connected.seconds.max(f64::EPSILON);
    add(Row {
        work: "sessions started per second".to_owned(),
        setting: format!("{sockets} authenticated, with snapshot"),
        ours: format!("{:.2} s for all", connected.seconds),
        limit: String::new(),
        figure: per_second,
        spread: (per_second, per_second),
        target: Some(Target::AtLeast(CONNECTS_PER_SECOND)),
        detail: json!({"seconds": connected.seconds, "sessions": sockets}),
    });
    Ok(())
}

/// Sessions that wait for nothing.
fn idle(server: &Server, sockets: usize, handshake: Option<Handshake>) -> Config {
    let data = server.address;
    Config { data, control: None, sockets, triggers: 0, offers: 0, handshake, updates: Vec::new() }
}
