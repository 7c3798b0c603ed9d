//! Durable claims over websocket rpc, sixteen to a frame, held against the same server's no-op over HTTP.
//!
//! Sixty-four frames are in flight, on as many of some thousand sessions in turn, because a shopper may make only so
//! many claims per second. Each slice has a promotion of its own, which at the end must show exactly as many held
//! units as claims were acknowledged. The limit is that of the claims over HTTP: 256 connections.

use std::time::Duration;

use serde_json::json;

use super::Options;
use super::throughput::{NOOP, STOCK_MAX, WARM_UP_SHARE, noop_workload, start, with_log};
use crate::closed_loop;
use crate::error::{Error, Result};
use crate::report::{Row, Target, median, spread};
use crate::rpc_loop::{Pace, Sessions, Slice};
use crate::scene::Scene;
use crate::server::Server;

const RPC: f64 = 1.2;
/// Claims in a frame, and frames in flight.
const COMMANDS: usize = 16;
const FRAMES: usize = 64;
/// Sessions for each shopper who claims over HTTP: rpc is faster, and a shopper may not be.
const SESSIONS_PER_SHOPPER: usize = 2;
/// Connections of the no-op.
const NOOP_CONNECTIONS: usize = 256;
/// How long claims are held: longer than any run.
const HOLD_SECONDS: u32 = 3600;

/// Measures claims over rpc.
///
/// # Errors
/// A claim is refused, or the server fails.
pub fn measure(options: &Options, add: &mut dyn FnMut(Row)) -> Result<()> {
    let more = Options { shoppers: options.shoppers * SESSIONS_PER_SHOPPER, ..options.clone() };
    let (server, scene, tokens) = start(None, &more)?;
    add(compare(&server, &scene, &tokens, options).map_err(|error| with_log(error, &server))?);
    Ok(())
}

fn compare(server: &Server, scene: &Scene, tokens: &[String], options: &Options) -> Result<Row> {
    let mut sessions = Sessions::connect(server.address, tokens)?;
    let mut noop = noop_workload(server, tokens)?;
    let counted = Duration::from_secs_f64(options.seconds);
    let warm_up = counted.mul_f64(WARM_UP_SHARE);
    let claims_max = u64::from(STOCK_MAX);
    let mut work = |counted: Duration| -> Result<Slice> {
        let promotion = scene.launch(STOCK_MAX, HOLD_SECONDS)?;
        let pace = Pace { frames: FRAMES, commands: COMMANDS, warm_up, counted, claims_max };
        let slice = sessions.run(&promotion, &pace)?;
        match scene.taken(&promotion)? {
            (held, 0) if held == slice.accepted => Ok(slice),
            taken => {
                let accepted = slice.accepted;
                Err(Error::Unexpected(format!("{accepted} claims were acknowledged, taken are {taken:?}")))
            }
        }
    };
    let mut limit = |counted: Duration| -> Result<closed_loop::Slice> {
        let slice = closed_loop::run(server.address, &mut noop, NOOP_CONNECTIONS, warm_up, counted)?;
        match &slice.other_sample {
            Some(sample) => Err(Error::Unexpected(format!("{NOOP}: {sample}"))),
            None => Ok(slice),
        }
    };
    limit(counted.mul_f64(0.3))?;
    work(counted.mul_f64(0.3))?;
    let (mut ours, mut limits) = (Vec::new(), Vec::new());
    for _ in 0..options.slices {
        ours.push(work(counted)?);
        limits.push(limit(counted)?);
    }
    Ok(row(&ours, &limits, tokens.len()))
}

fn row(ours: &[Slice], limits: &[closed_loop::Slice], sessions: usize) -> Row {
    let rates: Vec<f64> = ours.iter().map(Slice::per_second).collect();
    let noop_rates: Vec<f64> = limits.iter().map(closed_loop::Slice::per_second).collect();
    let ratios: Vec<f64> =
        std::iter::zip(&rates, &noop_rates).map(|(ours, limit)| ours / limit.max(f64::EPSILON)).collect();
    let at = |quantile: f64| {
        let all: Vec<f64> =
            ours.iter().map(|slice| slice.latency_us.value_at_quantile(quantile) as f64 / 1e3).collect();
        median(&all)
    };
    let (p50, p99) = (at(0.5), at(0.99));
    Row {
        work: "claims over rpc / no-op".to_owned(),
        setting: format!("sqlite, {FRAMES} frames of {COMMANDS} in flight, {sessions} sessions"),
        ours: format!("{:.0}/s, a frame p50 {p50:.1} p99 {p99:.1} ms", median(&rates)),
        limit: format!("{:.0}/s", median(&noop_rates)),
        figure: median(&ratios),
        spread: spread(&ratios),
        target: Some(Target::AtLeast(RPC)),
        detail: json!({
            "ratios": ratios, "per_second": rates, "noop_per_second": noop_rates,
            "frame_p50_ms": p50, "frame_p99_ms": p99, "sessions": sessions,
        }),
    }
}
