//! An expired hold among a hundred thousand open ones: how long until its unit can be claimed again.
//!
//! All units of a promotion are held, nearly all for an hour and a thousand for two seconds, which expire a millisecond
//! apart. Meanwhile claims arrive at a steady rate and are refused unless a unit is back. As units are alike, the n-th
//! claim that is accepted belongs to the n-th expiry; what counts is the time from `hold_expires_at` to that claim's
//! answer, so its arrival and its commit are in it. Claims that are accepted are held for two seconds in turn.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Options;
use super::throughput::{start, with_log};
use crate::closed_loop::Workload;
use crate::error::{Error, Result};
use crate::http::{self, Request};
use crate::open_loop::{self, Pace, WhenBusy};
use crate::report::{Row, Target};
use crate::rpc_loop::{self, Sessions};
use crate::scene::Scene;
use crate::server::Server;

const BACK_MS: f64 = 10.0;
/// Holds that expire, one per millisecond, and how long they are held.
const EXPIRING: u32 = 1_000;
const HOLD_SECONDS: u32 = 2;
/// Claims that look for a unit.
const PER_SECOND: f64 = 2_000.0;
const LOOKING: Duration = Duration::from_secs(8);
const CONNECTIONS: usize = 64;
/// An expiry this long before the end must have been followed by a claim.
const TAIL_MS: i64 = 500;

/// Measures how soon expired holds are back on sale.
///
/// # Errors
/// A claim is answered anything but 201 or 409, a unit does not come back, or the server fails.
pub fn measure(options: &Options, add: &mut dyn FnMut(Row)) -> Result<()> {
    let (server, scene, tokens) = start(None, options)?;
    add(measure_on(&server, &scene, &tokens, options.holds).map_err(|error| with_log(error, &server))?);
    Ok(())
}

/// A claim that was accepted, by the wall clock in milliseconds.
struct Accepted {
    answered_at: f64,
    expires_at: i64,
}

fn measure_on(server: &Server, scene: &Scene, tokens: &[String], holds: u32) -> Result<Row> {
    let promotion = scene.launch(holds, 3600)?;
    {
        let pace = rpc_loop::Pace {
            frames: 64,
            commands: 8,
            warm_up: Duration::ZERO,
            counted: Duration::from_secs(60),
            claims_max: u64::from(holds - EXPIRING),
        };
        let accepted = Sessions::connect(server.address, tokens)?.run(&promotion, &pace)?.accepted;
        if accepted != u64::from(holds - EXPIRING) {
            return Err(Error::TimedOut(format!("{accepted} of {holds} holds")));
        }
    }
    shorten(scene, &promotion)?;
    let path = format!("/api/v1/promotions/{promotion}/claims");
    let mut work = Workload::new(server.address, &path, tokens, "{}", 201, "")?;
    let last = Duration::from_millis(u64::from(EXPIRING));
    let first = claim(server, &mut work, 1_000.0, last)?;
    if first.len() != EXPIRING as usize {
        return Err(Error::Unexpected(format!("{} of {EXPIRING} holds", first.len())));
    }
    let claims = claim(server, &mut work, PER_SECOND, LOOKING)?;
    let ended_at = Timestamp::now().as_millisecond();
    let mut expiries: Vec<i64> = first.iter().chain(&claims).map(|claim| claim.expires_at).collect();
    expiries.sort_unstable();
    let owed = expiries.iter().filter(|at| **at < ended_at - TAIL_MS).count();
    if claims.len() < owed || claims.is_empty() {
        return Err(Error::Unexpected(format!("{} of {owed} units came back", claims.len())));
    }
    let hold_ms = i64::from(HOLD_SECONDS) * 1_000;
    let answers: Vec<f64> = claims.iter().map(|claim| claim.answered_at).collect();
    let decisions: Vec<f64> = claims.iter().map(|claim| (claim.expires_at - hold_ms) as f64).collect();
    let (answered, decided) = (behind(answers, &expiries), behind(decisions, &expiries));
    let (figure, decided_ms) = (at(&answered, 0.99), at(&decided, 0.99));
    Ok(Row {
        work: "expired hold claimed again: p99, ms".to_owned(),
        setting: format!("sqlite, {holds} open holds, {} expiries", claims.len()),
        ours: format!("p50 {:.1}; decided p99 {decided_ms:.1} ms", at(&answered, 0.5)),
        limit: String::new(),
        figure,
        spread: (at(&answered, 0.0), at(&answered, 1.0)),
        target: Some(Target::AtMost(BACK_MS)),
        detail: json!({
            "answered_ms": {"p50": at(&answered, 0.5), "p999": at(&answered, 0.999)},
            "decided_ms": {"p50": at(&decided, 0.5), "p99": decided_ms, "max": at(&decided, 1.0)},
        }),
    })
}

/// How far the n-th of `times` is behind the n-th expiry, sorted.
fn behind(mut times: Vec<f64>, expiries: &[i64]) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    let mut behind: Vec<f64> =
        std::iter::zip(times, expiries).map(|(at, expiry)| at - *expiry as f64).collect();
    behind.sort_by(f64::total_cmp);
    behind
}

fn at(sorted: &[f64], quantile: f64) -> f64 {
    let place = (sorted.len().saturating_sub(1) as f64 * quantile).ceil() as usize;
    sorted.get(place).copied().unwrap_or_default()
}

/// Claims at a steady rate; returns what was accepted.
fn claim(server: &Server, work: &mut Workload, per_second: f64, duration: Duration) -> Result<Vec<Accepted>> {
    let (began, began_at) = (Instant::now(), Timestamp::now());
    let mut accepted = Vec::new();
    let pace = Pace {
        connections: CONNECTIONS,
        per_second,
        duration,
        warm_up: Duration::ZERO,
        when_busy: WhenBusy::Wait,
    };
    open_loop::run(server.address, work, &pace, &mut |answer| {
        let body = || String::from_utf8_lossy(answer.body).into_owned();
        match answer.status {
            409 => return Ok(()),
            201 => {}
            other => return Err(Error::Unexpected(format!("a claim was answered {other}: {}", body()))),
        }
        let shown: Option<Value> = serde_json::from_slice(answer.body).ok();
        let expires_at =
            shown.as_ref().and_then(|claim| claim.get("hold_expires_at")?.as_str()?.parse().ok());
        let expires_at: Timestamp =
            expires_at.ok_or_else(|| Error::Unexpected(format!("a claim without an expiry: {}", body())))?;
        let passed = SignedDuration::try_from(answer.at.duration_since(began)).unwrap_or_default();
        let answered_at = (began_at + passed).as_microsecond() as f64 / 1e3;
        accepted.push(Accepted { answered_at, expires_at: expires_at.as_millisecond() });
        Ok(())
    })?;
    Ok(accepted)
}

/// Has the claims to come held for a short time only.
fn shorten(scene: &Scene, promotion: &str) -> Result<()> {
    let path = format!("/api/v1/promotions/{promotion}");
    let body = json!({"hold_seconds": HOLD_SECONDS}).to_string();
    let token = Some(scene.merchant_token.as_str());
    let request = Request { method: "PATCH", path: &path, token, key: None, body: &body };
    http::call(scene.server, &request)?.json(&path, 200).map(|_| ())
}
