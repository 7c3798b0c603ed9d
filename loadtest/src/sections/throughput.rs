//! Claims and refusals over HTTP, held against the same server's no-op endpoint.
//!
//! Both sides use the same number of fresh keep-alive connections, the same tokens, headers and body, and the same
//! client; what differs is the path, and with it the work. Each comparison has a server and a database of its own and
//! is over before the first hold expires, so that no other work runs beside it. Claims count only when they are
//! answered 201 and refusals only when 409 with `sold_out`; any other status fails the run, and so does a promotion
//! that at the end does not show exactly as many held units as claims were acknowledged.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::json;

use super::Options;
use crate::closed_loop::{self, Slice, Workload};
use crate::error::{Error, Result};
use crate::http::{self, Request};
use crate::postgres::Postgres;
use crate::report::{Row, Target, median, spread};
use crate::scene::Scene;
use crate::server::{Server, Settings};

pub(super) const NOOP: &str = "/api/v1/bench/noop";
const BODY: &str = "{}";
const WORKERS: usize = 2;
/// Connections at which the targets hold.
const TARGET_CONNECTIONS: usize = 256;
const CLAIMS_SQLITE: f64 = 0.62;
const CLAIMS_POSTGRES: f64 = 0.48;
const REFUSALS: f64 = 0.92;
/// Most units that the contract lets a promotion have; no run claims that many.
pub(super) const STOCK_MAX: u32 = 1_000_000;
/// The uncounted share at the start of a slice, of its counted time.
pub(super) const WARM_UP_SHARE: f64 = 0.1;

/// Measures durable claims of one hot promotion, on SQLite and, if there is one, on PostgreSQL.
///
/// # Errors
/// A claim is answered anything but 201, or the server fails.
pub fn claims(
    options: &Options,
    mut postgres: Option<&mut Postgres>,
    add: &mut dyn FnMut(Row),
) -> Result<()> {
    for &connections in &options.connections {
        let target = (connections == TARGET_CONNECTIONS).then_some(Target::AtLeast(CLAIMS_SQLITE));
        add(claims_on("sqlite", None, connections, target, options)?);
    }
    for &connections in &options.connections {
        let Some(postgres) = postgres.as_deref_mut() else { return Ok(()) };
        let target = (connections == TARGET_CONNECTIONS).then_some(Target::AtLeast(CLAIMS_POSTGRES));
        add(claims_on("postgres", Some(postgres.database_url()?), connections, target, options)?);
    }
    Ok(())
}

fn claims_on(
    store: &str,
    database_url: Option<String>,
    connections: usize,
    target: Option<Target>,
    options: &Options,
) -> Result<Row> {
    let (server, scene, tokens) = start(database_url, options)?;
    let promotion = scene.launch(STOCK_MAX, hold_seconds(options))?;
    let path = format!("/api/v1/promotions/{promotion}/claims");
    let mut work = Workload::new(server.address, &path, &tokens, BODY, 201, "\"redemption_code\"")?;
    let setting = format!("{store}, {connections} connections");
    let measured = compare(&server, &mut work, &tokens, connections, options).and_then(|comparison| {
        match scene.taken(&promotion)? {
            (held, 0) if held == comparison.work_expected => Ok(comparison),
            taken => Err(Error::Unexpected(format!(
                "{} claims were acknowledged, but held and sold are {taken:?}",
                comparison.work_expected
            ))),
        }
    });
    let comparison = measured.map_err(|error| with_log(error, &server))?;
    Ok(comparison.row("claims / no-op", setting, target))
}

/// The default of the contract, or the longest one where the comparison might outlast that.
fn hold_seconds(options: &Options) -> u32 {
    let planned = options.seconds * 2.0 * (1.0 + WARM_UP_SHARE) * (options.slices as f64 + 0.5);
    if planned < 45.0 { 60 } else { 3600 }
}

/// Measures the refusals of a promotion whose only unit is sold.
///
/// # Errors
/// A claim is answered anything but 409 `sold_out`, or the server fails.
pub fn refusals(options: &Options, add: &mut dyn FnMut(Row)) -> Result<()> {
    for &connections in &options.connections {
        let (server, scene, tokens) = start(None, options)?;
        let promotion = scene.launch(1, 60)?;
        let buyer = scene.shoppers(1)?;
        scene.buy(buyer.first().map_or("", String::as_str), &promotion)?;
        let path = format!("/api/v1/promotions/{promotion}/claims");
        let mut work = Workload::new(server.address, &path, &tokens, BODY, 409, "\"sold_out\"")?;
        let target = Some(Target::AtLeast(REFUSALS));
        let setting = format!("sqlite, {connections} connections");
        let row = compare(&server, &mut work, &tokens, connections, options)
            .map(|comparison| comparison.row("refusals / no-op", setting, target))
            .map_err(|error| with_log(error, &server))?;
        add(row);
    }
    Ok(())
}

/// Starts a server, a scene and shoppers.
pub(super) fn start(database_url: Option<String>, options: &Options) -> Result<(Server, Scene, Vec<String>)> {
    let server = Server::start(&Settings {
        binary: options.server.clone(),
        workers: WORKERS,
        database_url,
        more: Vec::new(),
    })?;
    let scene = Scene::set(server.address).map_err(|error| with_log(error, &server))?;
    let tokens = scene.shoppers(options.shoppers).map_err(|error| with_log(error, &server))?;
    Ok((server, scene, tokens))
}

/// Adds the end of the server's log to an error.
pub(super) fn with_log(error: Error, server: &Server) -> Error {
    match server.log_end() {
        log if log.is_empty() => error,
        log => Error::Unexpected(format!("{error}\nthe server's log ends:\n{log}")),
    }
}

/// The slices of one comparison.
struct Comparison {
    work: Vec<Slice>,
    noop: Vec<Slice>,
    /// Expected answers of the work, also those outside the counted time.
    work_expected: u64,
}

/// Prepares the no-op, having asked for it once.
pub(super) fn noop_workload(server: &Server, tokens: &[String]) -> Result<Workload> {
    let probe = Request {
        method: "POST",
        path: NOOP,
        token: tokens.first().map(String::as_str),
        key: Some("probe"),
        body: BODY,
    };
    let noop_status = match http::call(server.address, &probe)?.status {
        status @ (200 | 201) => status,
        other => return Err(Error::Unexpected(format!("{NOOP} answers {other}"))),
    };
    Workload::new(server.address, NOOP, tokens, BODY, noop_status, "")
}

fn compare(
    server: &Server,
    work: &mut Workload,
    tokens: &[String],
    connections: usize,
    options: &Options,
) -> Result<Comparison> {
    let mut noop = noop_workload(server, tokens)?;
    let counted = Duration::from_secs_f64(options.seconds);
    let warm_up = counted.mul_f64(WARM_UP_SHARE);
    let slice = |workload: &mut Workload, counted: Duration| {
        let slice = closed_loop::run(server.address, workload, connections, warm_up, counted)?;
        match slice.other_sample.clone() {
            Some(sample) => Err(Error::Unexpected(format!("{:?}, such as: {sample}", slice.other_statuses))),
            None => Ok(slice),
        }
    };
    slice(&mut noop, counted.mul_f64(0.3))?;
    let work_expected = slice(work, counted.mul_f64(0.3))?.expected;
    let mut comparison = Comparison { work: Vec::new(), noop: Vec::new(), work_expected };
    for _ in 0..options.slices {
        let of_work = slice(work, counted)?;
        comparison.work_expected += of_work.expected;
        comparison.work.push(of_work);
        comparison.noop.push(slice(&mut noop, counted)?);
    }
    Ok(comparison)
}

impl Comparison {
    fn row(&self, work: &str, setting: String, target: Option<Target>) -> Row {
        let ratios: Vec<f64> = std::iter::zip(&self.work, &self.noop)
            .map(|(work, noop)| work.per_second() / noop.per_second().max(f64::EPSILON))
            .collect();
        Row {
            work: work.to_owned(),
            setting,
            ours: summary(&self.work),
            limit: summary(&self.noop),
            figure: median(&ratios),
            spread: spread(&ratios),
            target,
            detail: json!({"ratios": ratios, "ours": detail(&self.work), "limit": detail(&self.noop)}),
        }
    }
}

fn rates(slices: &[Slice]) -> Vec<f64> {
    slices.iter().map(Slice::per_second).collect()
}

/// The latencies of all slices together; `None` without a slice.
fn latencies(slices: &[Slice]) -> Option<Histogram<u64>> {
    let (first, rest) = slices.split_first()?;
    let mut all = first.latency_us.clone();
    for slice in rest {
        all.add(&slice.latency_us).ok()?;
    }
    Some(all)
}

fn percentile_ms(slices: &[Slice], quantile: f64) -> f64 {
    latencies(slices).map_or(0.0, |all| all.value_at_quantile(quantile) as f64 / 1000.0)
}

fn summary(slices: &[Slice]) -> String {
    let (p50, p99) = (percentile_ms(slices, 0.5), percentile_ms(slices, 0.99));
    format!("{:.0}/s p50 {p50:.1} p99 {p99:.1} ms", median(&rates(slices)))
}

fn detail(slices: &[Slice]) -> serde_json::Value {
    json!({
        "per_second": rates(slices),
        "p50_ms": percentile_ms(slices, 0.5),
        "p99_ms": percentile_ms(slices, 0.99),
        "p999_ms": percentile_ms(slices, 0.999),
        "completed": slices.iter().map(|slice| slice.completed).sum::<u64>(),
        "body_bytes": slices.last().map_or(0, |slice| slice.body_bytes),
    })
}
