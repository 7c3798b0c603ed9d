//! A tenth of the sessions stop reading while updates flow: how long the others wait, beside the same run without them.
//!
//! Slices alternate on one server: nine tenths of the sessions alone, then with a tenth more that subscribed and never read.
//! So many promotions are in reach that the snapshot alone is more than such a session's socket takes: it is stalled from the
//! start, and the server has something left for it. A delivery counts from the sending of the merchant's PATCH to the
//! frame at a healthy session; updates follow each other without a pause. At the end the server must have cut every session
//! that stalled, and none else: only then were they stalled.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Options;
use super::fanout::{PRICES, handshake, start, update, wait_shown};
use super::throughput::with_log;
use crate::child::Helper;
use crate::driver::{Config, Connected, Rounds, Slice};
use crate::error::{Error, Result};
use crate::http::{self, Request};
use crate::report::{Row, Target, median, spread};
use crate::scene::Scene;
use crate::server::Server;
use crate::swarm::Handshake;

const HEALTHY: f64 = 1.25;
/// One session in so many stalls.
const STALLED_OF: usize = 10;
/// Promotions in reach: some 80 KB of offers, more than a socket's buffers with segments of 1,400 bytes.
const PROMOTIONS: usize = 160;
/// Rounds per slice in any case.
const ROUNDS_MIN: usize = 3;
/// How long the server may take to cut who does not read; it gives them 10 s.
const CUT_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const CUT: &str = "flash_live_evicted_total ";

/// Measures it.
///
/// # Errors
/// A healthy session is lost or an update does not reach it, a stalled one is not cut, or the server fails.
pub fn measure(options: &Options, add: &mut dyn FnMut(Row)) -> Result<()> {
    let (server, scene, promotion) = start(options)?;
    add(measure_on(&server, &scene, &promotion, options).map_err(|error| with_log(error, &server))?);
    Ok(())
}

fn measure_on(server: &Server, scene: &Scene, promotion: &str, options: &Options) -> Result<Row> {
    let mut last = promotion.to_owned();
    for _ in 1..PROMOTIONS {
        last = scene.launch(1000, 60)?;
    }
    wait_shown(server, &last)?;
    let sockets = options.sockets.iter().max().copied().unwrap_or(STALLED_OF);
    let stalled = (sockets / STALLED_OF).max(1);
    let mut healthy = Helper::start("driver")?;
    let updates = PRICES.map(|price| update(scene, &[promotion.to_owned()], price)).collect();
    let _: Connected = healthy.ask(&Config {
        data: server.address,
        control: Some(server.address),
        sockets: sockets - stalled,
        triggers: 1,
        offers: 1,
        handshake: Some(handshake(promotion, Vec::new())),
        updates,
    })?;
    let slice = Slice { duration_ms: (options.seconds * 1000.0) as u64, rounds_min: ROUNDS_MIN, timed: true };
    let warm_up = Slice { duration_ms: slice.duration_ms / 3, ..slice };
    let _: Rounds = healthy.ask(&warm_up)?;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for nth in 0..options.slices {
        alone.push(p99_ms(&healthy.ask(&slice)?)?);
        let cut_before = cut(server)?;
        let mut others = Helper::start("driver")?;
        let _: Connected = others.ask(&stalling(server, promotion, stalled))?;
        let _: Rounds = healthy.ask(&warm_up)?;
        beside.push(p99_ms(&healthy.ask(&slice)?)?);
        if nth + 1 == options.slices {
            wait_cut(server, cut_before + stalled as u64)?;
        }
    }
    Ok(row(&alone, &beside, (sockets - stalled, stalled)))
}

/// Sessions that subscribe and never read.
fn stalling(server: &Server, promotion: &str, sockets: usize) -> Config {
    Config {
        data: server.address,
        control: None,
        sockets,
        triggers: 0,
        offers: 0,
        handshake: Some(Handshake { stalls: true, ..handshake(promotion, Vec::new()) }),
        updates: Vec::new(),
    }
}

fn p99_ms(rounds: &Rounds) -> Result<(f64, f64)> {
    let (p50_us, p99_us) =
        rounds.delivered_us.ok_or_else(|| Error::Unexpected("deliveries that were not timed".to_owned()))?;
    Ok((p50_us as f64 / 1e3, p99_us as f64 / 1e3))
}

/// How many sessions the server has cut because they did not read.
fn cut(server: &Server) -> Result<u64> {
    let request = Request { method: "GET", path: "/metrics", token: None, key: None, body: "" };
    let response = http::call(server.address, &request)?;
    let text = String::from_utf8_lossy(&response.body);
    let line = text.lines().find_map(|line| line.strip_prefix(CUT));
    line.and_then(|value| value.trim().parse().ok())
        .ok_or_else(|| Error::Unexpected(format!("no {CUT}in /metrics")))
}

fn wait_cut(server: &Server, wanted: u64) -> Result<()> {
    let deadline = Instant::now() + CUT_MAX;
    loop {
        let cut = cut(server)?;
        if cut >= wanted {
            return match cut == wanted {
                true => Ok(()),
                false => Err(Error::Unexpected(format!("{cut} sessions were cut instead of {wanted}"))),
            };
        }
        if Instant::now() > deadline {
            return Err(Error::TimedOut(format!("{cut} sessions were cut instead of {wanted}")));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn row(alone: &[(f64, f64)], beside: &[(f64, f64)], (healthy, stalled): (usize, usize)) -> Row {
    let ratios: Vec<f64> =
        std::iter::zip(beside, alone).map(|((_, ours), (_, limit))| ours / limit.max(f64::EPSILON)).collect();
    let p50 = |slices: &[(f64, f64)]| slices.iter().map(|(p50_ms, _)| *p50_ms).collect::<Vec<f64>>();
    let p99 = |slices: &[(f64, f64)]| slices.iter().map(|(_, p99_ms)| *p99_ms).collect::<Vec<f64>>();
    let words =
        |slices: &[(f64, f64)]| format!("p50 {:.1} p99 {:.1} ms", median(&p50(slices)), median(&p99(slices)));
    Row {
        work: "10 % stalled: healthy p99 / without".to_owned(),
        setting: format!("{healthy} healthy, {stalled} stalled"),
        ours: words(beside),
        limit: words(alone),
        figure: median(&ratios),
        spread: spread(&ratios),
        target: Some(Target::AtMost(HEALTHY)),
        detail: json!({
            "ratios": ratios, "beside_p99_ms": p99(beside), "alone_p99_ms": p99(alone),
            "beside_p50_ms": p50(beside), "alone_p50_ms": p50(alone),
        }),
    }
}
